"""Durable Object projects do on Dormouse what they do on workerd: the same script sees the same frames, bodies and codes."""

import difflib
import os

import app_servers
import player
import app_projects as projects
import pytest


@pytest.mark.parametrize("server", app_servers.ALL)
@pytest.mark.parametrize("name", projects.names())
async def test_app(name, server):
    project = projects.Project(name)
    if server in project.not_on:
        pytest.skip(f"{server}: {project.not_on[server]}")
    if server == "workerd" and not os.environ.get("DORMOUSE_TEST_WORKERD"):
        pytest.skip("workerd: only with DORMOUSE_TEST_WORKERD=1, which takes npm and four minutes")
    running = app_servers.ALL[server](project)
    try:
        with running.running():
            try:
                seen = await player.play(project.script, running)
            except Exception as error:
                pytest.fail("\n".join([*error.transcript, repr(error), running.log()]))
            file, expected = project.expected_on(server)
            difference = list(difflib.unified_diff(expected, seen, file, server, lineterm=""))
            assert not difference, "\n".join([*difference, running.log()])
    except app_servers.Missing as why:
        pytest.skip(f"{server}: {why}")
