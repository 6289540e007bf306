"""Hostile input costs nobody else anything: each attack runs beside a client that must be served meanwhile."""

import asyncio
import contextlib
import time

import pytest
from attack import raw_websocket
from cluster import SLOWNESS, Cluster
from ws import WAIT, actor, echo

from .frames import Frame, Raw, dump

PATIENCE = 1.0 * SLOWNESS  # seconds in which the bystanders want their answer


@pytest.fixture(scope="module")
def cluster():
    with Cluster(options={"rate-limit": "0", "lanes": "1", "max-topics": "2000", "max-subscriptions": "1500",
                          "hibernate-after": "1s"}) as it:
        yield it


@contextlib.asynccontextmanager
async def bystanders(cluster, path):
    """One client in the hub that is attacked, one in another hub of the same lane: both are served all the time."""
    async with actor(cluster.ws_url(path), "by/stander") as inside, echo(cluster.ws_url("/websocket/beside")) as outside:
        slowest = 0.0
        done = False

        async def talk():
            nonlocal slowest
            while not done:
                begun = time.monotonic()
                assert (await inside.call("hub:list_actors", {"limit": 1}))["type"] == "hub:actor_list"
                assert (await outside.ask("x"))["type"] == "echo"
                slowest = max(slowest, time.monotonic() - begun)
                await asyncio.sleep(0.01)

        talking = asyncio.create_task(talk())
        try:
            yield inside
            await asyncio.sleep(0.05)
        finally:
            done = True
            await talking
        assert slowest < PATIENCE, f"a bystander waited {slowest:.2f} s"
        assert (await inside.call("hub:list_actors", {"limit": 1}))["type"] == "hub:actor_list"


EXPLODING = ["^(a+)+$", "(a|a)*b", "(.*)*x", "(x+x+)+y", "^(([a-z])+.)+[A-Z]([a-z])+$", "(a{0,100}){0,100}",
             "((a{1,50}){1,50}){1,50}", "(?:" * 150 + "a" + ")*" * 150, "[" + "a-z" * 150 + "]+$", ".{500}", "(.{1,99}.)+$"]


@pytest.mark.parametrize("pattern", EXPLODING, ids=lambda pattern: pattern[:24])
async def test_regex_that_explodes(cluster, pattern):
    path = "/ws/regex"
    async with bystanders(cluster, path), actor(cluster.ws_url(path), "a" * 120 + "/x") as a:
        for number in range(20):
            await a.register("a" * (60 + number) + "!")
        for _ in range(10):
            reply = await a.call("hub:discover", {"pattern": pattern})
            assert reply["type"] in ("hub:discovery_result", "hub:error"), reply


DEEP = [
    "[" * 500_000 + "]" * 500_000,
    '{"a":' * 150_000 + "1" + "}" * 150_000,
    "[" * 1_000_000,
    '[{"a":' * 140_000,
]


@pytest.mark.parametrize("text", DEEP, ids=["arrays", "objects", "open arrays", "open both"])
@pytest.mark.parametrize("place", ["the frame", "the payload", "the data", "the metadata"])
async def test_a_mebibyte_of_nesting(cluster, text, place):
    path = "/ws/nesting"
    async with bystanders(cluster, path), actor(cluster.ws_url(path), "test/a") as a:
        raw = Raw(text[:1_000_000])
        frame = {
            "the frame": raw,
            "the payload": dump(a.envelope("hub:list_actors", raw)),
            "the data": dump(a.envelope("hub:send", {"to": "nobody/here", "type": "x", "data": raw})),
            "the metadata": dump(a.envelope("hub:list_actors", {}, metadata=raw)),
        }[place]
        assert len(frame) < 1 << 20
        await a.send(str(frame))
        reply = Frame(await asyncio.wait_for(a.protocol.recv(), WAIT))
        assert reply["type"] in ("hub:error", "hub:actor_list", "hub:unknown_actor"), reply.text[:300]
        assert await a.call("hub:list_actors", {"limit": 0})


@pytest.mark.parametrize("bad", [b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe2\x82", b"\x80"],
                         ids=bytes.hex)
async def test_invalid_utf8(cluster, bad):
    """In a binary frame: an error; in a text frame: that, or close 1007. Nobody is sent invalid text."""
    path = "/ws/utf8"
    async with bystanders(cluster, path), actor(cluster.ws_url(path), "test/a") as a, \
            actor(cluster.ws_url(path), "test/b") as b:
        frame = (b'{"id":"1","type":"hub:send","from":"test/a","pattern":"ask","payload":{"to":"test/b","type":"x","data":"long enough for a length of two bytes '
                 + bad + b'"}}')
        reply = await a.ask(frame)
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "internal_error")
        await a.must("hub:send", {"to": "test/b", "type": "x", "data": "good"})
        assert (await b.next())["payload"] == "good"
        with raw_websocket(cluster, path) as connection:
            length = len(frame).to_bytes(2, "big")
            connection.sendall(b"\x81\xfe" + length + b"\0\0\0\0" + frame)
            said = await asyncio.to_thread(connection.recv, 65536)
            # 1007, or a text frame that is text.
            if said[:1] == b"\x88":
                assert int.from_bytes(said[2:4], "big") == 1007
            else:
                assert said[:1] == b"\x81"
                said[4 if said[1] == 126 else 2:].decode()


DUPLICATES = [
    '{"type":"hub:list_actors","type":"hub:disconnect","from":"test/a","id":"d"}',
    '{"type":"hub:disconnect","type":"hub:list_actors","from":"test/a","id":"d"}',
    '{"type":"hub:list_actors","from":"test/a","from":"by/stander","id":"d"}',
    '{"type":"hub:list_actors","from":"test/a","id":"d","id":"e"}',
    '{"type":"hub:unregister","from":"test/a","id":"d","payload":{"actorAddress":"test/a","actorAddress":"by/stander"}}',
    '{"type":"hub:unregister","from":"test/a","id":"d","payload":{"actorAddress":"by/stander","actorAddress":"test/a"}}',
    '{"type":"hub:heartbeat","type":"hub:unregister","from":"test/a","id":"d","payload":{"actorAddress":"by/stander"}}',
]


@pytest.mark.parametrize("frame", DUPLICATES, ids=range(len(DUPLICATES)))
async def test_duplicate_keys(cluster, frame):
    """Whichever counts: the same one everywhere, and nobody else is touched."""
    path = "/ws/duplicates"
    async with bystanders(cluster, path), actor(cluster.ws_url(path), "test/a") as a:
        await a.send(frame)
        with contextlib.suppress(Exception):
            Frame(await asyncio.wait_for(a.protocol.recv(), WAIT))
        assert "by/stander" in await _addresses_beside(cluster, path)


async def _addresses_beside(cluster, path):
    async with actor(cluster.ws_url(path), "test/looks", register=False) as it:
        return await it.addresses()


async def test_many_topics(cluster):
    """10^6 topics are beyond max-topics: who has reached it is told so, the others go on."""
    path = "/ws/topics"
    async with bystanders(cluster, path):
        accepted = refused = 0
        for session in range(3):
            async with actor(cluster.ws_url(path), f"test/{session}") as a:
                for number in range(1500):
                    await a.send(a.envelope("hub:subscribe", {"topic": f"{session}/{number}"}))
                for number in range(1500):
                    reply = await a.recv()
                    accepted += reply["type"] == "hub:subscribed"
                    if reply["type"] == "hub:error":
                        refused += 1
                        assert reply["payload"]["code"] == "rate_limited", reply
                await a.must("hub:disconnect")
        # Each session's topics went with it.
        assert (accepted, refused) == (4500, 0)
        async with actor(cluster.ws_url(path), "test/x") as x, actor(cluster.ws_url(path), "test/y") as y:
            for a in (x, y):
                for number in range(1600):
                    await a.send(a.envelope("hub:subscribe", {"topic": f"{a.address}/{number}"}))
            replies = [[await a.recv() for _ in range(1600)] for a in (x, y)]
            counts = [sum(it["type"] == "hub:subscribed" for it in each) for each in replies]
            assert counts[0] <= 1500 and counts[1] <= 1500 and sum(counts) == 2000, counts


@pytest.mark.parametrize("count", [100_000])
async def test_wide_objects(cluster, count):
    path = "/ws/wide"
    async with bystanders(cluster, path), actor(cluster.ws_url(path), "test/a") as a:
        wide = Raw("{" + ",".join(f'"{number}":0' for number in range(count // 2)) + "}")
        same = Raw("{" + ",".join('"a":0' for _ in range(count)) + "}")
        for raw in (wide, same):
            for request in (a.envelope("hub:register", {"actorAddress": "test/w", "capabilities": ["x"], "metadata": raw}),
                            a.envelope("hub:discover", {"metadata": raw}),
                            a.envelope("hub:send", {"to": "test/a", "type": "x", "data": 1}, metadata=raw)):
                await a.send(dump(request))
                assert Frame(await asyncio.wait_for(a.protocol.recv(), WAIT))["type"]


async def test_slow_writer(cluster):
    """A frame that comes a byte at a time: it costs its own socket only."""
    path = "/ws/drip"
    async with bystanders(cluster, path):
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port())
        writer.write((f"GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                      "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        await reader.readuntil(b"\r\n\r\n")
        frame = b'{"type":"hub:heartbeat","from":"test/a","id":"1"}'
        for byte in b"\x81" + bytes([0x80 | len(frame)]) + b"\0\0\0\0" + frame:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.005)
        answer = await asyncio.wait_for(reader.read(65536), WAIT)
        assert b"hub:heartbeat_ack" in answer
        writer.close()
