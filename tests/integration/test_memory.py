"""Asleep means gone: hubs that sleep cost the statekeeper nothing, however many sockets they have at the edge."""

import asyncio
import contextlib

from cluster import SLOWNESS, Cluster, until
from ws import echo

HUBS = 2000


async def test_sleeping_hubs_cost_the_statekeeper_no_memory():
    with Cluster(options={"hibernate-after": "300ms"}) as cluster:
        rss = []
        # The first two rounds bring buffers and the allocator to their working size.
        for turn in range(3):
            async with contextlib.AsyncExitStack() as stack:
                clients = []
                for start in range(0, HUBS, 100):
                    contexts = [echo(cluster.ws_url(f"/websocket/memory-{turn}-{start + i}")) for i in range(100)]
                    clients += await asyncio.gather(*(stack.enter_async_context(context) for context in contexts))
                await cluster.asleep(timeout=30)
                if turn == 2 and SLOWNESS == 1:
                    # The earlier rounds' hubs are gone, as many others are asleep: there is no difference to pay for,
                    # once the allocator has handed back what they took while awake. A hub that stayed would cost
                    # over 3,000 bytes; tests/bench/run prints the exact figure.
                    await until(lambda: cluster.statekeeper.rss() < max(rss) + HUBS * 1000, "memory is what it was")
                rss.append(cluster.statekeeper.rss())
                print(f"{HUBS} sockets, {HUBS} sleeping hubs: statekeeper {rss[-1] / 1e6:.1f} MB")
                reply = await clients[-1].ask("x")
                assert (reply["connections"], reply["connectionId"]) == (1, clients[-1].id)
            await cluster.asleep(timeout=30)
