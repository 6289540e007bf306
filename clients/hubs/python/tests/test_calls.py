"""Hubs that call each other, what they have under way beside events, and plain HTTP."""

import asyncio
import json

import pytest
from fake_statekeeper import Refused, statekeeper, wire

CALLS = """
import asyncio

class Room(Hub):
    @rpc
    async def add(self, a, b=2, *, c=b"x"):
        self.hub.storage.put("sum", a + b)
        return [a + b, c, self.hub.name]

    @rpc
    async def fail(self):
        self.hub.storage.put("sum", -1)
        raise ValueError("always")

    @rpc
    async def strange(self):
        return {1, 2}

    async def hidden(self):
        return 1

    @rpc
    async def back(self, name):
        return await self.hub.other("Caller", name).take("x")

    @rpc
    async def me(self):
        return await self.hub.other(Room, self.hub.name).add(1)


class Caller(Hub):
    @rpc
    async def take(self, text):
        room = self.hub.other(Room, "a")
        try:
            return await eval(text) if text != "x" else "taken"
        except CallFailed as error:
            return f"{type(error).__name__} {error} {error.retryable}"

    @rpc
    async def first_write(self):
        self.hub.storage.put("a", 1)
        self.hub.broadcast("said")
        await self.hub.other(Room, "a").add(1)
        raise ValueError("too late")
"""


async def test_methods_are_called_with_values_and_errors_come_back():
    async with statekeeper(CALLS, Room={}, Caller={}) as keeper:
        caller, room = keeper.hub("Caller", "c"), keeper.hub("Room", "a")
        assert await caller.call("take", "room.add(1)") == [3, {"$bytes": "eA=="}, "a"]
        assert await caller.call("take", "room.add(1, 5, c=None)") == [6, None, "a"]
        assert room.rows == {b"k:sum": b"6"}
        assert await caller.call("take", "room.fail()") == "RemoteError ValueError: always False"
        assert room.rows == {b"k:sum": b"6"}, "undone"
        for method, said in {"hidden()": "has no method hidden that is marked with @rpc", "nothing()": "no method nothing",
                             "add()": "TypeError", "strange()": "A set cannot be kept or passed on"}.items():
            assert said in await caller.call("take", f"room.{method}"), method
        await keeper.settled()
        assert sum("ValueError: always" in log.text and log.hub == "Room/a" for log in keeper.logs) == 1
        keeper.fail_calls = "nobody is there"
        assert await caller.call("take", "room.add(1)") == (
            "CallFailed Room/a could not be called: nobody is there True")


async def test_a_backend_may_write_its_json_over_several_lines():
    async with statekeeper(CALLS, Room={}) as keeper:
        body = json.dumps({"method": "add", "args": [1], "kwargs": {"b": 3, "c": "y"}}, indent=2)
        assert json.loads(await keeper.hub("Room", "a").request(body.encode())) == {"value": [4, "y", "a"]}


async def test_a_call_that_could_never_be_answered_says_so():
    async with statekeeper(CALLS, Room={}, Caller={}) as keeper:
        said = await keeper.hub("Caller", "c").call("take", "room.back('c')")
        assert "CallCycle" in said and "Caller/c -> Room/a -> Caller/c" in said
        assert await keeper.hub("Caller", "c").call("take", "room.back('d')") == "taken"
        with pytest.raises(Refused, match="CallCycle: Room/a waits for this handler"):
            await keeper.hub("Room", "a").call("me")


async def test_what_was_written_is_durable_before_a_call_leaves():
    async with statekeeper(CALLS, Room={}, Caller={}) as keeper:
        caller, room = keeper.hub("Caller", "c"), keeper.hub("Room", "a")
        client = await caller.open()
        caller.paused = True
        calling = asyncio.ensure_future(caller.call("first_write"))
        await keeper.until(lambda: caller.rows == {b"k:a": b"1"})
        await keeper.settled()
        assert room.object == 0, "it has not been called"
        caller.resume()
        with pytest.raises(Refused, match="too late"):
            await calling
        assert room.rows == {b"k:sum": b"3"} and client.heard() == ["said"]


OWN = """
import asyncio

class Own(Hub):
    async def on_message(self, connection, message):
        kind, _, rest = message.partition(" ")
        if kind == "later":
            self.timer = self.hub.later(0.05, self.tick, rest)
        elif kind == "never":
            self.hub.later(3600, self.tick, "never")
        elif kind == "cancel":
            self.timer.cancel()
        elif kind == "background":
            self.hub.background(self.work(rest))
        elif kind == "outside":
            self.hub.background(self.outside(connection))
        elif kind == "task":
            self.task = asyncio.create_task(self.outside(connection))
        elif kind == "run":
            await self.hub.run(self.tick, "x")
        elif kind == "gather":
            await asyncio.gather(*(self.tick(str(number)) for number in range(3)))

    async def tick(self, text):
        self.hub.storage.put("ticks", await self.hub.storage.get("ticks", 0) + 1)
        self.hub.broadcast("tick " + text)
        if text == "fail":
            raise ValueError("in a tick")
        return text.upper()

    async def work(self, text):
        await asyncio.sleep(0.05)
        self.hub.background(self.more(await self.hub.run(self.tick, text)))

    async def more(self, text):
        await self.hub.run(self.tick, text)

    async def outside(self, connection):
        await asyncio.sleep(0.01)
        try:
            connection.send("never")
        except RuntimeError as error:
            print(error)
"""


async def test_what_is_under_way_keeps_an_object_awake_and_runs_as_handlers_do():
    async with statekeeper(OWN, Own={}) as keeper:
        hub = keeper.hub("Own", "a")
        client = await hub.open()
        for message, heard in {"later x": ["tick x"], "background x": ["tick x", "tick X"]}.items():
            await client.send(message)
            assert hub.held and not keeper.sleep(hub)
            assert [await client.next() for _ in heard] == heard
            await keeper.until(lambda: not hub.held)
        assert hub.rows == {b"k:ticks": b"3"}
        await client.send("gather")
        assert client.heard() == ["tick 0", "tick 1", "tick 2"]


async def test_a_timer_can_be_cancelled():
    async with statekeeper(OWN, Own={}) as keeper:
        hub = keeper.hub("Own", "a")
        client = await hub.open()
        await client.send("later x")
        await client.send("cancel")
        assert not hub.held
        await client.send("never")
        assert hub.held
        keeper.drop(hub)
        await client.send("later y")
        assert await client.next() == "tick y"


async def test_what_fails_beside_events_is_undone_and_in_the_log():
    async with statekeeper(OWN, Own={}) as keeper:
        hub = keeper.hub("Own", "a")
        client = await hub.open()
        await client.send("later fail")
        await keeper.until(lambda: not hub.held)
        await client.send("background fail")
        await keeper.until(lambda: not hub.held)
        await keeper.settled()
        assert [log.text.split("\n")[-1] for log in keeper.logs] == ["ValueError: in a tick"] * 2
        assert all(log.hub == "Own/a" for log in keeper.logs)
        assert (hub.rows, client.heard()) == ({}, [])


async def test_code_outside_of_handlers_changes_nothing():
    async with statekeeper(OWN, Own={}) as keeper:
        hub = keeper.hub("Own", "a")
        client = await hub.open()
        for kind in ("outside", "task"):
            before = len(keeper.logs)
            await client.send(kind)
            await keeper.until(lambda: len(keeper.logs) > before)
            assert "await self.hub.run(self.method, ...)" in keeper.logs[-1].text
        assert "would wait for ever" in await client.send("run")
        assert client.heard() == []


HTTP = """
import asyncio

class Page(Hub):
    open = asyncio.Event()

    async def on_request(self, request):
        kind = request.path.partition("/page/")[2].partition("/")[2]
        if kind == "raise":
            self.hub.storage.put("a", 1)
            raise ValueError("in a request")
        if kind == "large":
            return b"x" * 3_000_000
        if kind == "response":
            return Response("made", 201, {"x-one": "1", "Connection": "keep-alive", "dormouse-hub": "Page/x"})
        if kind == "echo":
            return request.body
        if kind == "waits":
            await self.open.wait()
            return "at last"
        if kind == "opens":
            self.open.set()
        if kind == "odd":
            return 7
        if kind == "none":
            return None
        return {"method": request.method, "path": request.path, "params": request.params, "hub": self.hub.name,
                "header": request.headers.get("X-Header"), "own": "dormouse-x" in request.headers}

    async def on_message(self, connection, message):
        connection.send(message)
"""
PAGE = {"http": ["/page/{name}"]}


async def test_requests_are_answered_by_the_hub_that_the_path_names():
    async with statekeeper(HTTP, Page=PAGE) as keeper:
        status, headers, body = await keeper.http("/page/one/more?a=b%20c&d", headers={"x-header": "h", "dormouse-x": "y"})
        assert (status, headers["content-type"]) == (200, "application/json")
        assert body == (b'{"method": "GET", "path": "/page/one/more", "params": {"a": "b c", "d": ""}, "hub": "one",'
                        b' "header": "h", "own": false}')
        assert list(keeper.hubs) == [("Page", "one")]
        parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
        await keeper.http("/page/one/none", headers={"Traceparent": parent})
        assert keeper.traceparents == ["", parent]
        status, headers, body = await keeper.http("/page/one/response")
        assert (status, headers["x-one"], headers["connection"], body) == (201, "1", "close", b"made")
        assert "dormouse-hub" not in headers and headers["content-type"] == "text/plain; charset=utf-8"
        assert (await keeper.http("/page/one/echo", "POST", bytes(range(256)) * 1000))[2] == bytes(range(256)) * 1000
        assert len((await keeper.http("/page/one/large"))[2]) == 3_000_000
        status, headers, body = await keeper.http("/page/one/none")
        assert (status, body) == (204, b"")
        status, headers, body = await keeper.http("/page/one/large", "HEAD")
        assert (status, body) == (200, b"")


async def test_requests_that_cannot_be_answered_say_why():
    async with statekeeper(HTTP, Page=PAGE) as keeper:
        for path, status, said in (
                ("/page/one/raise", 500, b"The hub has failed.\n"), ("/page/one/odd", 500, b"The hub has failed.\n"),
                ("/other", 404, b"Nothing is at /other. Hubs are at /page/{name}.\n"),
                ("/page/a%20b", 404, b"That is no name of a hub"), ("/page/", 404, b"That is no name of a hub")):
            answered, headers, body = await keeper.http(path)
            assert answered == status and body.startswith(said), (path, body)
        assert keeper.hub("Page", "one").rows == {}
        await keeper.settled()
        assert [log.text.split("\n")[-1] for log in keeper.logs] == [
            "ValueError: in a request", "TypeError: on_request returns a Response, str, bytes, dict, list or None, not int."]
        status, _, body = await keeper.http("/page/one/echo", "POST", b"x" * (9 << 20))
        assert status == 413 and b"at most 8388608 bytes" in body
        keeper.fail_calls = "away"
        assert (await keeper.http("/page/one"))[0] == 503


async def test_no_request_is_taken_any_more_and_those_under_way_are_answered():
    async with statekeeper(HTTP, Page=PAGE) as keeper:
        waiting = asyncio.ensure_future(keeper.http("/page/one/waits"))
        await keeper.until(lambda: keeper.hubs)
        keeper.send(wire.ToWorker(end_http=True))
        await keeper.settled()
        with pytest.raises(ConnectionRefusedError):
            await keeper.http("/page/two/none")
        assert not keeper.http_ended.is_set()
        await keeper.hub("Page", "two").request(b'{"http": {"method": "GET", "path": "/page/two/opens"}}\n')
        assert (await waiting)[2] == b"at last"
        await asyncio.wait_for(keeper.http_ended.wait(), 20)
        client = await keeper.hub("Page", "one").open()  # hubs go on
        await client.send("said")
        assert await client.next() == "said"


async def test_a_socket_is_told_which_hub_it_leads_to():
    async with statekeeper(HTTP, Page=PAGE) as keeper:
        status, headers, body = await keeper.http("/page/one?x=y", headers={"dormouse-upgrade": "1"})
        assert (status, headers["dormouse-hub"], body) == (200, "Page/one", b"")
        assert (await keeper.http("/none/one", headers={"dormouse-upgrade": "1"}))[0] == 404
