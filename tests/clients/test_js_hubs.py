"""The process that runs hub classes written in JavaScript: its own tests, by Node's runner."""

import os
import pathlib
import subprocess

import pytest
from cluster import SLOWNESS

HOST = pathlib.Path(__file__).resolve().parents[2] / "clients" / "hubs" / "js"


@pytest.mark.parametrize("file", sorted(path.name for path in HOST.glob("*.test.mjs")))
def test_js_hubs(file):
    done = subprocess.run(
        ["node", "--test-reporter=tap", str(HOST / file)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, env={**os.environ, "NODE_PATH": "/usr/share/nodejs"},
        timeout=150 * SLOWNESS, check=False,
    )
    assert done.returncode == 0 and "\n# fail 0" in done.stdout, done.stdout
