"""The table of paths, and what is said of hub names, upgrades and /health. On both clusters of the stage."""

import asyncio
import contextlib
import http.client
import json
import time

import pytest
import websockets
from cluster import Cluster, http_get
from ws import WAIT, actor, connect, echo

from .protocol import HUB, is_integer

NAMES = ["a", "0", "A.b_c~d-e", "n" * 128, "..."]
SAME = [("/websocket", "/websocket/test-room", "echo"), ("/ws", "/ws/default", "signal"), ("/", "/ws/default", "signal"),
        ("/ws/tilde~", "/ws/tilde%7E", "signal"), ("/ws/%61bc", "/ws/abc", "signal"),
        ("/websocket/%41%2d%5f", "/websocket/A-_", "echo")]
NOT_FOUND = ["/nothing", "/websocket/", "/ws/", "/websocket/a/b", "/ws/a/b", "/ws/a%2Fb", "/ws/a%20b", "/ws/a+b",
             "/ws/" + "n" * 129, "/ws/%C3%A9", "/ws/%00", "/ws/%zz", "/ws/a%", "/Ws", "/ws//a", "/websockets", "/ws/@(x)"]


@pytest.fixture(params=["awake", "asleep"])
def cluster(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("path, other, kind", SAME)
async def test_paths_lead_to_the_same_hub(cluster, path, other, kind):
    if kind == "echo":
        async with echo(cluster.ws_url(path)) as one, echo(cluster.ws_url(other)):
            assert (await one.ask("x"))["connections"] == 2
    else:
        async with actor(cluster.ws_url(path), "test/one") as one, actor(cluster.ws_url(other), "test/two") as two:
            found = await two.addresses()
            assert {"test/one", "test/two"} <= set(found)
            await one.must("hub:unregister", {"actorAddress": "test/one"})


@pytest.mark.parametrize("prefix", ["/ws/", "/websocket/"])
@pytest.mark.parametrize("name", NAMES, ids=lambda name: name[:10])
async def test_hub_name(cluster, prefix, name):
    async with connect(cluster.ws_url(prefix + name)) as client:
        assert client.is_open


async def test_classes_and_names_are_hubs_of_their_own(cluster):
    async with echo(cluster.ws_url("/websocket/own")) as one, echo(cluster.ws_url("/websocket/Own")), \
            actor(cluster.ws_url("/ws/own"), "test/x") as two, actor(cluster.ws_url("/ws/other"), "test/y") as three:
        assert (await one.ask("x"))["connections"] == 1
        assert await two.addresses() == ["test/x"] and await three.addresses() == ["test/y"]


@pytest.mark.parametrize("path", NOT_FOUND, ids=lambda path: path[:16])
async def test_another_path_is_404(cluster, path):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        async with connect(cluster.ws_url(path)):
            pass
    assert refused.value.status_code == 404
    assert (await asyncio.to_thread(http_get, cluster.port(), path))[0] == 404


@pytest.mark.parametrize("path", ["/websocket", "/websocket/room", "/ws", "/ws/room"])
def test_a_websocket_path_without_upgrade_is_426(cluster, path):
    assert http_get(cluster.port(), path)[0] == 426


async def test_a_class_can_be_switched_off():
    with Cluster(options={"disabled-classes": "echo"}) as it:
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            async with connect(it.ws_url("/websocket")):
                pass
        assert refused.value.status_code == 404
        said = (await asyncio.to_thread(http_get, it.port(), "/websocket"))[1]
        assert "WebSockets open at /, /ws, /ws/NAME (class signal);" in said, "what there is, and no more"
        async with actor(it.ws_url("/ws"), "test/a") as a:
            assert await a.addresses() == ["test/a"]


@pytest.mark.parametrize("disabled, said", [("echoes", "there is no hub class 'echoes'; there are: echo signal"),
                                            ("echo,signal", "leaves no hub class")])
def test_switching_off_what_is_not_there_or_all_is_refused(disabled, said):
    with Cluster(options={"disabled-classes": disabled}, start=False) as it:
        status, output = it.run_to_end(it.statekeeper_command())
    assert status not in (0, None) and said in output, output


def test_root_without_upgrade_is_the_web_client(cluster):
    status, body, headers = http_get(cluster.port(), "/")
    assert status == 200 and headers["content-type"].startswith("text/html") and "<html" in body.lower()


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "OPTIONS"])
def test_health(cluster, method):
    connection = http.client.HTTPConnection("127.0.0.1", cluster.port(), timeout=WAIT)
    with contextlib.closing(connection):
        connection.request(method, "/health", body='{"a":1}' if method == "POST" else None)
        answer = connection.getresponse()
        assert answer.status == 200 and answer.headers["content-type"].startswith("application/json")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert method in answer.headers["access-control-allow-methods"]
        body = answer.read()
    if method == "HEAD":
        assert body == b""
        return
    said = json.loads(body)
    assert said.keys() == {"status", "service", "version", "timestamp"}
    assert (said["status"], said["service"]) == ("ok", "signal-hub") and said["version"]
    assert is_integer(said["timestamp"]) and abs(said["timestamp"] - time.time() * 1000) < 60_000


def test_404_says_what_there_is(cluster):
    status, body, _ = http_get(cluster.port(), "/nothing")
    assert status == 404
    assert "/websocket, /websocket/NAME (class echo)" in body and "/, /ws, /ws/NAME (class signal)" in body


async def test_a_path_with_a_query(cluster):
    async with connect(cluster.ws_url("/ws/query?x=1&y=%20")) as client:
        reply = await client.ask({"type": "hub:list_actors", "from": "test/a", "to": HUB})
        assert reply["type"] == "hub:actor_list"
