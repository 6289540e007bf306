"""Table "Class echo", awake and asleep, and the clean-up of silent connections."""

import asyncio
import json
import re
import time

import pytest
from cluster import Cluster
from ws import connect, count_becomes, echo

ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")

# What is sent -> the `message` of the echo, as JSON text. None: the raw text.
ECHOED = [
    ('{"type":"message","message":"hello"}', '"hello"'),
    ('{"message":"no type"}', '"no type"'),
    ('{"type":"message","message":{"deep":[1,2.5,null],"b":0,"a":0}}', '{"deep":[1,2.5,null],"b":0,"a":0}'),
    ('{"type":"message","message":0.10}', "0.10"),
    ('{"type":"message","message":""}', None),
    ('{"type":"message","message":false}', None),
    ('{"type":"message","message":null}', None),
    ('{"type":"message","message":0}', None),
    ('{"type":"message","message":-0.0e5}', None),
    ('{"type":"message","message":true}', "true"),
    ('{"type":"message","message":[]}', "[]"),
    ('{"type":"message","message":" "}', '" "'),
    ('{"type":"message","message":"0"}', '"0"'),
    ('{"type":"other",  "n":1}', None),
    ("{}", None),
    ('{"type":7}', None),
    ('{"type":"Ping"}', None),
    ("not JSON", None),
    ("", None),
    ("[1, 2]", None),
    ('"quoted"', None),
    ("7", None),
    ('{"type":"message"', None),
    ('{"type":"ping"} trailing', None),
    ("Ω ≠ 🐭", None),
]


@pytest.fixture(params=["awake", "asleep"])
def nap(request):
    """(cluster, a coroutine that puts its hubs to sleep where they should)."""
    cluster = request.getfixturevalue(request.param)

    async def sleep():
        if request.param == "asleep":
            await cluster.asleep()

    return cluster, sleep


def timed(reply):
    """The reply without its time, which must be one of now."""
    assert ISO.fullmatch(reply["timestamp"]), reply
    written = time.strptime(reply.pop("timestamp")[:19], "%Y-%m-%dT%H:%M:%S")
    assert abs(time.mktime(written) - time.mktime(time.gmtime())) < 10, reply
    return reply


async def test_accepted_welcome(nap):
    cluster, sleep = nap
    await sleep()
    async with connect(cluster.ws_url("/websocket/welcome")) as client:
        welcome = await client.recv()
        assert welcome.keys() == {"type", "message", "connectionId", "heartbeatInterval"}
        assert welcome["type"] == "welcome" and isinstance(welcome["message"], str)
        assert welcome["heartbeatInterval"] == 20000 and UUID.fullmatch(welcome["connectionId"])


@pytest.mark.parametrize("kind, answer", [("heartbeat", "heartbeat_ack"), ("ping", "pong")])
@pytest.mark.parametrize("more", [{}, {"timestamp": 1}, {"message": "not echoed"}], ids=str)
async def test_heartbeat_and_ping(nap, kind, answer, more):
    cluster, sleep = nap
    async with echo(cluster.ws_url("/websocket/beats")) as client:
        for binary in (False, True):
            await sleep()
            text = json.dumps({"type": kind, **more})
            reply = timed(await client.ask(text.encode() if binary else text))
            assert reply == {"type": answer, "connectionId": client.id}


@pytest.mark.parametrize("text, message", ECHOED, ids=lambda value: repr(value)[:24])
async def test_echo(nap, text, message):
    cluster, sleep = nap
    async with echo(cluster.ws_url("/websocket/echoes")) as client:
        for binary in (False, True):
            await sleep()
            await client.send(text.encode() if binary else text)
            raw = await client.protocol.recv()
            reply = timed(json.loads(raw))
            assert reply == {"type": "echo", "message": text if message is None else json.loads(message),
                             "connections": 1, "connectionId": client.id}
            if message is not None:
                assert f'"message":{message},' in raw


async def test_connections_are_the_open_sockets_of_the_hub(nap):
    cluster, sleep = nap
    url = cluster.ws_url("/websocket/counted")
    async with echo(url) as one:
        await sleep()
        async with echo(url) as two:
            await sleep()
            assert (await one.ask("x"))["connections"] == 2
            assert one.id != two.id
        await sleep()
        await count_becomes(one, 1)


async def test_connection_id_is_kept(nap):
    cluster, sleep = nap
    async with echo(cluster.ws_url("/websocket/kept")) as client:
        for frame in ("x", {"type": "ping"}, {"type": "heartbeat"}, {"message": 1}):
            await sleep()
            assert (await client.ask(frame))["connectionId"] == client.id


async def test_silent_connection_is_closed_and_any_frame_counts():
    options = {"hibernate-after": "20ms", "idle-timeout": "1s", "cleanup-interval": "200ms", "heartbeat-interval": "7s"}
    with Cluster(options=options) as cluster:
        url = cluster.ws_url("/websocket/silent")
        async with echo(url) as silent, echo(url) as beats, echo(url) as talks:
            assert silent.welcome["heartbeatInterval"] == 7000
            opened = time.monotonic()
            closing = await _with(silent.closed(), lambda: beats.ask({"type": "heartbeat"}), lambda: talks.ask("x"))
            assert closing == (1000, "Connection timeout")
            assert time.monotonic() - opened >= 0.95
            await count_becomes(talks, 2)
        log = cluster.statekeeper.log_text()
        assert "Alarm triggered - checking for stale connections" in log
        assert f"Closing stale connection via alarm: {silent.id}" in log


async def _with(awaited, *asks):
    """Repeats the asks until what is awaited comes."""
    task = asyncio.ensure_future(awaited)
    while not task.done():
        for ask in asks:
            await ask()
        await asyncio.wait([task], timeout=0.1)
    return task.result()
