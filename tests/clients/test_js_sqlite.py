"""The SQLite of Durable Objects, dormouse_sqlite.node: its own tests by Node's runner."""

import os
import pathlib
import re
import subprocess

import pytest
from cluster import BIN, REPOSITORY, SLOWNESS

SQLITE = pathlib.Path(REPOSITORY) / "clients" / "hubs" / "js" / "sqlite"
ADDON = pathlib.Path(BIN).parent / "lib" / "dormouse_sqlite.node"


def _environment():
    """Where the addon is. One that is built with a sanitizer needs it in the program, too, which has none."""
    if not ADDON.exists():
        pytest.skip("dormouse_sqlite.node is not built: there is no node_api.h (deploy/install build)")
    linked = subprocess.run(["ldd", ADDON], stdout=subprocess.PIPE, text=True, check=True).stdout
    if "libtsan" in linked:
        pytest.skip("Node does not run under ThreadSanitizer, and the addon has no threads")
    sanitizers = re.findall(r"=> (/\S+/lib(?:asan|ubsan)\.\S+)", linked)
    # What Node leaves behind when it ends is no leak of ours.
    return {**os.environ, "DORMOUSE_SQLITE_ADDON": str(ADDON), "ASAN_OPTIONS": "detect_leaks=0",
            **({"LD_PRELOAD": " ".join(sanitizers)} if sanitizers else {})}


@pytest.mark.parametrize("file", sorted(path.name for path in SQLITE.glob("*.test.mjs")))
def test_js_sqlite(file):
    done = subprocess.run(["node", "--test-reporter=tap", SQLITE / file], env=_environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=100 * SLOWNESS,
                          check=False)
    assert done.returncode == 0 and "\n# fail 0" in done.stdout and "\n# pass 0" not in done.stdout, done.stdout
