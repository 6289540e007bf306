"""Every limit with its error, at small values; the defaults are what test_connection.py and test_registry.py see."""

import asyncio
import contextlib
import socket
import time

import pytest
from cluster import SLOWNESS, Cluster, until
from tokens import OMIT, SECRET, signed
from ws import WAIT, Actor, actor, all_open, connect as open_socket, echo, upgrade_status

from .frames import Frame, dump
from .protocol import ENVELOPE, HUB, NUMBER, Either, Where
from .scenario import Address, Scenario, closed, connect, does, frame, register, registered_are, rows, say

SIZE = 4096
OPTIONS = {"max-actors": "3", "max-subscriptions": "3", "max-topics": "4", "max-message-size": str(SIZE),
           "broadcast-limit": "2", "resume-bytes": "4KiB", "max-output": "16KiB",
           "actor-ttl": "5s", "max-actor-ttl": "10s", "signal-heartbeat-interval": "7s"}
FULL = {"retryAfter": NUMBER, "limit": int}


def sized(size):
    """A hub:list_actors of exactly so many bytes."""
    head, tail = '{"id":"s","type":"hub:list_actors","from":"test/a","payload":{"x":"', '"}}'
    return head + "x" * (size - len(head) - len(tail)) + tail


def too_large(size):
    return {"actualSize": size, "maxSize": SIZE, "size": size, "limit": SIZE}


def from_now_s(seconds):
    return Where(f"in {seconds} s", lambda it: abs(it - time.time() * 1000 - seconds * 1000) < 2500 * SLOWNESS)


def gets_only_the_small_one(who):
    async def play(run):
        got = await run.next(who, lambda it: it["type"] in ("large", "small"))
        run.check("type", "small", got["type"])

    return does(f"{who} gets only the small one", play)


ROWS = [
    Scenario("actors of a hub: rate_limited beyond, existing ones may still re-register", [
        connect("a"), register("a"), register("a", "x/1"), register("a", "x/2"),
        register("a", "x/3", error="rate_limited", details={**FULL, "limit": 3}),
        register("a", "x/1", expect={"version": 2}),
        connect("b"), register("b", error="rate_limited"),
        say("a", "hub:unregister", {"actorAddress": Address("x/2")}, pattern="ask"),
        register("b"), registered_are("a", "a", "b", "x/1"),
    ]),
    Scenario("subscriptions of a session", [
        connect("a"), register("a"), *(say("a", "hub:subscribe", {"topic": f"t{number}"}) for number in range(3)),
        say("a", "hub:subscribe", {"topic": "t3"}, error="rate_limited", details={**FULL, "limit": 3}),
        say("a", "hub:subscribe", {"topic": "t1"}),
        say("a", "hub:unsubscribe", {"topic": "t1"}, pattern="ask"),
        say("a", "hub:subscribe", {"topic": "t3"}),
    ]),
    Scenario("topics of a hub", [
        connect("a"), register("a"), connect("b"), register("b"),
        *(say("a", "hub:subscribe", {"topic": f"t{number}"}) for number in range(3)),
        say("b", "hub:subscribe", {"topic": "t3"}),
        say("b", "hub:subscribe", {"topic": "t4"}, error="rate_limited", details={**FULL, "limit": 4}),
        say("b", "hub:subscribe", {"topic": "t0"}),
        say("a", "hub:unsubscribe", {"topic": "t2"}, pattern="ask"),
        say("b", "hub:subscribe", {"topic": "t4"}),
    ]),
    Scenario("a frame over max-message-size -> message_too_large, the socket stays open", [
        connect("a"), frame("a", sized(SIZE), reply="hub:actor_list"),
        frame("a", sized(SIZE + 1), error="message_too_large", details=too_large(SIZE + 1)),
        frame("a", "x" * (SIZE + 7), error="message_too_large", details=too_large(SIZE + 7)),
        frame("a", b"\xff" * (SIZE + 7), error="message_too_large", details=too_large(SIZE + 7)),
        frame("a", sized(4 * SIZE), error="message_too_large", details=too_large(4 * SIZE)),
        say("a", "hub:list_actors", {}),
    ], forms=("bare",), patterns=("ask",)),
    Scenario("a frame over four times max-message-size -> close 1009", [
        connect("a"), connect("b"), frame("a", "x" * (4 * SIZE + 1)), closed("a", 1009), say("b", "hub:list_actors", {}),
    ]),
    Scenario("broadcast-limit -> BROADCAST_LIMIT_EXCEEDED, nobody gets it", [
        connect("a"), register("a"), connect("b"), register("b"),
        say("a", "hub:broadcast", {"type": "x", "data": 1, "excludeSelf": True}),
        does("b gets it", lambda run: run.next("b", lambda it: it["type"] == "x")),
        register("b", "x/1"),
        say("a", "hub:broadcast", {"type": "y", "data": 1}, error="BROADCAST_LIMIT_EXCEEDED"),
        say("a", "hub:broadcast", {"type": "y", "data": 1}, metadata={"targetCapability": "none"},
            expect={"deliveredCount": 0}),
    ]),
    Scenario("max-output -> BROADCAST_LIMIT_EXCEEDED with what it would have been, nobody gets it", [
        *(connect(who) for who in "abcd"),
        *(say(who, "hub:subscribe", {"topic": "t0"}) for who in "abcd"),
        say("a", "hub:publish", {"topic": "t0", "type": "large", "data": "x" * 3300},
            error="BROADCAST_LIMIT_EXCEEDED",
            details={"recipients": 4, "size": int, "limit": 16 << 10, "code": "OUTPUT_LIMIT"}),
        say("a", "hub:publish", {"topic": "t0", "type": "small", "data": "x" * 2000}),
        *(gets_only_the_small_one(who) for who in "abcd"),
    ]),
    Scenario("a discovery asks for a hundred things at most", [
        connect("a"), say("a", "hub:discover", {"capabilities": [str(number) for number in range(100)]}),
        say("a", "hub:discover", {"capabilities": [str(number) for number in range(101)]}, error="internal_error"),
        say("a", "hub:discover", {"metadata": {str(number): 1 for number in range(100)}}),
        say("a", "hub:discover", {"metadata": {str(number): 1 for number in range(101)}}, error="internal_error"),
    ]),
    Scenario("actor-ttl and max-actor-ttl", [
        connect("a"), register("a", expect={"expiresAt": from_now_s(5)}),
        register("a", ttlSeconds=3600, expect={"expiresAt": from_now_s(10)}),
        register("a", ttl=9000, expect={"expiresAt": from_now_s(9)}),
        register("a", ttl=0, expect={"expiresAt": from_now_s(1)}),
    ]),
    Scenario("hub:connected says what the limits are", [
        connect("a", expect={"maxMessageSize": SIZE, "heartbeatInterval": 7000, "capabilities": Either(
            {"maxActorsPerInstance": 3}, list)}),
    ]),
]
test_row = rows(ROWS, stage="staged")


@pytest.fixture(scope="module")
def limited():
    """With the rate limit of PROTOCOL.md: 10 messages a second, 20 at once."""
    with Cluster(options={"hibernate-after": "20ms"}) as it:
        yield it


@pytest.mark.parametrize("form", ["{}", "@({})"])
@pytest.mark.parametrize("binary", [False, True], ids=["text", "binary"])
async def test_what_the_edge_refuses_it_refuses_as_the_hub_would(limited, form, binary):
    """The request's id comes back, in the addresses that it was written with."""
    me, hub = form.format("test/edge"), form.format(HUB)

    async def refused(client, code, **fields):
        frame = dump({"type": "hub:list_actors", "from": me, "pattern": "ask", **fields})
        await client.send(frame.encode() if binary else frame)
        error = await client.recv()
        while error["type"] != "hub:error":
            error = await client.recv()
        assert error["payload"]["code"] == code and error.keys() == ENVELOPE.keys()
        return error["correlationId"], error["from"], error["to"]

    async with open_socket(limited.ws_url("/ws/as-the-hub")) as client:
        large = {"payload": {"data": "x" * (1 << 20)}}
        assert await refused(client, "message_too_large", id="l1", to=hub, **large) == ("l1", hub, me)
        assert await refused(client, "message_too_large", id=2, **large) == (2, hub, me)
        assert await refused(client, "message_too_large", to="x/y", **large) == (None, "x/y", me)
        for number in range(30):
            await client.send(dump({"id": f"f{number}", "type": "hub:list_actors", "from": me}))
        assert (await refused(client, "rate_limited", id="r1", to=hub))[1:] == (hub, me)
        assert (await refused(client, "rate_limited", id="r2"))[1:] == (hub, me)


@pytest.mark.parametrize("kind, payload", [
    ("hub:list_actors", {"limit": 0}), ("hub:register", {"actorAddress": "test/a", "capabilities": ["x"]}),
    ("no:such", {})], ids=str)
async def test_rate_limit(limited, kind, payload):
    """rate_limited with details {retryAfter, limit, code}; the socket stays open; other sessions notice nothing."""
    url = limited.ws_url("/ws/rate-" + kind.replace(":", "-"))
    async with actor(url, "test/a", register=False) as a, actor(url, "test/b") as b:
        begun = time.monotonic()
        replies = []
        for number in range(60):
            await a.send(dump(a.envelope(kind, payload, id=f"r{number}")))
        for number in range(60):
            replies.append(Frame(await asyncio.wait_for(a.protocol.recv(), WAIT)))
        elapsed = time.monotonic() - begun
        limited_ones = [it for it in replies if it["payload"].get("code") == "rate_limited"]
        passed = 60 - len(limited_ones)
        assert 20 <= passed <= 21 + 10 * elapsed, (passed, elapsed)
        for it in limited_ones:
            assert it["type"] == "hub:error" and it.fields.keys() == ENVELOPE.keys()
            assert (it["from"], it["to"]) == (HUB, "test/a") and it["correlationId"][0] == "r"
            details = it["payload"]["details"]
            assert details.keys() >= {"retryAfter", "limit", "code"} and details["code"] == "RATE_LIMIT_EXCEEDED"
            assert details["limit"] == 10 and 0 < details["retryAfter"] <= 1 and 0 < details["retryAfterMs"] <= 100
            assert it["payload"]["message"] and it["payload"]["resolution"]
        assert (await b.call("hub:list_actors", {"limit": 0}))["type"] == "hub:actor_list"
        # Nothing below 10 a second is refused for long.
        await asyncio.sleep(limited_ones[-1]["payload"]["details"]["retryAfter"])
        assert (await a.call("hub:list_actors", {"limit": 0}))["type"] == "hub:actor_list"


async def refused(client, requests):
    """How many of the requests, sent at once, are answered rate_limited; and the limit that one of them names."""
    for request in requests:
        await client.send(request)
    replies = [await client.recv() for _ in requests]
    limits = [it["payload"]["details"]["limit"] for it in replies if it["payload"].get("code") == "rate_limited"]
    return len(limits), limits[-1] if limits else None


async def test_the_first_hub_connect_is_exempt_from_the_rate_limit(limited):
    async with open_socket(limited.ws_url("/ws/exempt")) as client:
        a = Actor(client.protocol, "test/a")
        begun = time.monotonic()
        await a.must("hub:connect", {"version": "1.0"})
        for _ in range(20):
            await a.must("hub:list_actors", {"limit": 0})
        count, _ = await refused(a, [a.envelope("hub:connect", {"version": "1.0"}) for _ in range(60)])
        assert 60 - 10 * (time.monotonic() - begun) - 1 <= count <= 60


async def test_an_error_for_each_message_at_first_and_a_few_a_second_then(limited):
    async with actor(limited.ws_url("/ws/deaf"), "test/a") as a:
        begun = time.monotonic()
        for _ in range(1000):
            await a.send(a.envelope("hub:list_actors", {"limit": 0}))
        await asyncio.sleep(1)
        replies = []
        with contextlib.suppress(asyncio.TimeoutError):
            while True:
                replies.append(await a.recv(timeout=0.5))
        errors = [it for it in replies if it["payload"].get("code") == "rate_limited"]
        assert 100 <= len(errors) <= 101 + 5 * (time.monotonic() - begun), len(errors)
        assert (await a.call("hub:list_actors", {"limit": 0}))["type"] == "hub:actor_list", "it is served on"


# --- roles

@pytest.fixture(scope="module")
def with_roles(tmp_path_factory):
    key = tmp_path_factory.mktemp("roles") / "secret"
    key.write_text(SECRET)
    options = {"auth-algorithm": "HS256", "auth-key": str(key), "role-limits": "board=60/120,free=0/0"}
    with Cluster(options=options) as it:
        yield it


@contextlib.asynccontextmanager
async def in_role(cluster, **claims):
    async with open_socket(cluster.ws_url("/ws/roles")) as client:
        self = Actor(client.protocol, "test/a")
        await self.must("hub:connect", {"version": "1.0", "jwt": signed(**claims)})
        yield self


@pytest.mark.parametrize("role, burst, limit", [
    (OMIT, 20, 10), ("board", 120, 60), ("free", 240, None), ("unknown", 20, 10), (["board"], 20, 10), ("", 20, 10)],
    ids=lambda value: "none" if value is OMIT else str(value))
async def test_a_role_has_a_limit_of_its_own(with_roles, role, burst, limit):
    async with in_role(with_roles, role=role) as a:
        begun = time.monotonic()
        count, said = await refused(a, [a.envelope("hub:list_actors", {"limit": 0}) for _ in range(burst + 60)])
        assert said == limit
        if limit:
            assert 60 - limit * (time.monotonic() - begun) - 1 <= count <= 60


async def test_the_role_of_a_new_token_counts_from_then_on(with_roles):
    async with in_role(with_roles) as a:
        async def ask(count):
            return await refused(a, [a.envelope("hub:list_actors", {"limit": 0}) for _ in range(count)])

        assert (await ask(40))[1] == 10
        await asyncio.sleep(1)
        await a.must("hub:refresh_token", {"token": signed(role="free")})
        assert (await ask(240))[0] == 0
        await a.must("hub:connect", {"version": "1.0", "jwt": signed(role="board")})
        deadline = time.monotonic() + WAIT
        while (limit := (await ask(30))[1]) is None:
            assert time.monotonic() < deadline
        assert limit == 60


async def test_class_echo_with_a_rate_limit():
    with Cluster(options={"echo-rate-limit": "5", "echo-rate-burst": "10"}) as cluster:
        async with echo(cluster.ws_url("/websocket/limited")) as client:
            for _ in range(20):
                await client.send("x")
            replies = [await client.recv() for _ in range(20)]
            errors = [it for it in replies if it["type"] == "error"]
            assert 8 <= len(errors) <= 10, replies
            for it in errors:
                assert (it["code"], it["retryAfter"], it["limit"]) == ("rate_limited", 1, 5)
                assert it["message"] and it["timestamp"] and it["connectionId"] == client.id


async def test_no_rate_limit_where_it_is_0(awake):
    async with actor(awake.ws_url("/ws/unlimited"), "test/a") as a:
        for _ in range(200):
            await a.must("hub:list_actors", {"limit": 0})


async def test_class_echo_has_no_rate_limit(limited):
    async with echo(limited.ws_url("/websocket/unlimited")) as client:
        for _ in range(100):
            assert (await client.ask("x"))["type"] == "echo"


async def test_state_of_a_hub():
    """max-state: an error that says so, and what was there stays."""
    with Cluster(options={"max-state": "64KiB", "rate-limit": "0"}) as cluster:
        async with actor(cluster.ws_url("/ws/state"), "test/a") as a:
            kept = 0
            for number in range(100):
                reply = await a.call("hub:register", {"actorAddress": f"big/{number}", "capabilities": ["x"],
                                                      "metadata": {"x": "y" * 8000}})
                if reply["type"] == "hub:error":
                    break
                kept += 1
            assert 2 <= kept < 10 and reply["payload"]["code"] in ("rate_limited", "internal_error"), reply
            assert reply["payload"]["message"] and reply["payload"]["resolution"]
            assert len(await a.addresses()) == kept + 1
            await a.must("hub:unregister", {"actorAddress": "big/0"})
            await a.register("big/0", metadata={"x": "y" * 8000})


async def test_connections_of_an_address():
    with Cluster(options={"max-connections-per-address": "3"}) as cluster:
        url = cluster.ws_url("/websocket/crowd")
        async with all_open(echo(url) for _ in range(3)) as clients:
            assert await upgrade_status(url) == 429
            assert (await clients[0].ask("x"))["connections"] == 3
            await clients[0].close()

            async def let_in():
                return await upgrade_status(url) == 101

            await until(let_in, "there is room again")


async def test_connections_of_a_gateway():
    with Cluster(options={"max-connections": "3"}) as cluster:
        url = cluster.ws_url("/websocket/full")
        async with all_open(echo(url) for _ in range(3)) as clients:
            assert await upgrade_status(url) == 503
            assert (await clients[0].ask("x"))["connections"] == 3


@pytest.mark.parametrize("begun", [b"", b"G", b"GET /websocket HTTP/1.1\r\nHost: x\r\nUpgr"], ids=len)
async def test_a_handshake_that_never_ends(slow_handshakes, begun):
    """Closed at the deadline, far before any other would be."""
    with socket.create_connection(("127.0.0.1", slow_handshakes.port()), timeout=WAIT) as connection:
        connection.sendall(begun)
        opened = time.monotonic()
        while await asyncio.to_thread(connection.recv, 4096):
            pass
        assert 0.25 < time.monotonic() - opened < 3 * SLOWNESS


async def test_a_handshake_byte_by_byte(slow_handshakes):
    async with echo(slow_handshakes.ws_url("/websocket/beside")) as beside:
        reader, writer = await asyncio.open_connection("127.0.0.1", slow_handshakes.port())
        opened = time.monotonic()
        closed = False
        try:
            for byte in b"GET /websocket HTTP/1.1\r\nHost: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" * 100:
                writer.write(bytes([byte]))
                await writer.drain()
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(reader.read(4096), 0.05)
                closed = reader.at_eof()
                if closed:
                    break
        except ConnectionError:  # a byte met the closed socket
            closed = True
        assert closed and 0.25 < time.monotonic() - opened < 3 * SLOWNESS
        writer.close()
        assert (await beside.ask("x"))["message"] == "x"


@pytest.fixture(scope="module")
def slow_handshakes():
    with Cluster(options={"handshake-timeout": "300ms"}) as it:
        yield it
