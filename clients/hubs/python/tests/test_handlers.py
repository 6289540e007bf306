"""What handlers do, and what becomes of it: gates, undoing, sleep, ends of the worker."""

import asyncio
import json

import pytest
from dormouse_hubs import Identity
from dormouse_hubs.host import link_pb2
from dormouse_hubs.host import worker_pb2 as wire
from fake_statekeeper import Refused, statekeeper

ECHO = """
class Echo(Hub):
    async def on_message(self, connection, message):
        connection.send(message)
"""


async def test_texts_and_bytes_come_back_as_they_are():
    async with statekeeper(ECHO, Echo={}) as keeper:
        client = await keeper.hub("Echo", "a").open()
        for message in ("text ä", b"\0\xff", "", b""):
            assert await client.send(message) == ""
            assert await client.next() == message


async def test_what_hubs_say_of_events_that_came_together_leaves_together():
    async with statekeeper(ECHO, Echo={}) as keeper:
        clients = [await keeper.hub("Echo", str(number)).open() for number in range(50)]
        together = wire.ToWorker()
        send, keeper.send = keeper.send, together.MergeFrom
        said = asyncio.gather(*(client.send("x") for client in clients))
        await keeper.until(lambda: len(together.events) == 50)
        before, keeper.send = keeper.frames, send
        send(together)
        await said
        assert keeper.frames == before + 1


ORDER = """
import asyncio
class Order(Hub):
    async def on_connect(self, connection):
        connection.attachment = {"id": connection.request.params["id"], "count": 0}

    async def on_message(self, connection, message):
        # Others would get in here, if they could.
        count = (await self.hub.storage.get("count", 0)) + 1
        await asyncio.sleep(0.002)
        self.hub.storage.put("count", count)
        connection.send(f"{message} {count}")
"""


async def test_handlers_of_a_hub_run_one_at_a_time():
    async with statekeeper(ORDER, Order={}) as keeper:
        hub = keeper.hub("Order", "a")
        clients = [await hub.open(query=f"id={number}") for number in range(4)]
        await asyncio.gather(*(client.send(f"{number}") for number in range(10) for client in clients))
        heard = [client.heard() for client in clients]
        assert [line.split()[0] for line in heard[0]] == [str(number) for number in range(10)]
        assert sorted(int(line.split()[1]) for lines in heard for line in lines) == list(range(1, 41))
        assert hub.rows == {b"k:count": b"40"}


async def test_other_hubs_go_on_while_one_waits():
    async with statekeeper(ECHO + """
import asyncio
class Slow(Hub):
    async def on_message(self, connection, message):
        await asyncio.sleep(3600)
""", Echo={}, Slow={}) as keeper:
        slow = await keeper.hub("Slow", "a").open()
        waiting = asyncio.ensure_future(slow.send("x"))
        echo = await keeper.hub("Echo", "a").open()
        assert await echo.send("on") == "" and await echo.next() == "on"
        assert not waiting.done()
        waiting.cancel()


async def test_a_handler_is_one_turn_with_all_that_it_does():
    async with statekeeper("""
class Room(Hub):
    async def on_message(self, connection, message):
        self.hub.storage.put("a", 1)
        connection.send("one")
        await self.hub.storage.get("b")
        self.hub.storage.put("b", 2)
        connection.send("two")
""", Room={}) as keeper:
        hub = keeper.hub("Room", "a")
        client = await hub.open()
        before = len(hub.turns)
        await client.send("x")
        (turn,) = hub.turns[before:]
        assert turn.done and [effect.WhichOneof("kind") for effect in turn.effects] == ["put", "send", "put", "send"]


UNDONE = """
class Bank(Hub):
    async def on_connect(self, connection):
        if connection.request.params.get("id") == "nobody":
            raise PermissionError("not you")
        connection.attachment = "at first"

    async def on_message(self, connection, message):
        storage = self.hub.storage
        if message == "look":
            connection.send(repr([await storage.list(), connection.attachment, self.hub.get_alarm() is None,
                                  len(self.hub.connections()), connection.is_open]))
            return
        storage.put("kept", "changed")
        storage.put("new", 1)
        storage.delete("gone")
        storage.delete_all("many")
        storage.put("many/4", 4)
        connection.attachment = "changed"
        connection.send("never")
        self.hub.broadcast("never")
        self.hub.set_alarm(1e10)
        if message == "sync":
            await self.hub.sync()
            storage.put("new", 2)
        connection.close(4000)
        raise ValueError("on second thoughts")
"""


@pytest.mark.parametrize("largest_wake", [100, 0])
async def test_what_raises_is_undone(largest_wake):
    async with statekeeper(UNDONE, Bank={}) as keeper:
        keeper.largest_wake = largest_wake
        hub = keeper.hub("Bank", "a")
        hub.rows = {b"k:kept": b'"x"', b"k:gone": b"1", b"k:many/1": b"1", b"k:many/2": b"2"}
        client = await hub.open()
        before = dict(hub.rows)
        expected = "[{'gone': 1, 'kept': 'x', 'many/1': 1, 'many/2': 2}, 'at first', True, 1, True]"
        await client.send("look")
        assert await client.next() == expected
        failure = await client.send("fail")
        assert failure.endswith("ValueError: on second thoughts") and '"/the/project/hubs.py", line' in failure
        assert "dormouse_hubs" not in failure, "the host's own lines say nothing to an author"
        assert (hub.rows, hub.alarm_ms, client.closing, client.heard()) == (before, 0, None, [])
        await client.send("look")
        assert await client.next() == expected


async def test_what_was_synced_is_not_undone():
    async with statekeeper(UNDONE, Bank={}) as keeper:
        hub = keeper.hub("Bank", "a")
        client = await hub.open()
        assert await client.send("sync")
        assert client.heard() == ["never", "never"] and client.closing is None
        await client.send("look")
        assert await client.next() == "[{'kept': 'changed', 'many/4': 4, 'new': 1}, 'changed', False, 1, True]"


async def test_a_connect_that_raises_is_refused_with_a_sentence():
    async with statekeeper(UNDONE, Bank={}) as keeper:
        hub = keeper.hub("Bank", "a")
        with pytest.raises(Refused, match="^PermissionError: not you$"):
            await hub.open(query="id=nobody")
        client = await hub.open()
        await client.send("look")
        assert ", 1, True]" in await client.next()
        await keeper.settled()
        assert any(log.hub == "Bank/a" and "PermissionError" in log.text for log in keeper.logs)


ROOM = """
class Room(Hub):
    async def on_wake(self):
        self.built = (await self.hub.storage.get("built", 0)) + 1
        self.hub.storage.put("built", self.built)

    async def on_connect(self, connection):
        id = connection.request.params["id"]
        connection.attachment = {"id": id, "raw": b"\\0\\1"}
        connection.tags = ["all", f"id-{id}"]
        connection.set_auto_response("ping", "pong")
        self.hub.broadcast(f"{id} joins", skip=connection)

    async def on_message(self, connection, message):
        kind, _, rest = message.partition(" ")
        if kind == "to":
            self.hub.broadcast(connection.attachment["id"], tag=f"id-{rest}")
        elif kind == "all":
            self.hub.broadcast(message)
        elif kind == "kick":
            for each in self.hub.connections(f"id-{rest}"):
                each.close(4001, "out")
        else:
            connection.send(repr([self.built, connection.attachment, connection.tags,
                                  sorted(each.attachment["id"] for each in self.hub.connections())]))

    async def on_close(self, connection, code, reason):
        assert connection not in self.hub.connections() and not connection.is_open
        connection.send("nobody")
        self.hub.broadcast(f"{connection.attachment['id']} leaves {code} {reason}")
"""


async def test_connections_have_attachments_and_tags_that_survive_a_sleep():
    async with statekeeper(ROOM, Room={}) as keeper:
        hub = keeper.hub("Room", "a")
        a, b = await hub.open(query="id=a"), await hub.open(query="id=b")
        assert a.auto_response == (b"ping", b"pong")
        assert await a.next() == "b joins"
        for built in (1, 2, 3):
            await a.send("look")
            assert await a.next() == repr([built, {"id": "a", "raw": b"\0\1"}, ("all", "id-a"), ["a", "b"]])
            await b.send("to a")
            assert await a.next() == "b"
            await keeper.settled()
            assert keeper.sleep(hub)
        # An end wakes it, too.
        await b.close(3000, "bye")
        assert await a.next() == "b leaves 3000 bye"
        await a.send("kick a")
        assert a.closing == (4001, "out") and a.heard() == []


async def test_a_broadcast_reaches_nobody_before_its_connect_has_run():
    async with statekeeper(ROOM, Room={}) as keeper:
        hub = keeper.hub("Room", "a")
        a = await hub.open(query="id=a")
        said = asyncio.ensure_future(a.send("all there"))
        await asyncio.sleep(0)  # the next event is behind it, and on its way when it is handled
        b = await hub.open(query="id=b")
        await said
        assert (a.heard(), b.heard()) == (["all there", "b joins"], [])


async def test_a_connect_knows_what_the_socket_was_opened_with():
    async with statekeeper("""
class Door(Hub):
    async def on_connect(self, connection):
        self.opening = connection.request
        connection.send(repr([self.opening.path, self.opening.query, self.opening.params, self.opening.headers["x-A"],
                              "none" in self.opening.headers, self.opening.remote_address, self.opening.identity]))
""", Door={}) as keeper:
        hub = keeper.hub("Door", "a")
        said = link_pb2.Identity(actor="anna", actors=["a/*"], capabilities=["x"], expires_ms=5000, role="admin")
        client = await hub.open("/door/a", "b=1&b=2&c=%20", {"X-a": "1"}, said.SerializeToString())
        assert await client.next() == repr([
            "/door/a", "b=1&b=2&c=%20", {"b": "2", "c": " "}, "1", False, "127.0.0.1",
            Identity("anna", ("a/*",), ("x",), "admin", 5.0)])
        client = await hub.open(headers={"x-a": "2"})
        assert (await client.next()).endswith("None]")


async def test_a_socket_whose_connect_has_not_run_is_none_of_the_hubs():
    """The statekeeper has it already, as a next worker gets to hear."""
    async with statekeeper("""
import asyncio
class Slow(Hub):
    async def on_connect(self, connection):
        connection.send("welcome")

    async def on_message(self, connection, message):
        if not self.hub.repeated:
            await asyncio.sleep(3600)
        self.hub.broadcast(str(len(self.hub.connections())))
""", Slow={}) as keeper:
        hub = keeper.hub("Slow", "a")
        a = await hub.open()
        waiting = asyncio.ensure_future(a.send("x"))
        await asyncio.sleep(0)
        opening = asyncio.ensure_future(hub.open())
        await keeper.settled()
        await keeper.kill_worker()
        await waiting
        b = await opening
        assert (a.heard(), b.heard()) == (["welcome", "1"], ["welcome"])


async def test_a_message_of_one_that_was_closed_is_passed_over():
    async with statekeeper(ROOM, Room={}) as keeper:
        hub = keeper.hub("Room", "a")
        a, b = await hub.open(query="id=a"), await hub.open(query="id=b")
        kicked = asyncio.ensure_future(a.send("kick b"))
        assert await asyncio.gather(kicked, b.send("all hear"), b.close(1000)) == ["", "", ""]
        assert a.heard() == ["b joins"], "it is gone as soon as it was closed"


async def test_what_was_not_done_is_done_by_the_next_worker():
    async with statekeeper("""
import asyncio, os
class Slow(Hub):
    async def on_message(self, connection, message):
        count = await self.hub.storage.get("count", 0) + 1
        self.hub.storage.put("count", count)
        if message == "wait" and not self.hub.repeated:
            await asyncio.sleep(3600)
        connection.send(f"{message} {count} {self.hub.repeated}")
""", Slow={}) as keeper:
        hub = keeper.hub("Slow", "a")
        client = await hub.open()
        await client.send("first")
        waiting = asyncio.ensure_future(client.send("wait"))
        behind = asyncio.ensure_future(client.send("behind"))
        await keeper.settled()
        await keeper.kill_worker()
        await asyncio.gather(waiting, behind)
        assert client.heard() == ["first 1 False", "wait 2 True", "behind 3 True"]


async def test_code_that_ends_its_process_ends_no_event_of_others():
    async with statekeeper("""
import asyncio, sys
class Exits(Hub):
    async def on_message(self, connection, message):
        if not self.hub.repeated:
            if message == "background":
                self.hub.background(self.exit())
            else:
                sys.exit(3)
        connection.send("stays")

    async def exit(self):
        sys.exit(3)

class Waits(Hub):
    async def on_message(self, connection, message):
        if not self.hub.repeated:
            await asyncio.sleep(3600)
        connection.send(message)
""", Exits={}, Waits={}) as keeper:
        exits, waits = await keeper.hub("Exits", "a").open(), await keeper.hub("Waits", "a").open()
        for kind in ("handler", "background"):
            waiting = asyncio.ensure_future(waits.send("x"))
            await keeper.settled()
            ending = asyncio.ensure_future(exits.send(kind))
            await keeper.until(lambda: keeper._writer is None)
            assert not waiting.done()
            await keeper.kill_worker()
            assert await asyncio.gather(waiting, ending) == ["", ""]
            assert (await waits.next(), await exits.next()) == ("x", "stays")


async def test_what_a_dropped_object_was_doing_ends():
    async with statekeeper("""
import asyncio
class Slow(Hub):
    async def on_message(self, connection, message):
        if message == "wait" and not self.hub.repeated:
            try:
                await asyncio.sleep(3600)
            finally:
                print("ended")
        connection.send(message)
""", Slow={}) as keeper:
        hub = keeper.hub("Slow", "a")
        client = await hub.open()
        waiting = asyncio.ensure_future(client.send("wait"))
        await keeper.settled()
        keeper.drop(hub, replay=True)
        await waiting
        assert await client.next() == "wait"
        await keeper.settled()
        assert [log.text for log in keeper.logs] == ["ended"]


async def test_an_object_that_cannot_be_made_fails_its_events_one_by_one():
    async with statekeeper("""
class Broken(Hub):
    async def on_wake(self):
        if await self.hub.storage.get("broken"):
            raise OSError("not today")
    async def on_message(self, connection, message):
        connection.send(message)

class Forgets(Hub):
    def __init__(self, hub):
        pass
""", Broken={}, Forgets={}) as keeper:
        hub = keeper.hub("Broken", "a")
        client = await hub.open()
        keeper.drop(hub)
        hub.rows[b"k:broken"] = b"true"
        assert (await client.send("x")).endswith("OSError: not today")
        keeper.drop(hub)
        hub.rows.clear()
        await client.send("x")
        assert await client.next() == "x"
        with pytest.raises(Refused, match=r"Forgets.__init__ has to call super\(\).__init__\(hub\)"):
            await keeper.hub("Forgets", "a").open()


async def test_alarms_are_set_run_again_and_taken_back():
    async with statekeeper("""
from datetime import datetime, timedelta, timezone
class Clock(Hub):
    async def on_message(self, connection, message):
        kinds = {"number": 1e9, "datetime": datetime(2030, 1, 1, tzinfo=timezone.utc),
                 "timedelta": timedelta(seconds=2)}
        if message == "none":
            self.hub.delete_alarm()
        elif message in kinds:
            self.hub.set_alarm(kinds[message])
        connection.send(str(self.hub.get_alarm()))

    async def on_alarm(self, info):
        assert self.hub.get_alarm() is None
        self.hub.storage.put("attempt", info.attempt)
        self.hub.set_alarm(5)
        await self.hub.sync()
        if info.attempt == 0:
            raise ValueError("again")
        self.hub.broadcast("alarm")

class Without(Hub):
    pass
""", Clock={}, Without={}) as keeper:
        hub = keeper.hub("Clock", "a")
        client = await hub.open()
        await client.send("number")
        assert (await client.next(), hub.alarm_ms) == ("1000000000.0", 10**12)
        await client.send("datetime")
        assert hub.alarm_ms == 1893456000000
        await client.send("none")
        assert hub.alarm_ms == 0
        now = keeper.now_ms()
        await client.send("timedelta")
        assert 1900 < hub.alarm_ms - now < 12000
        assert (await hub.alarm()).endswith("ValueError: again")
        assert hub.alarm_ms == 0, "what one that fails sets is not set"
        assert await hub.alarm(1) == ""
        assert hub.alarm_ms == 5000 and hub.rows == {b"k:attempt": b"1"}
        assert "on_alarm" in await keeper.hub("Without", "a").alarm()


TIMED = """
import datetime

class Timed(Hub):
    kind = None

    async def on_message(self, connection, message):
        timers, now = self.hub.timers, self.hub.now
        try:
            connection.send(repr(eval(message)))
        except (TypeError, ValueError, RuntimeError) as error:
            connection.send(f"{type(error).__name__}: {error}")

    def change(self, kind):
        self.kind = kind

    async def on_timer(self, name, info):
        self.hub.storage.put("rang " + name, info.attempt)
        if self.kind == "sets":
            self.hub.timers.set(name, 5)
            self.hub.timers.set("other", 6)
        if self.kind == "syncs":
            self.hub.timers.set(name, 7)
            await self.hub.sync()
        if self.kind in ("fails", "syncs"):
            raise ValueError("again")

class Without(Hub):
    async def on_message(self, connection, message):
        self.hub.timers.set("a", 1)
"""


async def test_timers_are_set_run_again_and_taken_back_each_by_itself():
    async with statekeeper(TIMED, Timed={}, Without={}) as keeper:
        hub = keeper.hub("Timed", "a")
        client = await hub.open()

        async def says(message):
            await client.send(message)
            return await client.next()

        await says("timers.set('one', 1e9)")
        await says("timers.set('zwei ä', datetime.datetime(2030, 1, 1, tzinfo=datetime.timezone.utc))")
        await says("timers.set('three', 1e9)")
        await says("timers.delete('three'), timers.delete('never set')")
        due = {"one": 10**12, "zwei ä": 1893456000000}
        assert hub.timers == due
        keeper.drop(hub)
        assert await says("timers.all(), timers.get('one'), timers.get('x')") == (
            "({'one': 1000000000.0, 'zwei ä': 1893456000.0}, 1000000000.0, None)")
        assert await hub.timer("zwei ä", 2) == ""
        assert hub.rows == {"k:rang zwei ä".encode(): b"2"}
        assert await says("list(timers.all())") == "['one']"
        await says("self.change('sets')")
        before = len(hub.turns)
        assert await hub.timer("one") == ""
        said = [[effect.timer.name for effect in turn.effects if effect.HasField("timer")] for turn in hub.turns[before:]]
        assert (said, hub.timers) == ([["other", "one"]], {"one": 5000, "other": 6000})
        for kind, attempt, set_then in (("fails", 0, "5.0"), ("syncs", 1, "5.0"), ("fails", 6, "None")):
            await says(f"self.change('{kind}')")
            assert (await hub.timer("one", attempt)).endswith("ValueError: again")
            assert "one" not in hub.timers, "what one that fails sets is not set"
            assert await says("timers.get('one')") == set_then, "it is set until it is given up"
        without = await keeper.hub("Without", "a").open()
        assert "Without has no on_timer" in await without.send("x")


async def test_timers_that_cannot_be_say_why():
    async with statekeeper(TIMED, Timed={}) as keeper:
        hub = keeper.hub("Timed", "a")
        client = await hub.open()

        async def says(message):
            await client.send(message)
            return await client.next()

        assert "1 to 64 bytes; '' has 0" in await says("timers.set('', 1)")
        assert "has 66" in await says("timers.delete('ä' * 33)")
        assert "not int" in await says("timers.set(1, 1)")
        await says("list(map(timers.set, [f't{number}' for number in range(100)], [1] * 100))")
        assert await says("timers.set('one more', 1)") == "ValueError: A hub has at most 100 timers."
        await says("timers.set('t7', 2)")
        assert hub.timers["t7"] == 2000
        keeper.max_timers = 0
        hub.timers.clear()
        keeper.drop(hub)
        assert "upgrade it first" in await says("timers.set('a', 1)")
        await says("timers.delete('a')")
        assert not any(effect.HasField("timer") for effect in hub.turns[-1].effects)


STORE = """
class Store(Hub):
    async def on_message(self, connection, message):
        storage = self.hub.storage
        try:
            result = eval(message)
            if hasattr(result, "__await__"):
                result = await result
        except Exception as error:
            result = f"{type(error).__name__}: {error}"
        connection.send(repr(result))
"""


@pytest.mark.parametrize("largest_wake, largest_read", [(1000, 1000), (0, 1000), (3, 2), (0, 1)])
async def test_storage_is_read_in_order_however_little_comes_at_a_time(largest_wake, largest_read):
    async with statekeeper(STORE, Store={}) as keeper:
        keeper.largest_wake, keeper.largest_read = largest_wake, largest_read
        hub = keeper.hub("Store", "a")
        hub.rows = {b"k:" + key.encode(): str(at).encode() for at, key in enumerate(["a", "b1", "b2", "b3", "c", "ä"])}
        hub.rows[b"m:note"] = b"of another kind"
        client = await hub.open()

        async def ask(text):
            await client.send(text)
            return await client.next()

        assert await ask("storage.get('a')") == "0"
        assert await ask("storage.get('none', 'default')") == "'default'"
        assert await ask("storage.list(limit=2)") == "{'a': 0, 'b1': 1}"
        assert await ask("storage.list(reverse=True, limit=2)") == "{'ä': 5, 'c': 4}"
        assert await ask("(storage.put('b1', b'x'), storage.delete('b2'), storage.put('b21', [1]))") == "(None, None, None)"
        assert await ask("storage.list('b')") == "{'b1': b'x', 'b21': [1], 'b3': 3}"
        assert await ask("storage.list('b', limit=2, reverse=True)") == "{'b3': 3, 'b21': [1]}"
        assert await ask("storage.list(start='b2', end='c')") == "{'b21': [1], 'b3': 3}"
        assert await ask("storage.list(start='c', end='a')") == "{}"
        assert await ask("storage.delete_all('b')") == "None"
        assert await ask("storage.get('b3')") == "None"
        assert await ask("storage.put('b4', 4)") == "None"
        assert await ask("storage.list()") == "{'a': 0, 'b4': 4, 'c': 4, 'ä': 5}"
        keeper.sleep(hub)
        assert await ask("storage.list()") == "{'a': 0, 'b4': 4, 'c': 4, 'ä': 5}"
        assert hub.rows[b"m:note"] == b"of another kind"


async def test_a_handler_reads_what_it_has_written_where_the_statekeeper_does_not_know_it_yet():
    async with statekeeper("""
class Store(Hub):
    async def on_message(self, connection, message):
        storage = self.hub.storage
        storage.delete("a")
        storage.put("b", 2)
        storage.delete_all("c")
        connection.send(repr([await storage.get("a"), await storage.get("b"), await storage.get("c1"),
                              await storage.list("c"), await storage.list()]))
""", Store={}) as keeper:
        keeper.largest_wake = 0
        hub = keeper.hub("Store", "a")
        hub.rows = {b"k:" + key: b"1" for key in (b"a", b"b", b"c1", b"c2", b"d")}
        client = await hub.open()
        await client.send("x")
        assert await client.next() == "[None, 2, None, {}, {'b': 2, 'd': 1}]"


async def test_what_cannot_be_stored_is_refused_with_a_sentence():
    async with statekeeper(STORE, Store={}) as keeper:
        hub = keeper.hub("Store", "a")
        client = await hub.open()
        for text, said in {
                "storage.put('x', {1})": "TypeError: A set cannot be kept or passed on",
                "storage.put('x', {1: 2})": "TypeError: The keys of a dict are str, not int",
                "storage.put('x', float('nan'))": "ValueError: nan cannot be kept",
                "storage.put('x', 'y' * 131071)": "ValueError: A value has at most 131072 bytes; that of 'x' has 131073",
                "storage.put('', 1)": "ValueError: A key has 1 to 2048 bytes",
                "storage.put('a' * 2049, 1)": "ValueError: A key has 1 to 2048 bytes; this one has 2049",
                "storage.get('\\0')": "ValueError: A key has no zero bytes",
                "storage.get(1)": "TypeError: A key is a str, not int",
                "storage.list(limit=0)": "ValueError: `limit` is at least 1",
                "setattr(connection, 'attachment', 'x' * 20000)": "ValueError: An attachment has at most 16384 bytes",
                "setattr(connection, 'tags', ['a'])": "RuntimeError: Tags are set in on_connect",
                "connection.request": "RuntimeError: What a socket was opened with is there in on_connect only",
                "connection.close(999)": "ValueError: 999 is no code to close with",
                "connection.close(1000, 'x' * 124)": "ValueError: The reason of a close has at most 123 bytes",
                "connection.send(1)": "TypeError: A message is str or bytes, not int",
        }.items():
            await client.send(text)
            heard = client.heard()
            assert heard and heard[-1][1:].startswith(said), (text, heard)
        failure = await client.send("list(map(connection.send, ['x' * (1 << 20)] * 33))")
        assert failure.endswith("ValueError: A handler writes and sends at most 32 MiB.") and client.heard() == []
        assert hub.rows == {}


@pytest.mark.parametrize("key", ["a", "ä", "k" * 2048])
async def test_keys_and_large_values_come_back(key):
    async with statekeeper(STORE, Store={}) as keeper:
        hub = keeper.hub("Store", "a")
        client = await hub.open()
        await client.send(f"storage.put({key!r}, 'y' * 131070)")
        keeper.largest_wake = 0
        keeper.sleep(hub)
        await client.send(f"storage.get({key!r})")
        await client.next()
        assert await client.next() == repr("y" * 131070)


async def test_code_says_what_it_does_to_the_log():
    async with statekeeper("""
import logging
class Talks(Hub):
    async def on_message(self, connection, message):
        print("printed", 1)
        print("in", "two", sep="\\n")
        logging.warning("warned of %s", message)
        try:
            1 / 0
        except ZeroDivisionError:
            logging.getLogger("x").exception("failed")
""", Talks={}) as keeper:
        client = await keeper.hub("Talks", "a").open()
        await client.send("it")
        await keeper.settled()
        assert [(log.level, log.text.split("\n")[0]) for log in keeper.logs] == [
            (1, "printed 1"), (1, "in"), (1, "two"), (2, "warned of it"), (3, "failed")]
        assert all(log.hub == "Talks/a" and log.connection == client.key for log in keeper.logs)
        assert "ZeroDivisionError" in keeper.logs[-1].text


async def test_a_worker_ends_when_it_is_told_to_and_with_its_statekeeper():
    async with statekeeper(ECHO, Echo={}) as keeper:
        assert await keeper.terminate_worker() == 0
        await keeper.until(lambda: keeper._writer is None)
        await keeper.start_worker()
        keeper._writer.close()
        assert await asyncio.wait_for(keeper._process.wait(), 20) == 1


async def test_backpressure_is_no_matter_of_the_code():
    async with statekeeper(ECHO, Echo={}) as keeper:
        hub = keeper.hub("Echo", "a")
        client = await hub.open()
        assert await hub.happen(wire.Event(backpressure=wire.Backpressure(connection=client.key, paused=True))) == ""


async def test_an_empty_call_only_wants_it_to_be_there():
    async with statekeeper(ECHO, Echo={}) as keeper:
        assert await keeper.hub("Echo", "a").request(b"") == b""
        assert "error" in json.loads(await keeper.hub("Echo", "a").request(b"\xff\xfe"))
