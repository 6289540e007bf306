"""Connections without a WebSocket, through a gateway and a statekeeper: order, sizes, ends, resumption, attacks, gateways that
share a port."""

import asyncio
import contextlib
import http.client
import json
import pathlib
import socket
import sys
import time

import pytest
from attack import bystander
from broken_path import BrokenPath
from cluster import SLOWNESS, Cluster, Process, until, wait_until
from worker_app import AppCluster
from ws import WAIT, connect

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"))
from dormouse.fallback import open_fallback  # noqa: E402  # pylint: disable=wrong-import-position
from websockets.exceptions import ConnectionClosed  # noqa: E402  # pylint: disable=wrong-import-position

OPTIONS = {"rate-limit": "0", "connection-cpu": "1s", "fallback-window": "2s"}
KINDS = pytest.mark.parametrize("kind", ["sse", "poll"])
HUB = "cloudflare/signal-hub"


@pytest.fixture(name="cluster", scope="module")
def running():
    with Cluster(options=OPTIONS) as it:
        yield it


@contextlib.asynccontextmanager
async def opened(url, kind="sse", headers=None):
    it = await open_fallback(url, headers, kind)
    try:
        yield it
    finally:
        await it.close()


async def heard(client, timeout=WAIT):
    return json.loads(await asyncio.wait_for(client.recv(), timeout))


def ask(port, method, target, body=None, headers=None):
    """(status, body, headers)."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20 * SLOWNESS)
    try:
        connection.request(method, target, body, headers or {})
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), dict(answer.getheaders())
    finally:
        connection.close()


def open_by_hand(port, path):
    status, body, _ = ask(port, "POST", f"{path}/@fallback")
    assert status == 201, body
    return json.loads(body)["id"]


@KINDS
async def test_order_of_ten_thousand_messages_on_a_path_that_cuts(cluster, kind):
    async with BrokenPath(cluster.port(), cut_after=0.3, lose_posts=7) as path:
        async with opened(path.url(f"/websocket/order-{kind}"), kind) as client:
            assert (await heard(client))["type"] == "welcome"

            async def speak():
                for number in range(10_000):
                    await client.send(json.dumps({"type": "message", "message": str(number)}))

            speaking = asyncio.ensure_future(speak())
            assert [(await heard(client))["message"] for _ in range(10_000)] == [str(number) for number in range(10_000)]
            await speaking
            assert path.lost > 0


@KINDS
async def test_messages_of_a_mebibyte_in_both_directions(cluster, kind):
    async with BrokenPath(cluster.port(), lose_posts=2) as path:
        async with opened(path.url(f"/websocket/large-{kind}"), kind) as client:
            await heard(client)
            for filling in ("x", "ä", "\n", "\r\n\u2028"):
                room = (1 << 20) - 100
                text = filling * (room // len(json.dumps(filling, ensure_ascii=False)[1:-1].encode()))
                await client.send(json.dumps({"type": "message", "message": text}, ensure_ascii=False))
                assert (await heard(client, 3 * WAIT))["message"] == text
            # One that is too large is told so, as on a WebSocket; one that is far too large is closed.
            await client.send("x" * ((1 << 20) + 1))
            assert (await heard(client, 3 * WAIT))["code"] == "message_too_large"
            await client.send("x" * (5 << 20))
            with pytest.raises(ConnectionClosed) as end:
                await heard(client, 3 * WAIT)
            assert (end.value.rcvd.code, end.value.rcvd.reason) == (1009, "Message too large")


@KINDS
async def test_the_end_says_the_same_as_a_websockets(cluster, kind):
    url = cluster.ws_url(f"/ws/ends-{kind}")
    async with opened(url, kind) as client, connect(url) as beside:
        for each, actor in ((client, "browser/anna"), (beside.protocol, "browser/bert")):
            for kind_ in ("hub:connect", "hub:disconnect"):
                await Signal(each, actor).say(kind_, {"version": "1.0"})
        expected = await beside.closed(3 * WAIT)
        with pytest.raises(ConnectionClosed) as end:
            while True:
                await asyncio.wait_for(client.recv(), 3 * WAIT)
        assert (end.value.rcvd.code, end.value.rcvd.reason) == expected


def test_what_is_refused_has_the_status_and_the_body_of_an_upgrade(cluster, tmp_path):
    def upgrade(port, path, headers):
        return ask(port, "GET", path, None, {
            "Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "AAAAAAAAAAAAAAAAAAAAAA==", **headers})[:2]

    def both(port, path, headers=None):
        status, body, _ = ask(port, "POST", f"{path}/@fallback", None, headers)
        assert (status, body) == upgrade(port, path, headers or {})
        return status

    assert both(cluster.port(), "/nothing/there") == 404
    assert both(cluster.port(), "/ws/" + "x" * 200) == 404
    (tmp_path / "key").write_text("a secret of more than thirty-two bytes, for tests")
    options = {"auth-algorithm": "HS256", "auth-key": str(tmp_path / "key"), "auth-upgrade": "true",
               "allowed-origins": "https://app.example"}
    with Cluster(options=options) as guarded:
        assert both(guarded.port(), "/ws/a") == 401
        assert both(guarded.port(), "/ws/a", {"Authorization": "Bearer bad"}) == 401
        assert both(guarded.port(), "/ws/a", {"Origin": "https://evil.example"}) == 403
    with Cluster(start=False) as lonely:
        lonely.gateways[0].start()
        wait_until(lambda: ask_or_none(lonely.port()) is not None, "it listens")
        assert both(lonely.port(), "/ws/a") == 503


def ask_or_none(port):
    with contextlib.suppress(OSError):
        return ask(port, "GET", "/health")
    return None


class Signal:
    """A client of class signal that says no more than it must."""

    def __init__(self, socket_, actor):
        self.socket = socket_
        self.actor = actor
        self.number = 0

    async def say(self, kind, payload, to=HUB, **more):
        self.number += 1
        await self.socket.send(json.dumps({
            "id": f"{self.actor}-{self.number}", "type": kind, "from": self.actor, "to": to, "payload": payload, **more}))

    async def until(self, kind):
        while (frame := await heard(self.socket))["type"] != kind:
            pass
        return frame["payload"]


@KINDS
@pytest.mark.parametrize("names_last", [True, False])
async def test_what_a_lost_client_had_not_confirmed_comes_with_its_session(cluster, kind, names_last):
    """The client reads twenty messages and confirms ten. Who says which was the last gets the others; who says nothing gets
    all that nobody knows that he has. Neither is told that he missed nothing while he did."""
    name = f"/ws/lost-{kind}-{names_last}"
    async with connect(cluster.ws_url(name)) as there:
        bert = Signal(there.protocol, "browser/bert")
        await bert.say("hub:connect", {"version": "1.0"})
        await bert.until("hub:connected")
        socket_ = await open_fallback(cluster.ws_url(name), None, kind)
        anna = Signal(socket_, "browser/anna")
        await anna.say("hub:connect", {"version": "1.0"})
        token = (await anna.until("hub:connected"))["resumeToken"]
        await anna.say("hub:register", {"actorAddress": "browser/anna", "capabilities": ["x"]})
        await anna.until("hub:registered")

        async def send(numbers):
            for number in numbers:
                await bert.say("hub:send", {"to": "browser/anna", "type": "note", "data": number}, pattern="ask")
                await bert.until("hub:delivery_ack")

        await send(range(10))
        got = []
        while len(got) < 10:
            frame = await heard(socket_)
            if frame["type"] == "note":
                got.append(frame)
        id_, confirmed = socket_._id, socket_._got  # pylint: disable=protected-access
        ask(cluster.port(), "POST", f"{name}/@fallback/send?id={id_}&from={socket_._first}&after={confirmed}")
        await send(range(10, 20))
        while len(got) < 20 if kind == "sse" else len(got) < 11:
            frame = await heard(socket_)
            if frame["type"] == "note":
                got.append(frame)
        socket_.abort()  # without a word, and for good
        async with opened(cluster.ws_url(name), kind) as again:
            anna = Signal(again, "browser/anna")
            payload = {"version": "1.0", "resumeToken": token}
            if names_last:
                payload["lastMessageId"] = got[-1]["id"]
            await anna.say("hub:connect", payload)
            reply = await anna.until("hub:connected")
            assert (reply["resumed"], reply["missed"]) == (True, 0)
            await send([20])
            numbers = []
            while not numbers or numbers[-1] != 20:
                frame = await heard(again)
                if frame["type"] == "note":
                    numbers.append(frame["payload"])
            first = got[-1]["payload"] + 1 if names_last else numbers[0]
            assert numbers == list(range(first, 21))
            assert first <= 10 or names_last  # nothing that was not confirmed is missing


async def test_an_apps_object_is_asked_as_for_a_websocket():
    with AppCluster() as cluster:
        async with opened(cluster.ws_url("/Sleeper/a?id=one")) as client:
            await client.send("say")
            said = await heard(client)
            assert (said["id"], said["tags"], said["all"]) == ("one", ["tag-one"], 1)


async def test_gateways_that_share_a_port_hand_requests_over():
    with Cluster(options=OPTIONS) as cluster:
        command = list(cluster.gateways[0].command)
        command[command.index("--admin") + 1] = "127.0.0.1:0"
        more = [Process(f"more-{number}", command, cluster.directory) for number in range(2)]
        for process in more:
            process.start()
        try:
            await until(lambda: all("lane 0" in process.log_text() for process in more), "they are linked")
            for kind in ("sse", "poll"):
                for number in range(8):
                    async with opened(cluster.ws_url(f"/websocket/shared-{number}"), kind) as client:
                        await heard(client)
                        for count in range(20):
                            client._up.abort()  # pylint: disable=protected-access
                            await client.send(json.dumps({"type": "message", "message": str(count)}))
                            assert (await heard(client))["message"] == str(count)
            # One of a gateway that is gone is over.
            status, body, _ = ask(cluster.port(), "GET", f"/websocket/a/@fallback/poll?id={'0' * 48}&after=0")
            assert status == 410 and "There is no such connection" in body
        finally:
            for process in more:
                assert process.end(15) == 0


# --- Attacks. A bystander's heartbeats and messages are answered all the while.


async def test_connections_that_are_opened_and_left():
    with Cluster(options={**OPTIONS, "fallback-window": "1s", "fallback-connections": "300"}) as cluster:
        async with bystander(cluster), opened(cluster.ws_url("/websocket/kept")) as kept:
            await heard(kept)
            answers = set()
            for number in range(3_000):
                answers.add(ask(cluster.port(), "POST", f"/websocket/left-{number % 7}/@fallback")[0])
            # There is room again in a moment, where many are on their way out.
            assert answers <= {201, 503} and 201 in answers
            assert cluster.metrics(cluster.gateways[0])["dormouse_fallback_connections"] <= 300 + 300 / 4 + 16
            await kept.send(json.dumps({"type": "message", "message": "still"}))
            assert (await heard(kept))["message"] == "still"
        await until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_fallback_connections"] == 0, "all are gone")
        assert cluster.metrics(cluster.gateways[0])["dormouse_connections"] == 0


async def test_a_flood_of_messages_meets_the_rate_limit():
    with Cluster(options={"echo-rate-limit": "20", "echo-rate-burst": "5"}) as cluster:
        async with bystander(cluster), opened(cluster.ws_url("/websocket/flood")) as client:
            await heard(client)
            kinds = set()
            with pytest.raises(ConnectionClosed) as end:
                until_ = time.monotonic() + 40 * SLOWNESS
                while time.monotonic() < until_:
                    for _ in range(200):
                        await client.send(json.dumps({"type": "message", "message": "x"}))
                    while len(client._inbox):  # pylint: disable=protected-access
                        kinds.add((await heard(client)).get("code"))
                    await asyncio.sleep(0.05)
            assert end.value.rcvd.code == 1008
            assert "RATE_LIMIT_EXCEEDED" in kinds or "rate_limited" in kinds


async def test_a_stream_that_is_not_read_costs_its_bound_and_ends():
    with Cluster(options={**OPTIONS, "outbound-limit": "1MiB", "outbound-pause": "256KiB",
                          "outbound-resume": "128KiB", "fallback-heartbeat": "500ms"}) as cluster:
        path = "/ws/slow"
        async with bystander(cluster), connect(cluster.ws_url(path)) as there:
            bert = Signal(there.protocol, "browser/bert")
            await bert.say("hub:connect", {"version": "1.0"})
            await bert.until("hub:connected")
            id_ = open_by_hand(cluster.port(), path)
            hello = json.dumps({"id": "1", "type": "hub:connect", "from": "browser/anna", "to": HUB,
                                "payload": {"version": "1.0"}})
            register = json.dumps({"id": "2", "type": "hub:register", "from": "browser/anna", "to": HUB,
                                   "payload": {"actorAddress": "browser/anna", "capabilities": []}})
            body = "".join(f"text {len(each)}\n{each}" for each in (hello, register))
            assert ask(cluster.port(), "POST", f"{path}/@fallback/send?id={id_}&from=1", body)[0] == 200
            slow = socket.create_connection(("127.0.0.1", cluster.port()))
            slow.sendall(f"GET {path}/@fallback/events?id={id_} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
            try:
                await until(lambda: b"hub:registered" in slow.recv(1 << 16, socket.MSG_PEEK), "it is registered")
                before = cluster.gateways[0].rss()
                text = "x" * 100_000
                closed = 'dormouse_closes_total{reason="slow_consumer"}'
                for number in range(400):
                    await bert.say("hub:send", {"to": "browser/anna", "type": "note", "data": text})
                    if number % 20 == 0 and cluster.metrics(cluster.gateways[0])[closed] > 0:
                        break
                    await asyncio.sleep(0.01)
                await until(lambda: cluster.metrics(cluster.gateways[0])[closed] > 0, "it is closed")
                assert cluster.gateways[0].rss() - before < 64 << 20
            finally:
                slow.close()


async def test_a_body_without_end_and_requests_that_stand_still(cluster):
    async with bystander(cluster):
        path = "/websocket/still"
        id_ = open_by_hand(cluster.port(), path)
        target = f"{path}/@fallback/send?id={id_}&from=1"
        held = []
        for _ in range(50):  # of which each takes the place of the one before
            each = socket.create_connection(("127.0.0.1", cluster.port()))
            each.sendall(f"POST {target} HTTP/1.1\r\nHost: h\r\nContent-Length: 10000000\r\n\r\ntext 9000000\nx".encode())
            held.append(each)
        answers = []
        for each in held:
            each.settimeout(30 * SLOWNESS)
            answers.append(each.recv(1 << 12).split(b" ")[1])
            each.close()
        assert sorted(answers) == [b"408"] + [b"409"] * 49
