"""What one client's requests cost the others: attackers, and somebody innocent in the same hub and in another one.

The bounds are far above what is measured on a quiet machine, and far below what such requests cost before anything
bounded them (seconds to minutes)."""

import asyncio
import contextlib
import time

import pytest
from cluster import KEPT_FREED, SLOWNESS, Cluster
from ws import actor

MEGABYTE = 1 << 20
# One lane: everybody shares a thread.
OPTIONS = {"lanes": "1", "rate-limit": "0", "hibernate-after": "5m"}


@pytest.fixture(scope="module")
def cluster():
    with Cluster(options=OPTIONS) as it:
        yield it


class Innocent:
    """Asks its hub again and again for next to nothing, and notes how long each answer takes."""

    def __init__(self, client):
        self.client, self.waits = client, []

    async def run(self):
        while True:
            begun = time.monotonic()
            await self.client.call("hub:list_actors", {"limit": 0}, timeout=100 * SLOWNESS)
            self.waits.append(time.monotonic() - begun)
            await asyncio.sleep(0.02)

    def worst(self):
        return max(self.waits)


@contextlib.asynccontextmanager
async def innocents(cluster, *paths):
    """One at each path, at work while the body runs."""
    async with contextlib.AsyncExitStack() as stack:
        them = [Innocent(await stack.enter_async_context(actor(cluster.ws_url(path), f"innocent/{number}")))
                for number, path in enumerate(paths)]
        tasks = [asyncio.create_task(it.run()) for it in them]
        try:
            yield them
            await asyncio.sleep(0.1)
        finally:
            for task in tasks:
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError):
                    await task


def sized(head, item, tail, size=MEGABYTE - 4096):
    """JSON text: `item(n)` for n = 0, 1, ... with commas between, as many as make up the size."""
    pieces, length, number = [], 0, 0
    while length < size:
        pieces.append(item(number))
        length += len(pieces[-1]) + 1
        number += 1
    return head + ",".join(pieces) + tail


async def ask(client, kind, payload, number):
    """A request whose payload is text, as no dictionary could say it, and the reply to it."""
    await client.send(f'{{"id":"ask{number}","type":"{kind}","from":"{client.address}","payload":{payload}}}')
    while (reply := await client.recv()).get("correlationId") != f"ask{number}":
        pass
    return reply


DISCOVERIES = {
    "capabilities": sized('{"capabilities":[', lambda n: '"1999"', "]}"),
    "metadata": sized('{"metadata":{', lambda n: '"0":"0"', "}}"),
}


@pytest.mark.parametrize("what", DISCOVERIES)
async def test_a_discovery_that_asks_for_everything(cluster, what):
    path = f"/ws/discover-{what}"
    async with actor(cluster.ws_url(path), "attacker/0") as attacker, \
            innocents(cluster, path, f"/ws/far-from-{what}") as them:
        await attacker.register("attacker/many", capabilities=[str(n) for n in range(2000)])
        await attacker.register("attacker/described", metadata={str(n): str(n) for n in range(900)})
        for number in range(5):
            reply = await ask(attacker, "hub:discover", DISCOVERIES[what], number)
            assert reply["type"] == "hub:error", reply
            assert "more than 100" in reply["payload"]["message"] \
                or reply["payload"]["details"]["code"] == "CPU_LIMIT", reply
    for it in them:
        assert it.worst() < 2 * SLOWNESS, it.waits


async def test_regular_expressions_of_ten_sessions(cluster):
    path = "/ws/regex"
    pattern = "(a|b|ab|ba|aab)*a(a|b|.){60}c"  # about a millisecond an address
    address = "".join("ab"[n * n // 7 % 2] for n in range(200))
    async with contextlib.AsyncExitStack() as stack:
        attackers = [await stack.enter_async_context(actor(cluster.ws_url(path), f"attacker/{n}")) for n in range(10)]
        for n in range(300):
            await attackers[0].register(f"{n}{address}")
        codes = []

        async def attack(client):
            for number in range(30):
                await client.send(client.envelope("hub:discover", {"pattern": pattern}, id=f"attack{number}"))
                await asyncio.sleep(0.1)
            for _ in range(30):
                reply = await client.recv(60 * SLOWNESS)
                details = reply["payload"].get("details", {})
                codes.append(details.get("code", reply["payload"].get("code", reply["type"])))
                if "retryAfter" in details:
                    assert 0 < details["retryAfter"] <= 60 and details["code"] == "CPU_LIMIT", reply

        async with innocents(cluster, path, "/ws/far-from-regex") as (near, far):
            await asyncio.gather(*map(attack, attackers))
    # Refused to those who have used up their share, and else cut short while others wait.
    assert codes.count("CPU_LIMIT") > len(codes) / 2 / SLOWNESS, codes
    assert far.worst() < 1 * SLOWNESS, far.waits
    assert near.worst() < 5 * SLOWNESS, near.waits


async def test_a_large_broadcast_to_sessions_without_a_socket():
    """What it would take to keep a copy for each is more than one message may write: most of them only count it."""
    absent = 200
    with Cluster(options={**OPTIONS, "resume-bytes": "4MiB"}) as cluster:
        path = "/ws/absent"
        for n in range(absent):
            async with actor(cluster.ws_url(path), f"absent/{n}") as client:
                client.protocol.transport.abort()
        async with actor(cluster.ws_url(path), "attacker/0") as attacker, \
                actor(cluster.ws_url(path), "reader/0") as reader, \
                innocents(cluster, path, "/ws/far-from-absent") as them:
            before = cluster.statekeeper.rss()
            for _ in range(3):
                reply = await attacker.call("hub:broadcast", {"type": "bulk", "data": "d" * (MEGABYTE - 4096)})
                assert reply["type"] in ("hub:delivery_ack", "hub:error"), reply
                if reply["type"] == "hub:error":
                    assert reply["payload"]["details"]["code"] == "CPU_LIMIT", reply
                else:
                    assert reply["payload"]["failedCount"] > absent / 2, reply
                    assert len((await reader.next())["payload"]) == MEGABYTE - 4096
            grown = cluster.statekeeper.rss() - before
        assert grown < 256 * MEGABYTE + KEPT_FREED
        for it in them:
            assert it.worst() < 4 * SLOWNESS, it.waits
