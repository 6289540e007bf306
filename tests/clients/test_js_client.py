"""The JavaScript client: its own tests by Node's runner, its types by the compiler, and both kinds of hub for real."""

import os
import pathlib
import subprocess

import pytest
from cluster import SLOWNESS, Cluster

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
LIBRARY = REPOSITORY / "clients" / "js"
SECRET = "a secret of more than thirty-two bytes, for tests"
PROGRAMS = pathlib.Path(__file__).resolve().parent / "javascript"


def run(*command, **environment):
    # Debian's Node looks there for Debian's packages by itself, others do where they are told.
    environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs", **environment}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=environment, timeout=100 * SLOWNESS, check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("file", sorted(path.name for path in LIBRARY.glob("*.test.js")))
def test_js_unit(file):
    assert "\n# fail 0" in run("node", "--test-reporter=tap", str(LIBRARY / file))


def test_js_types():
    run(
        "tsc", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext",
        "--moduleResolution", "nodenext", str(LIBRARY / "index.d.ts"), str(PROGRAMS / "usage.mts"),
    )


@pytest.mark.parametrize(
    "program, options",
    [
        ("talk", {"rate-limit": "0", "signal-heartbeat-interval": "300ms"}),
        ("limits", {"rate-limit": "20", "rate-burst": "5"}),
        ("resume", {"rate-limit": "0"}),
        ("flow", {"rate-limit": "0", "outbound-pause": "64KiB", "outbound-resume": "16KiB", "outbound-limit": "64MiB"}),
        ("tokens", {"auth-algorithm": "HS256"}),
        ("door", {"auth-algorithm": "HS256", "auth-upgrade": "true"}),
    ],
)
def test_js_on_cluster(program, options, tmp_path):
    if "auth-algorithm" in options:
        (tmp_path / "key").write_text(SECRET)
        options = {**options, "auth-key": str(tmp_path / "key")}
    with Cluster(options=options) as cluster:
        output = run(
            "node", "--test-reporter=tap", str(PROGRAMS / f"{program}.test.mjs"),
            DORMOUSE=cluster.ws_url(""), SECRET=SECRET,
        )
    assert "\n# fail 0" in output and "\n# pass 0" not in output
