"""tests/bench/run peers: what it makes of what was measured, and that it measures servers of every kind that is here."""

import copy
import os
import subprocess
import sys

import pytest
from process import REPOSITORY

sys.path.insert(0, os.path.join(REPOSITORY, "tests", "bench"))
import comparison  # noqa: E402  # pylint: disable=wrong-import-position
import driver  # noqa: E402  # pylint: disable=wrong-import-position
import page  # noqa: E402  # pylint: disable=wrong-import-position
import servers  # noqa: E402  # pylint: disable=wrong-import-position

RESULT = {
    "when": "2026-01-31 12:00 UTC", "machine": "two processors", "command": "tests/bench/run peers", "store": "file",
    "rounds": 3, "missing": {"workerd": "there is no <npm>"},
    "servers": {"bare": {"version": "1", "about": "an echo"}, "dormouse": {"version": "2", "about": "ours"}},
    "rows": [{"name": "echo: some", "units": {"processor": "s per million messages", "p99": "us"},
              "values": {"bare": {"processor": [5.0, 5.2, 4.9], "p99": [100.0, 104.0, 99.0]},
                         "dormouse": {"processor": [10.0, 10.3, 9.9], "p99": [210.0, 200.0, 190.0]},
                         "ws": {"failed": ["no answer"]}}}],
}


def slowed(factor, bare=1.0):
    result = copy.deepcopy(RESULT)
    values = result["rows"][0]["values"]
    values["dormouse"]["processor"] = [value * factor for value in values["dormouse"]["processor"]]
    values["bare"]["processor"] = [value * bare for value in values["bare"]["processor"]]
    return result


def test_the_table_has_medians_and_ratios():
    said = comparison.table(RESULT)
    assert "| dormouse | 10.0 | 200 | 2.00 | 1.00 |" in said
    assert "| bare | 5.00 | 100 | 1.00 | 0.50 |" in said
    assert "| ws (1 failed) |  |  |  |  |" in said
    assert "- workerd: left out: there is no <npm>" in said


def test_the_page_stands_alone():
    said = page.render(RESULT)
    assert "there is no &lt;npm&gt;" in said
    assert said.count("<svg") == 2
    assert "http" not in said.replace("http-equiv", "")


@pytest.mark.parametrize("factor, bare, slower, word", [
    (1.0, 1.0, False, "nothing"), (1.05, 1.0, False, "nothing"), (1.5, 1.0, True, "SLOWER"), (0.6, 1.0, False, "faster"),
    (1.5, 1.5, False, "nothing"),  # the machine is slower, and not we
    (1.0, 0.6, True, "SLOWER"),
])
def test_what_is_slower_beyond_noise_is_said(factor, bare, slower, word):
    words, found = comparison.comparison_with(slowed(factor, bare), RESULT)
    assert found == slower
    assert word in words


def test_runs_that_scatter_are_no_proof():
    noisy = slowed(1.3)
    noisy["rows"][0]["values"]["dormouse"]["processor"] = [9.0, 13.0, 18.0]
    assert not comparison.comparison_with(noisy, RESULT)[1]


def test_wrong_usage_is_said():
    def said(*words):
        done = subprocess.run([os.path.join(REPOSITORY, "tests", "bench", "run"), *words], check=False,
                              capture_output=True, text=True)
        assert done.returncode == 2
        return done.stderr

    assert "there is no part bar; parts are peers" in said("bar")
    assert "there is no server foo; servers are bare" in said("--server", "foo", "peers")
    assert f"--against: {__file__} is no run that --json saved" in said("--against", __file__, "peers")


@pytest.mark.parametrize("kind", servers.ALL, ids=lambda kind: kind.name)
def test_each_server_does_the_job(kind):
    server = kind()
    try:
        with server.running("file"):
            assert server.version
            found = driver.play("echo", "--url", server.url, *server.talk, "--connections", 4, "--hubs", 2,
                                "--duration", 0.3, "--warm-up", 0.1, watched=server.pids)
            if server.heartbeats:
                driver.play("echo", "--url", server.url, *server.heartbeats, "--connections", 4, "--hubs", 2,
                            "--duration", 0.3, "--warm-up", 0.1)
            greeted = driver.play("connect", "--url", server.url, *server.talk, "--connections", 4, "--duration", 0.3,
                                  "--warm-up", 0.1, watched=server.pids)
    except servers.Missing as why:
        assert kind not in (servers.Bare, servers.Dormouse)
        pytest.skip(f"{kind.name} cannot be had here: {why}")
    assert found.sum("cpu", server.pids) > 0
    assert found.latencies["latency"]["p50_ms"] > 0
    assert greeted.latencies["greeting"]["p50_ms"] > 0


def test_a_server_that_answers_wrongly_is_a_failure():
    server = servers.Bare()
    with server.running("file"), pytest.raises(driver.Failed, match="the servers are silent"):
        driver.play("echo", "--url", server.url, "--class", "echo", "--connections", 1, "--hubs", 1, "--duration", 0.2,
                    "--warm-up", 0, "--connect-timeout", 1, "--timeout", 1)
