"""A gateway that stands still (SIGSTOP) while hubs send to its sockets: it costs others nothing, and comes back."""

import asyncio
import time

from cluster import SLOWNESS, Cluster, until
from ws import actor, all_open, echo

GRACE = 3
# One lane: all hubs share what a hung gateway could fill.
OPTIONS = {"gateway-grace": f"{GRACE}s", "lanes": "1", "replay-buffer": "1MiB", "rate-limit": "0", "resume-window": "0"}
PIECE = "x" * 200_000


async def _longest_wait(client, stop):
    longest = 0
    while not stop.is_set():
        asked = time.monotonic()
        await client.ask("x", timeout=60)
        longest = max(longest, time.monotonic() - asked)
        await asyncio.sleep(0.1)
    return longest


async def test_hung_gateway_is_given_up_and_others_do_not_wait():
    with Cluster(gateways=2, options=OPTIONS) as cluster:
        async with actor(cluster.ws_url("/ws/busy", 0), "test/sender") as sender, \
                all_open(actor(cluster.ws_url("/ws/busy", 1), f"test/far-{i}") for i in range(3)) as far, \
                all_open(echo(cluster.ws_url(f"/websocket/{i}", 0)) for i in range(20)) as others:
            stop = asyncio.Event()
            waits = [asyncio.ensure_future(_longest_wait(client, stop)) for client in others]
            cluster.pause(cluster.gateways[1])
            longest = 0
            begin = time.monotonic()
            # Several times what fits into the replay buffer.
            for number in range(25):
                asked = time.monotonic()
                await sender.must("hub:broadcast", {"type": "piece", "data": {"number": number, "filling": PIECE},
                                                    "excludeSelf": True})
                longest = max(longest, time.monotonic() - asked)
            took = time.monotonic() - begin
            stop.set()
            waited = await asyncio.gather(*waits)
            print(f"busy hub: {took:.1f} s, longest wait {longest:.2f} s; other hubs: longest {max(waited):.3f} s")
            assert max(waited) < 1 * SLOWNESS, waited
            assert GRACE / 4 < longest < (2 * GRACE + 1) * SLOWNESS
            assert cluster.metrics(cluster.statekeeper)["dormouse_gateways_given_up_total"] == 1

            cluster.resume(cluster.gateways[1])
            for client in far:
                assert (await client.closed())[0] == 1011
            async with actor(cluster.ws_url("/ws/busy", 1), "test/again") as again:
                await sender.must("hub:broadcast", {"type": "last", "data": {}, "excludeSelf": True})
                assert (await again.next())["type"] == "last"


async def test_gateway_that_stands_still_while_nothing_is_sent_to_it_keeps_its_sockets():
    with Cluster(gateways=2, options={**OPTIONS, "gateway-grace": "500ms"}) as cluster:
        async with echo(cluster.ws_url("/websocket/idle", 1)) as idle, \
                echo(cluster.ws_url("/websocket/other", 0)) as other:
            assert (await idle.ask("x"))["connections"] == 1
            await until(lambda: cluster.metrics(cluster.statekeeper)["dormouse_unacknowledged_bytes"] == 0,
                        "the gateways have acknowledged everything")
            cluster.pause(cluster.gateways[1])
            end = time.monotonic() + 2
            while time.monotonic() < end:
                await other.ask("x")
            cluster.resume(cluster.gateways[1])
            assert (await idle.ask("x"))["connections"] == 1
            assert cluster.metrics(cluster.statekeeper)["dormouse_gateways_given_up_total"] == 0


async def test_paused_statekeeper_gives_no_gateway_up():
    """What it has not read when it goes on is no silence of the gateway's."""
    with Cluster(gateways=1, options={**OPTIONS, "gateway-grace": "500ms"}) as cluster:
        async with all_open(echo(cluster.ws_url("/websocket/one", 0)) for _ in range(5)) as clients:
            for _ in range(3):
                asked = [asyncio.ensure_future(client.ask("x", timeout=20)) for client in clients]
                cluster.pause(cluster.statekeeper)
                await asyncio.sleep(1.2)
                cluster.resume(cluster.statekeeper)
                for answer in asked:
                    assert (await answer)["connections"] == 5
            assert cluster.metrics(cluster.statekeeper)["dormouse_gateways_given_up_total"] == 0
