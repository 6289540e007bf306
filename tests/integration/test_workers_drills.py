"""Whatever ends behind the sockets of a class in JavaScript or Python, its worker, the statekeeper, both, in the middle of handlers,
of transactions or of a deploy: no socket is closed, no answered write is lost, no frame comes twice or out of order.

DORMOUSE_TEST_SEEDS="1 2 3" chooses the rounds; a failure names its own.
"""

import asyncio
import contextlib
import json
import os
import random
import time

import pytest
from cluster import until
from worker_app import LANGUAGES, AppCluster
from ws import WAIT, connect

SEEDS = [int(word) for word in os.environ.get("DORMOUSE_TEST_SEEDS", "1").split()]
HUBS = 20
SOCKETS = 120
OPTIONS = {"gateway-grace": "60s", "hibernate-after": "500ms"}
# What a socket asks its hub for, and how many of it at a time. Handlers that wait let others in: those of one socket
# would overtake each other.
KINDS = {"put": 8, "sql": 4, "wait": 1}


class Caller:
    """Sends numbered messages and checks the answers: each once, in order, and counts that never go back."""

    def __init__(self, client, number, dice):
        self._client = client
        self._dice = dice
        self._number = number
        self.hub = f"hub-{number % HUBS}"
        self.kind = list(KINDS)[number // HUBS % len(KINDS)]
        self._window = KINDS[self.kind]
        self._sent = 0
        self.answered = 0
        self._count = 0
        self._total = 0
        self.doubts = 0  # ends of statekeepers: what had been written for an answer that had not left is written again
        self.version = ""
        self.longest = 0.0

    async def _send(self):
        self._sent += 1
        await self._client.send(f"{self.kind} {self._sent} payload-{self._number}")

    async def run(self, over):
        while not over.is_set() or self.answered < self._sent:
            while not over.is_set() and self._sent < self.answered + self._window:
                await self._send()
            await self._check_next()
            await asyncio.sleep(self._dice.uniform(0, 0.1))

    async def _check_next(self):
        began = time.monotonic()
        said = await asyncio.wait_for(self._client.protocol.recv(), 3 * WAIT)
        self.longest = max(self.longest, time.monotonic() - began)
        number, payload, count, total, self.version = said.split(" ")
        self.answered += 1
        assert (number, payload) == (f"{self.answered}:", f"payload-{self._number}"), (self.answered, said)
        assert int(count) >= self.answered and int(count) > self._count, (self._number, self._count, said)
        if self.kind != "wait":  # whose first write is durable before the handler has ended
            assert int(count) <= self.answered + self._window * self.doubts, (self._number, self.doubts, said)
            assert int(total) > self._total, (self._number, self._total, said)
        self._count, self._total = int(count), int(total)


class Drill:
    """Callers at work in a cluster, of which parts end."""

    def __init__(self, cluster, callers, dice, watched):
        self.cluster = cluster
        self.callers = callers
        self._dice = dice
        self._watched = watched
        self._version = 1

    async def suffer(self, faults):
        """One after the other, each until all go on."""
        for fault in faults:
            await self.while_away()
            began = time.monotonic()
            print(fault.__name__)
            await fault(self)
            await self.settle()
            print(f"{fault.__name__}: {time.monotonic() - began:.2f} s")

    async def settle(self, answers=2):
        """Until every caller has got so many more answers."""
        before = [caller.answered for caller in self.callers]
        await until(lambda: self._watched.done() or all(
            caller.answered >= count + answers for caller, count in zip(self.callers, before)),
                    "all go on", timeout=30)
        if self._watched.done():
            await self._watched  # says what is wrong

    async def while_away(self, most=0.3):
        await asyncio.sleep(self._dice.uniform(0, most))

    async def worker(self):
        assert self.cluster.kill_workers() > 0

    async def worker_again_and_again(self):
        for _ in range(3):
            self.cluster.kill_workers()
            await self.while_away(0.5)

    async def statekeeper(self):
        for caller in self.callers:
            caller.doubts += 1
        self.cluster.kill_statekeeper()
        await self.while_away()
        self.cluster.start_statekeeper(wait=False)

    async def an_owner(self):
        """Of some of the hubs; another statekeeper takes them over."""
        for caller in self.callers:
            caller.doubts += 1
        number = self._dice.randrange(len(self.cluster.statekeepers))
        self.cluster.kill_statekeeper(statekeeper=number)
        await self.settle()
        self.cluster.start_statekeeper(wait=False, statekeeper=number)
        process = self.cluster.statekeepers[number]
        await until(lambda: self._watched.done() or process.is_ready(), f"{process.name} is ready", timeout=20)

    async def a_worker(self):
        self.cluster.kill_workers(self._dice.randrange(len(self.cluster.statekeepers)))

    async def both(self):
        self.cluster.kill_workers()
        await self.while_away(0.05)
        await self.statekeeper()

    async def deploy(self):
        self._version += 1
        self.cluster.deploy(self._version)
        await until(lambda: self._watched.done() or all(
            caller.version == str(self._version) for caller in self.callers), "all meet the new code", timeout=30)

    async def deploy_and_worker(self):
        self._version += 1
        self.cluster.deploy(self._version)
        await self.while_away(0.6)
        self.cluster.kill_workers()

    async def deploy_and_statekeeper(self):
        self._version += 1
        self.cluster.deploy(self._version)
        await self.while_away(0.6)
        await self.statekeeper()


FAULTS = (Drill.worker, Drill.worker_again_and_again, Drill.statekeeper, Drill.both, Drill.deploy,
          Drill.deploy_and_worker, Drill.deploy_and_statekeeper)


@contextlib.asynccontextmanager
async def at_work(cluster, seed, kind=Drill):
    """A Drill, of that kind; at the end everything is counted."""
    async with contextlib.AsyncExitStack() as stack:
        clients = []
        for first in range(0, SOCKETS, 20):
            clients += await asyncio.gather(*(stack.enter_async_context(connect(cluster.ws_url(
                f"/Counter/hub-{number % HUBS}?id={number}", number % len(cluster.gateways))))
                                              for number in range(first, first + 20)))
        dice = random.Random(seed)
        callers = [Caller(client, number, dice) for number, client in enumerate(clients)]
        over = asyncio.Event()
        watched = asyncio.gather(*(caller.run(over) for caller in callers))
        drill = kind(cluster, callers, dice, watched)
        try:
            await drill.settle()
            yield drill
            await drill.settle()
            over.set()
            await watched
        finally:
            watched.cancel()
            await asyncio.gather(watched, return_exceptions=True)
        for number in range(HUBS):
            status, body = await asyncio.to_thread(cluster.get, f"/Counter/hub-{number}")
            assert status == 200, (status, body)
            for kind, total in json.loads(body).items():
                heard = [caller for caller in callers if (caller.hub, caller.kind) == (f"hub-{number}", kind)]
                answered = sum(caller.answered for caller in heard)
                twice = total - answered
                most = sum(KINDS[kind] * caller.doubts for caller in heard)
                assert 0 <= twice <= most, (number, kind, total, answered)
        assert all(client.is_open for client in clients)
        print(f"\nseed {seed}: {sum(caller.answered for caller in callers)} messages, none waited longer than "
              f"{max(caller.longest for caller in callers):.2f} s")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_whatever_ends(store, seed, language):
    with AppCluster(store=store, gateways=2, options=OPTIONS, language=language) as cluster:
        async with at_work(cluster, seed) as drill:
            faults = list(FAULTS)
            random.Random(seed).shuffle(faults)
            await drill.suffer(faults)
            await until(lambda: cluster.statekeeper.running() and cluster.statekeeper.is_ready(), "it is ready")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_when_another_statekeeper_takes_over(seed, language):
    with AppCluster(store="redis", gateways=2, statekeepers=2, options=OPTIONS, language=language) as cluster:
        async with at_work(cluster, seed) as drill:
            await drill.suffer((Drill.an_owner, Drill.a_worker, Drill.deploy, Drill.an_owner))


@pytest.mark.parametrize("ended", [0, 1])
async def test_plain_requests_are_answered_when_one_of_two_statekeepers_ends(ended):
    """Whoever of both serves HTTP, and whoever of both has the hub. What had left for the one that ended may fail; nothing
    waits for it, and the other one serves all the time."""
    with AppCluster(store="redis", statekeepers=2, options=OPTIONS) as cluster:
        hubs = [f"/Counter/hub-{number}" for number in range(HUBS)]
        for hub in hubs:
            assert cluster.get(hub)[0] == 200
        cluster.kill_statekeeper(statekeeper=ended)
        failed = 0
        for hub in hubs:
            began = time.monotonic()
            status, said = cluster.get(hub)
            assert status in (200, 500, 502), said
            failed += status != 200
            # That it is dead is known as soon as nobody can reach it.
            assert time.monotonic() - began < 2.5, f"{hub}: {status} after that long"
        assert failed <= 2, f"{failed} of {HUBS} failed"
        assert all(cluster.get(hub)[0] == 200 for hub in hubs)


async def test_what_needs_a_worker_waits_for_the_next_one():
    """Requests by HTTP and new sockets; and sockets that only the worker had are closed, for nobody listens any more."""
    with AppCluster(options=OPTIONS) as cluster:
        for turn in range(3):
            async with connect(cluster.ws_url("/kept/one")) as kept:
                await kept.send({"turn": turn})
                assert await kept.recv() == {"turn": turn}
                assert cluster.kill_workers() == 1
                assert cluster.get(f"/Counter/{turn}")[0] == 200
                assert (await kept.closed())[0] == 1012
            assert cluster.kill_workers() == 1


@pytest.mark.parametrize("language", LANGUAGES)
async def test_a_worker_that_ends_in_the_middle_of_a_handler(store, language):
    """Sockets stay, what was acknowledged is there, and the handler is done by the next worker."""
    with AppCluster(store=store, options=OPTIONS, language=language) as cluster:
        async with connect(cluster.ws_url("/Attacked/a?id=one")) as one, connect(cluster.ws_url("/Attacked/b?id=two")) as two:
            async def ask(client, text):
                await client.send(text)
                return await asyncio.wait_for(client.protocol.recv(), 3 * WAIT)

            assert await ask(one, "keep first") == "first"
            await one.send("slow 500")
            assert await ask(two, "echo on") == "on"  # so the other one has begun
            worker = cluster.worker()
            assert cluster.kill_workers() == 1
            assert await asyncio.wait_for(one.protocol.recv(), 3 * WAIT) == "slow"
            assert await ask(one, "kept") == "first"
            assert cluster.worker() != worker and one.is_open and two.is_open
