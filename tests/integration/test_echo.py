"""Class echo over real processes: what seed 000's clients see, and the WebSocket protocol itself."""

import asyncio
import json
import re

import pytest
import websockets
from cluster import Cluster, http_get
from ws import WAIT, connect, count_becomes, echo

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def cluster():
    with Cluster(options={"hibernate-after": "200ms"}) as it:
        yield it


async def test_welcome_tells_id_and_heartbeat_interval(cluster):
    async with connect(cluster.ws_url("/websocket")) as client:
        welcome = await client.recv()
        assert welcome["type"] == "welcome" and isinstance(welcome["message"], str)
        assert welcome["heartbeatInterval"] == 20000
        assert UUID.fullmatch(welcome["connectionId"])


@pytest.mark.parametrize("edge", ["true", "false"])
async def test_heartbeat_ping_and_messages_are_answered(edge):
    with Cluster(options={"edge-heartbeats": edge}) as cluster:
        async with echo(cluster.ws_url("/websocket/answers")) as client:
            for kind, answer in (("heartbeat", "heartbeat_ack"), ("ping", "pong")):
                reply = await client.ask({"type": kind, "timestamp": 1})
                assert reply.keys() == {"type", "timestamp", "connectionId"}
                assert reply["type"] == answer and reply["connectionId"] == client.id
                assert ISO.fullmatch(reply["timestamp"])
            reply = await client.ask({"type": "message", "message": "hello"})
            assert ISO.fullmatch(reply.pop("timestamp"))
            assert reply == {"type": "echo", "message": "hello", "connections": 1, "connectionId": client.id}


async def test_frames_that_are_not_messages_are_echoed_raw(cluster):
    async with echo(cluster.ws_url("/websocket/raw")) as client:
        for text in ("not JSON", "[1, 2]", "{\"type\":\"message\"", "\"quoted\"", "Ω ≠ 🐭"):
            reply = await client.ask(text)
            assert reply["type"] == "echo" and reply["message"] == text
        reply = await client.ask('{"type":"other",  "n":1}')
        assert reply["message"] == '{"type":"other",  "n":1}'
        reply = await client.ask({"message": {"deep": [1, 2.5, None]}})
        assert reply["message"] == {"deep": [1, 2.5, None]}


async def test_count_is_that_of_the_hub(cluster):
    async with echo(cluster.ws_url("/websocket/count")) as a, echo(cluster.ws_url("/websocket/count")) as b, \
            echo(cluster.ws_url("/websocket/another")) as c:
        assert (await a.ask("x"))["connections"] == 2
        assert (await c.ask("x"))["connections"] == 1
        await b.close()
        await count_becomes(a, 1)


async def test_hub_name_may_be_percent_encoded(cluster):
    async with echo(cluster.ws_url("/websocket/tilde~")) as a, echo(cluster.ws_url("/websocket/tilde%7E")):
        assert (await a.ask("x"))["connections"] == 2


async def test_bare_path_is_the_test_room(cluster):
    async with echo(cluster.ws_url("/websocket")) as a, echo(cluster.ws_url("/websocket/test-room")):
        assert (await a.ask("x"))["connections"] == 2


async def test_binary_frame_is_read_as_text(cluster):
    async with echo(cluster.ws_url("/websocket/binary")) as client:
        assert (await client.ask(json.dumps({"message": "bytes"}).encode()))["message"] == "bytes"


async def test_fragments_are_one_message(cluster):
    async with echo(cluster.ws_url("/websocket/fragments")) as client:
        await client.protocol.send(["one ", "two ", "", "x" * 5000])
        assert (await client.recv())["message"] == "one two " + "x" * 5000


@pytest.mark.parametrize("size", [0, 1, 125, 126, 1023, 1024, 1025, 65535, 65536, 500_000])
async def test_sizes_come_back_whole(cluster, size):
    async with echo(cluster.ws_url("/websocket/sizes")) as client:
        assert (await client.ask("m" * size))["message"] == "m" * size


async def test_protocol_ping_is_answered(cluster):
    async with echo(cluster.ws_url("/websocket/pings")) as client:
        await asyncio.wait_for(await client.protocol.ping(b"are you there"), WAIT)


async def test_close_code_of_the_client_comes_back(cluster):
    async with echo(cluster.ws_url("/websocket/closes")) as client:
        await client.close(4001, "done for today")
        assert client.protocol.close_code == 4001


async def test_first_subprotocol_is_accepted(cluster):
    async with connect(cluster.ws_url("/websocket/sub"), subprotocols=["chat.v1", "chat.v0"]) as client:
        assert client.protocol.subprotocol == "chat.v1"


def test_health_says_who_answers(cluster):
    status, body, headers = http_get(cluster.port(), "/health")
    assert status == 200 and headers["content-type"].startswith("application/json")
    said = json.loads(body)
    assert said["status"] == "ok" and said["service"] == "signal-hub"
    assert said["version"] and said["timestamp"]


def test_web_client_is_served(cluster):
    status, body, headers = http_get(cluster.port(), "/")
    assert status == 200 and headers["content-type"].startswith("text/html")
    assert "<html" in body.lower()


@pytest.mark.parametrize("path", ["/nothing", "/websocket/a/b", "/websocket/a%2Fb", "/websocket/sp%20ace", "/ws/",
                                  "/websocket/" + "n" * 129], ids=lambda path: path[:25])
async def test_wrong_path_is_404(cluster, path):
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        async with connect(cluster.ws_url(path)):
            pass
    assert refused.value.status_code == 404
    assert http_get(cluster.port(), path)[0] == 404


@pytest.mark.parametrize("path", ["/websocket", "/websocket/room", "/ws", "/ws/room"])
def test_websocket_path_without_upgrade_is_426(cluster, path):
    assert http_get(cluster.port(), path)[0] == 426
