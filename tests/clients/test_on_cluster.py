"""The command line clients as a user runs them, against real processes."""

import pathlib
import subprocess
import sys

import pytest
from cluster import SLOWNESS, Cluster

CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"


def run(script, *arguments, typed=""):
    return subprocess.run(
        [sys.executable, CLIENTS / script, *arguments],
        input=typed, capture_output=True, text=True, timeout=60 * SLOWNESS, check=False,
    )


def test_interactive_client_gets_welcome_echo_and_pong():
    with Cluster() as cluster:
        url = cluster.ws_url("/websocket")
        client = run("websocket_client.py", "--url", url, typed="hello\nping\nquit\n")
    assert (client.returncode, client.stderr) == (0, "")
    for kind in ("welcome", "sent", "echo      hello (connections: 1)", "pong"):
        assert kind in client.stdout


@pytest.mark.parametrize("edge_heartbeats", ["true", "false"])
@pytest.mark.parametrize("hub_class", ["echo", "signal"])
def test_hub_sleeps_and_wakes_unnoticed(hub_class, edge_heartbeats):
    with Cluster(options={"hibernate-after": "1s", "edge-heartbeats": edge_heartbeats}) as cluster:
        metrics = f"http://127.0.0.1:{cluster.admin_statekeeper}/metrics"
        script = run(
            "test_hibernation.py", "--class", hub_class, "--url", cluster.ws_url(""), "--admin", metrics,
            "--hibernate-after", "1",
        )
    assert script.returncode == 0, script.stdout + script.stderr
    assert ("sleeps on" in script.stdout) == (edge_heartbeats == "true")
