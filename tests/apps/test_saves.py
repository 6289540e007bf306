"""Versions that follow each other at once: each takes up HTTP and the open sockets; none that is over comes back."""

import asyncio
import os

import app_servers
import player
import app_projects as projects
import pytest


async def _script(play):
    a = await play.open("a", "/")
    await a.ask("hello")
    for number in range(6):
        with open(os.path.join(play.server.folder, "src", "greeting.js"), "w", encoding="utf-8") as file:
            file.write(f'export const greeting = "version {number}";')

        async def live(wanted=f"version {number}"):
            return (await play.fetch("/version")).text == wanted
        await play.until(live, f"version {number} is live")
        await a.ask("hello again")  # over the same socket, by the object's next life
    # A worker that is over and comes back takes HTTP from the live one within this time.
    for _ in range(20):
        assert (await play.fetch("/version")).text == "version 5"
        await asyncio.sleep(0.05)


async def test_versions_in_quick_succession():
    running = app_servers.ALL["dormouse"](projects.Project("deploy"))
    try:
        with running.running():
            try:
                seen = await player.play(_script, running)
            except Exception as error:
                pytest.fail("\n".join([*getattr(error, "transcript", []), repr(error), running.log()]))
            assert sum("hello again" in line for line in seen) >= 6
    except app_servers.Missing as why:
        pytest.skip(f"dormouse: {why}")
