"""A message, an alarm or a state that ends whatever statekeeper handles it: after three of them it is given up. Its
hub alone is told; the others, in the same processes, lose nothing."""

import asyncio
import contextlib

import pytest
import websockets
from cluster import Cluster, until
from ws import WAIT, connect

OPTIONS = {"rate-limit": "0", "gateway-grace": "30s", "hibernate-after": "300ms"}
MOST_CRASHES = 3


class Innocent:
    """Changes its hub all the time, one change after the other was confirmed; and has alarms."""

    def __init__(self, client):
        self._client = client
        self.confirmed = 0
        self.rings = 0
        self.longest = 0.0

    async def _next(self):
        while (frame := await asyncio.wait_for(self._client.protocol.recv(), WAIT * 3)) == "ring":
            self.rings += 1
        return frame

    async def run(self, until_set):
        clock = asyncio.get_running_loop().time
        while not until_set.is_set():
            text = "alarm 20" if self.confirmed % 10 == 0 else f"change {self.confirmed}"
            began = clock()
            await self._client.send(text)
            answer = await self._next()
            assert answer == text, (self.confirmed, answer)
            self.longest = max(self.longest, clock() - began)
            self.confirmed += 1
            await asyncio.sleep(0.01)


async def _supervise(cluster, crashes, until_set):
    while not until_set.is_set():
        crashes.append(cluster.restart_dead_statekeepers())
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def _under_traffic(store):
    """(cluster, the number of crashes so far as a function); innocents work all the time."""
    with Cluster(store=store, gateways=2, statekeepers=3 if store == "redis" else 1, options=OPTIONS,
                 statekeeper_program="dormouse-crash-statekeeper") as cluster:
        async with contextlib.AsyncExitStack() as stack:
            innocents = [Innocent(await stack.enter_async_context(
                connect(cluster.ws_url(f"/crash/innocent-{number}", number % 2)))) for number in range(12)]
            over = asyncio.Event()
            crashes = []
            running = asyncio.gather(_supervise(cluster, crashes, over), *(each.run(over) for each in innocents))
            try:
                yield cluster, lambda: sum(crashes)
                before = [each.confirmed for each in innocents]
                await until(lambda: running.done() or
                            all(each.confirmed > count + 20 for each, count in zip(innocents, before)),
                            "innocents go on", timeout=30)
                if not running.done():
                    await until(_all_ready(cluster), "all statekeepers are back", timeout=30)
                over.set()
                await running
            finally:
                over.set()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
            assert all(each.rings > 0 for each in innocents), [each.rings for each in innocents]


def _all_ready(cluster):
    return lambda: all(process.running() and process.is_ready() for process in cluster.statekeepers)


async def _answer(client):
    """The next frame, or how the socket was closed."""
    try:
        return await asyncio.wait_for(client.protocol.recv(), WAIT * 3)
    except websockets.ConnectionClosed:
        return client.protocol.close_code


def _given_up(cluster):
    return sum(process.log_text().count("it is given up") for process in cluster.statekeepers)


@pytest.mark.parametrize("kind", ["abort", "segv", "throw", "recurse", "hang-up"])
async def test_a_message_that_ends_its_process_is_given_up(store, kind):
    async with _under_traffic(store) as (cluster, crashes):
        async with connect(cluster.ws_url("/crash/poison")) as client:
            await client.send("before")
            assert await _answer(client) == "before"
            await client.send(kind)
            await client.send("after")
            assert [await _answer(client), await _answer(client)] == ["failed: poison", "after"]
            assert 2 <= crashes() <= MOST_CRASHES, crashes()
            assert _given_up(cluster) == 1
            await until(_all_ready(cluster), "all statekeepers are back", timeout=30)
            assert sum(cluster.metrics(process)["dormouse_events_given_up_total"]
                       for process in cluster.statekeepers) == 1


async def test_an_alarm_that_ends_its_process_is_given_up(store):
    async with _under_traffic(store) as (cluster, crashes):
        async with connect(cluster.ws_url("/crash/poison")) as client:
            await client.send("alarm-abort 1")
            assert await _answer(client) == "alarm-abort 1"
            await until(lambda: _given_up(cluster) == 1, "the alarm is given up", timeout=30)
            await client.send("after")
            assert await _answer(client) == "after"
            assert crashes() <= MOST_CRASHES, crashes()


async def test_a_close_that_ends_its_process_is_given_up(store):
    async with _under_traffic(store) as (cluster, crashes):
        async with connect(cluster.ws_url("/crash/poison")) as client:
            await client.send("close-abort")
            assert await _answer(client) == "close-abort"
        await until(lambda: _given_up(cluster) == 1, "the close is given up", timeout=30)
        assert crashes() <= MOST_CRASHES, crashes()
        async with connect(cluster.ws_url("/crash/poison")) as client:
            await client.send("again")
            assert await _answer(client) == "again"


async def test_a_hub_whose_state_is_the_poison_stops_to_cost_processes(store):
    async with _under_traffic(store) as (cluster, crashes):
        answers = []
        for attempt in range(6):
            async with connect(cluster.ws_url("/crash/poison")) as client:
                with contextlib.suppress(websockets.ConnectionClosed):
                    await client.send("wake-abort" if attempt == 0 else f"message {attempt}")
                answers.append(await _answer(client))
                if attempt == 0:
                    await cluster.asleep(hubs=12)
                    await client.send("it dies of this")
                    answers.append(await _answer(client))
        assert answers[0] == "wake-abort"
        assert set(answers[1:]) <= {"failed: poison", 1011}, answers
        # Three for the first event; one more before the hub is left alone.
        assert crashes() <= MOST_CRASHES + 2, crashes()
