"""clients/python/test_hibernation.py must fail when a hub forgets: here it meets hubs with one fault each."""

import asyncio
import http.server
import importlib.util
import json
import pathlib
import socketserver
import threading
import uuid

import dormouse
import pytest

# Under another name: tests have modules of that name, too.
_PATH = pathlib.Path(dormouse.__file__).parents[1] / "test_hibernation.py"
_SPEC = importlib.util.spec_from_file_location("hibernation_script", _PATH)
script = importlib.util.module_from_spec(_SPEC)
_SPEC.loader.exec_module(script)


class EchoHub:
    """An echo hub in whose place a faulty one stands after its sleep."""

    def __init__(self, fault=None):
        self._fault = fault
        self._ids = {}
        self.slept = False

    async def __call__(self, socket):
        connection_id = self._ids[socket] = str(uuid.uuid4())
        await socket.send(json.dumps({"type": "welcome", "connectionId": connection_id}))
        async for data in socket:
            frame = json.loads(data)
            if self.slept and self._fault == "new id":
                connection_id = str(uuid.uuid4())
            connections = 1 if self.slept and self._fault == "one connection" else len(self._ids)
            if self.slept and self._fault == "lost message" and frame.get("message") == "five":
                continue
            kind = {"heartbeat": "heartbeat_ack", "ping": "pong"}.get(frame["type"], "echo")
            reply = {"type": kind, "message": frame.get("message"), "connectionId": connection_id}
            await socket.send(json.dumps({**reply, "connections": connections}))

    async def sleep(self):
        self.slept = True
        for socket in self._ids:
            if self._fault == "closed":
                await socket.close(1011, "forgotten")
            if self._fault == "talks in its sleep":
                await socket.send(json.dumps({"type": "welcome"}))


@pytest.mark.parametrize(
    "fault, complaint",
    [
        (None, None),
        ("new id", "expected"),
        ("one connection", "expected"),
        ("lost message", "expected"),
        ("closed", "the socket was closed: 1011 forgotten"),
        ("talks in its sleep", "an idle socket got"),
    ],
)
def test_echo_hub_that_forgets_is_found_out(serve, monkeypatch, capsys, fault, complaint):
    async def run():
        hub = EchoHub(fault)
        real_silence = script.silence

        async def silence(peers, _seconds):
            await hub.sleep()
            await real_silence(peers, 0.05)

        monkeypatch.setattr(script, "silence", silence)
        async with serve(hub) as url:
            return await script.run("echo", url, None, 1)

    status = asyncio.run(run())
    printed = capsys.readouterr().out
    if fault is None:
        assert (status, printed.splitlines()[-1]) == (0, "passed")
    else:
        assert status == 1
        assert f"FAIL  {complaint}" in printed


def test_hub_that_stays_in_memory_is_found_out(serve, monkeypatch, capsys):
    readings = iter([0, 1] + [1] * 1000)
    monkeypatch.setattr(script, "read_metric", lambda *_: next(readings))
    monkeypatch.setattr(script, "ASLEEP_GRACE", 0.2)

    async def run():
        async with serve(EchoHub()) as url:
            return await script.run("echo", url, "http://metrics", 0.1)

    assert asyncio.run(run()) == 1
    assert "FAIL  the hub is still in memory" in capsys.readouterr().out


def test_unreachable_server_is_a_failure(capsys):
    assert asyncio.run(script.run("echo", "ws://127.0.0.1:1/websocket", None, 1)) == 1
    assert "FAIL  connection refused" in capsys.readouterr().out


def test_hub_is_one_of_its_own_unless_named():
    assert script.hub_url("ws://h:1/websocket/mine", "echo") == "ws://h:1/websocket/mine"
    assert script.hub_url("ws://h:1", "echo").startswith("ws://h:1/websocket/hibernation-")
    assert script.hub_url("ws://h:1/", "signal").startswith("ws://h:1/ws/hibernation-")


METRICS = b"""# HELP dormouse_hubs_awake Hubs in memory
# TYPE dormouse_hubs_awake gauge
dormouse_hubs_awake{class="echo",lane="0"} 2
dormouse_hubs_awake{class="signal",lane="0"} 3
dormouse_hubs_awake_peak 99
dormouse_plain 7
"""


@pytest.fixture
def metrics_url():
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(METRICS)

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/metrics"
    server.shutdown()
    thread.join()
    server.server_close()


def test_metric_is_summed_over_its_labels(metrics_url):
    assert script.read_metric(metrics_url, "dormouse_hubs_awake") == 5
    assert script.read_metric(metrics_url, "dormouse_plain") == 7


def test_missing_metric_and_missing_page_are_errors(metrics_url):
    with pytest.raises(LookupError, match="has no metric dormouse_nothing"):
        script.read_metric(metrics_url, "dormouse_nothing")
    with socketserver.TCPServer(("127.0.0.1", 0), None) as probe:
        unused = probe.server_address[1]
    with pytest.raises(LookupError, match="cannot read"):
        script.read_metric(f"http://127.0.0.1:{unused}/metrics", "dormouse_plain")
