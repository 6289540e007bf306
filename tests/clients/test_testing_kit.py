"""The kit for tests of hubs and clients (clients/testing): its own tests and its examples, as their authors run theirs, in
JavaScript and in Python, on both stores."""

import os
import pathlib
import subprocess

import pytest
from cluster import BIN, SLOWNESS, ports

KIT = pathlib.Path(__file__).resolve().parents[2] / "clients" / "testing"
PROGRAMS = pathlib.Path(__file__).resolve().parent / "javascript"


def run(*command, **environment):
    done = subprocess.run(
        [str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, env={**os.environ, "DORMOUSE_BIN": BIN, "NODE_PATH": "/usr/share/nodejs", **environment},
        timeout=110 * SLOWNESS, check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_node(file, **environment):
    said = run("node", "--test-reporter=tap", KIT / "js" / file, **environment)
    assert "\n# fail 0" in said and "\n# pass 0" not in said


def run_pytest(file, **environment):
    run("/usr/bin/python3", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", "/dev/null", "--rootdir",
        KIT / "python", KIT / "python" / file, PYTHONPATH=str(KIT / "python"), **environment)


@pytest.mark.parametrize("example", ["room", "signal"])
def test_js_example(example, store):
    run_node(f"examples/{example}.test.js", EXAMPLE_STORE=store)


@pytest.mark.parametrize("example", ["room", "signal", "bell"])
def test_python_example(example, store):
    run_pytest(f"examples/test_{example}.py", EXAMPLE_STORE=store)


def test_js_kit():
    run_node("cluster.test.js")


def test_python_kit():
    run_pytest("test_cluster.py")


def test_js_types():
    run("tsc", "--noEmit", "--strict", "--target", "es2022", "--lib", "es2022,dom", "--module", "nodenext",
        "--moduleResolution", "nodenext", KIT / "js" / "index.d.ts", PROGRAMS / "testing_usage.mts")


@pytest.mark.parametrize("program", ["dormouse-gateway", "dormouse-statekeeper"])
def test_a_process_that_others_can_reach_has_no_clock_of_a_test(program, tmp_path):
    clock = tmp_path / "clock"
    clock.write_bytes(bytes(8))
    done = subprocess.run(
        [os.path.join(BIN, program), "--data", tmp_path / "data", "--listen", f"0.0.0.0:{ports.choose(None, str(tmp_path))}"],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=20 * SLOWNESS,
        env={**os.environ, "DORMOUSE_TEST_CLOCK": str(clock)}, check=False,
    )
    assert done.returncode == 1 and "DORMOUSE_TEST_CLOCK is for tests, and others can reach 0.0.0.0" in done.stdout
