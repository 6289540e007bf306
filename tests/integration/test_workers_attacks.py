"""Code and clients of a class in JavaScript or Python that mean harm: who shares their worker waits, and loses nothing.

What a neighbour waited is printed, and only held to what nobody would call hung.
"""

import asyncio
import contextlib
import time

import pytest
import websockets
from cluster import SLOWNESS, until
from worker_app import LANGUAGES, AppCluster, rss
from ws import WAIT, connect

OPTIONS = {"gateway-grace": "60s", "worker-timeout": "1s", "worker-memory": "300MiB", "connection-cpu": "0",
           "hibernate-after": "30s"}
LONG = 3 * WAIT
TRIES = 3
MB = 1 << 20
# What is for JavaScript alone has handlers that let others in while they wait; in Python one ends before the next begins.
in_all_languages = pytest.mark.parametrize("language", LANGUAGES)


class Neighbour:
    """Writes to its own hub of the same class, again and again, and hears of each write once."""

    def __init__(self, client):
        self._client = client
        self.answered = 0
        self.waits = []

    async def run(self, over):
        while not over.is_set():
            began = time.monotonic()
            word = f"word-{self.answered}"
            await self._client.send(f"keep {word}")
            said = await asyncio.wait_for(self._client.protocol.recv(), LONG)
            assert said == word, (self.answered, said)
            self.answered += 1
            self.waits.append(time.monotonic() - began)
            await asyncio.sleep(0.005)


async def say(client, text, within=LONG):
    """The next frame after a message."""
    await client.send(text)
    return await asyncio.wait_for(client.protocol.recv(), within)


class Scene:
    def __init__(self, cluster, stack, neighbours, watched):
        self.cluster = cluster
        self._stack = stack
        self._neighbours = neighbours
        self._watched = watched

    async def client(self, hub, kind="Attacked", who="attacker"):
        return await self._stack.enter_async_context(connect(self.cluster.ws_url(f"/{kind}/{hub}?id={who}")))

    async def others_go_on(self, answers=20):
        before = [each.answered for each in self._neighbours]
        await until(lambda: self._watched.done() or all(
            each.answered >= count + answers for each, count in zip(self._neighbours, before)), "others go on", 30)
        if self._watched.done():
            await self._watched


@contextlib.asynccontextmanager
async def scene(name, language="js"):
    with AppCluster(options=OPTIONS, language=language) as cluster:
        async with contextlib.AsyncExitStack() as stack:
            clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Attacked/neighbour-{number}")))
                       for number in range(4)]
            neighbours = [Neighbour(client) for client in clients]
            over = asyncio.Event()
            watched = asyncio.gather(*(each.run(over) for each in neighbours))
            try:
                self = Scene(cluster, stack, neighbours, watched)
                await self.others_go_on()
                yield self
                await self.others_go_on()
                over.set()
                await watched
            finally:
                watched.cancel()
                await asyncio.gather(watched, return_exceptions=True)
            assert all(client.is_open for client in clients)
            waits = sorted(wait for each in neighbours for wait in each.waits)
            print(f"\n{name}: {len(waits)} answers to others, p50 {waits[len(waits) // 2] * 1e3:.1f} ms, "
                  f"p99 {waits[len(waits) * 99 // 100] * 1e3:.0f} ms, longest {waits[-1] * 1e3:.0f} ms")


async def given_up(scene, client, within=60):
    """Until the socket is closed for what it has sent; the worker has ended so many times by then."""
    code, reason = await client.closed(within * SLOWNESS)
    assert code == 1011, (code, reason)
    said = scene.cluster.statekeeper.log_text()
    assert "an event is given up" in said
    return said


@in_all_languages
async def test_an_endless_loop_is_given_up(language):
    async with scene("endless loop", language) as here:
        client = await here.client("looping")
        witness = await here.client("looping", who="witness")
        assert await say(witness, "keep before") == "before"
        await client.send("loop")
        said = await given_up(here, client)
        assert "it has not answered for worker-timeout" in said
        assert said.count("another one is started") == TRIES, said[-3000:]
        # The hub itself goes on, with what it knew.
        assert await say(witness, "kept") == "before"


@in_all_languages
async def test_an_allocation_bomb_is_given_up(language):
    async with scene("allocation bomb", language) as here:
        client = await here.client("bombed")
        witness = await here.client("bombed", who="witness")
        assert await say(witness, "keep before") == "before"
        await client.send("bomb")
        said = await given_up(here, client)
        assert said.count("another one is started") == TRIES, said[-3000:]
        assert await say(witness, "kept") == "before"


@in_all_languages
async def test_many_timers(language):
    async with scene("10,000 timers", language) as here:
        client = await here.client("timers")
        assert await say(client, "timers 10000") == "made"
        assert await asyncio.wait_for(client.protocol.recv(), LONG) == "fired 10000"


@in_all_languages
async def test_values_that_are_too_large(language):
    async with scene("large values", language) as here:
        client = await here.client("large")
        for size in (200_000, 3_000_000):
            said = await say(client, f"big {size}")
            print(size, said)
            # Stored whole, or refused in words: never half, never by closing the socket.
            stored = await say(client, "size")
            assert (said, stored) == ("put", str(size)) or said.startswith("throws"), (said, stored)
        assert await say(client, "echo on") == "on"


@in_all_languages
async def test_a_flood_while_a_handler_waits(language):
    messages = 30_000
    async with scene("flood", language) as here:
        client = await here.client("flooded")
        assert await say(client, "echo first") == "first"
        worker = here.cluster.worker()
        before = rss(worker), here.cluster.statekeeper.rss()
        most = list(before)
        await client.send("slow 3000")

        async def flood():
            text = "see " + "x" * 1000
            for _ in range(messages):
                await client.send(text)
            return await say(client, "howMany", 60 * SLOWNESS)

        async def measure():
            while True:
                most[:] = max(most[0], rss(worker)), max(most[1], here.cluster.statekeeper.rss())
                await asyncio.sleep(0.05)

        measuring = asyncio.ensure_future(measure())
        heard = {await flood()}
        heard.add(await asyncio.wait_for(client.protocol.recv(), LONG))
        measuring.cancel()
        assert "slow" in heard and str(messages) in heard, heard
        assert here.cluster.worker() == worker
        grown = [(after - at) // MB for after, at in zip(most, before)]
        print(f"the worker grew by {grown[0]} MB, the statekeeper by {grown[1]} MB")
        assert max(grown) < 150, grown


@in_all_languages
async def test_a_handler_that_always_throws(language):
    async with scene("throws", language) as here:
        client = await here.client("throwing")
        for _ in range(500):
            await client.send("throws")
        assert await say(client, "echo on") == "on"
        # Attackers do not own the log.
        assert len(here.cluster.statekeeper.log_text()) < 2 * MB


@in_all_languages
async def test_a_constructor_that_always_throws(language):
    async with scene("constructor throws", language) as here:
        for _ in range(50):
            # Before the socket is open, where the object itself takes it; else at once.
            try:
                client = await here.client("never", kind="Unbuildable")
            except websockets.InvalidStatusCode as refused:
                assert language == "js" and refused.status_code >= 500
            else:
                assert language == "python" and (await client.closed())[0] == 1011


@in_all_languages
async def test_a_huge_reply(language):
    async with scene("huge reply", language) as here:
        client = await here.client("huge")
        code = None
        try:
            said = await say(client, f"reply {20 * MB}")
            print(f"a reply of {len(said)} characters came")
            assert len(said) == 20 * MB
        except websockets.ConnectionClosed:
            code = client.protocol.close_code
            print(f"closed with {code} {client.protocol.close_reason}")
        assert code in (None, 1009, 1011, 1013), code


async def test_many_handlers_wait_for_what_comes_after_them():
    async with scene("handlers wait for a later message") as here:
        clients = [await here.client("locked", who=str(number)) for number in range(20)]
        opener = await here.client("locked", who="opener")
        words = [str(number) for number in range(20)]
        for client in clients:
            for word in words:
                await client.send(f"locked {word}")

        async def all_wait():
            return await say(opener, "howMany") == str(len(clients) * len(words))

        await until(all_wait, "the object has all of them")
        assert await say(opener, "open") == "opened"
        for client in clients:
            assert [await asyncio.wait_for(client.protocol.recv(), LONG) for _ in words] == words


async def test_a_socket_that_waits_for_itself_stops_nobody_else():
    """Of one socket no more than connection-window messages are under way: what it has sent behind them waits."""
    async with scene("a socket waits for itself") as here:
        client = await here.client("stuck")
        for number in range(100):
            await client.send(f"locked {number}")
        await client.send("open")
        other = await here.client("stuck", who="other")

        async def window_is_full():
            return await say(other, "howMany") == "64"

        await until(window_is_full, "its window is full")
        assert await say(other, "open") == "opened"
        heard = [await asyncio.wait_for(client.protocol.recv(), LONG) for _ in range(101)]
        assert sorted(heard) == sorted(["opened", *map(str, range(100))])


async def test_handlers_that_wait_do_not_hold_up_others_after_a_crash():
    """Until they have shown that they did not end the worker, what was under way there is tried one by one."""
    async with scene("worker ended under handlers that wait") as here:
        patient = [await here.client(f"patient-{number}") for number in range(4)]
        for client in patient:
            for word in ("a", "b", "c"):
                await client.send(f"locked {word}")
        brief = [await here.client(f"brief-{number}") for number in range(20)]
        for client in brief:
            await client.send("slow 400")
        await here.others_go_on()
        assert here.cluster.kill_workers() == 1
        began = time.monotonic()
        for client in brief:
            assert await asyncio.wait_for(client.protocol.recv(), LONG) == "slow"
        print(f"others went on after {time.monotonic() - began:.2f} s")
        for client in patient:
            await client.send("open")
            assert [await asyncio.wait_for(client.protocol.recv(), LONG) for _ in range(4)] == ["opened", "a", "b", "c"]


async def test_a_handler_that_waits_does_not_stop_what_comes_after_it():
    """What is not done is kept by the gateway; what comes after it is more than that keeps."""
    async with scene("a handler waits") as here:
        waiting = await here.client("long")
        await waiting.send("locked end")
        talker = await here.client("long", who="talker")
        text = "echo " + "x" * 100_000
        for number in range(400):
            assert await say(talker, text) == text[5:], number
        await talker.send("open")
        assert await asyncio.wait_for(waiting.protocol.recv(), LONG) == "end"
