"""A smoke of the drills: a few of them, small, once. tests/drills/run plays all, as large as they are meant to be."""

import os
import subprocess

import pytest
from process import SLOWNESS
from test_network import namespaces_are_refused

RUN = os.path.join(os.path.dirname(os.path.abspath(__file__)), "run")


def _run(*words):
    done = subprocess.run([RUN, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=100 * SLOWNESS, check=False)
    return done.returncode, done.stdout.decode()


@pytest.mark.parametrize("name", ["kill-owner", "drain", "restart-redis", "cut-gateway"])
def test_drill(name):
    if name.startswith("cut") and (why := namespaces_are_refused()):
        pytest.skip(why)
    status, said = _run(name, "--connections", "100", "--hubs", "20", "--rate", "100")
    print(said)
    assert status == 0


def test_mistakes_are_told():
    status, said = _run("kill-everybody")
    assert status == 2 and "there is no drill 'kill-everybody'" in said
    status, said = _run("--rounds", "0")
    assert status == 2 and "--rounds" in said


def test_help_lists_every_drill_with_what_it_does():
    status, said = _run("--help")
    assert status == 0
    drills = [name[:-3].replace("_", "-") for name in os.listdir(os.path.join(os.path.dirname(RUN), "drills"))
              if name.endswith(".py") and not name.startswith("_")]
    listed = dict(line.split(None, 1) for line in said.partition("drills:\n")[2].splitlines())
    assert sorted(drills) == sorted(listed)
