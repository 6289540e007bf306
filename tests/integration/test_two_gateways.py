"""One hub, sockets on two gateways."""

import signal
import time

from cluster import Cluster
from ws import actor, all_open, count_becomes, echo

QUICK = {"hibernate-after": "200ms", "rate-limit": "0"}


async def test_broadcast_reaches_sockets_of_both(store):
    with Cluster(store=store, gateways=2, options=QUICK) as cluster:
        async with actor(cluster.ws_url("/ws/both", 0), "test/a") as a, \
                actor(cluster.ws_url("/ws/both", 0), "test/b") as b, \
                actor(cluster.ws_url("/ws/both", 1), "test/c") as c, \
                actor(cluster.ws_url("/ws/both", 1), "test/d") as d:
            await cluster.asleep()
            for sender in (a, c):
                others = [client for client in (a, b, c, d) if client is not sender]
                for number in range(20):
                    ack = await sender.must("hub:broadcast", {"type": "all", "data": {"number": number},
                                                              "excludeSelf": True})
                    assert (ack["deliveredCount"], ack["failedCount"]) == (3, 0)
                for client in others:
                    got = [await client.next() for _ in range(20)]
                    assert [frame["payload"] for frame in got] == [{"number": number} for number in range(20)]
                    assert all((frame["type"], frame["from"], frame["to"]) == ("all", sender.address, client.address)
                               for frame in got)


async def test_count_spans_gateways(store):
    with Cluster(store=store, gateways=2, options=QUICK) as cluster:
        async with echo(cluster.ws_url("/websocket/both", 0)) as a:
            async with echo(cluster.ws_url("/websocket/both", 1)) as b:
                assert (await a.ask("x"))["connections"] == 2
                await cluster.asleep()
                assert (await b.ask("x"))["connections"] == 2
            await count_becomes(a, 1)


async def test_sockets_of_a_killed_gateway_leave_the_hub_after_the_grace_period(store):
    with Cluster(store=store, gateways=2, options={**QUICK, "gateway-grace": "1s"}) as cluster:
        async with echo(cluster.ws_url("/websocket/grace", 0)) as a, \
                echo(cluster.ws_url("/websocket/grace", 1)), echo(cluster.ws_url("/websocket/grace", 1)):
            assert (await a.ask("x"))["connections"] == 3
            cluster.kill_gateway(1)
            killed = time.monotonic()
            assert (await a.ask("x"))["connections"] == 3 or time.monotonic() - killed > 1
            await count_becomes(a, 1, within=5)


async def test_sleeping_hub_forgets_the_sockets_of_a_killed_gateway(store):
    with Cluster(store=store, gateways=2, options={**QUICK, "gateway-grace": "1s", "resume-window": "500ms"}) as cluster:
        async with actor(cluster.ws_url("/ws/grace", 0), "test/a") as a, \
                actor(cluster.ws_url("/ws/grace", 1), "test/b"):
            await cluster.asleep()
            cluster.kill_gateway(1)
            await a.addresses_become("test/a")


async def test_gateway_and_statekeeper_killed_together(store):
    """The new statekeeper has never seen the dead gateway: it waits out the grace period, then its sockets are gone."""
    with Cluster(store=store, gateways=2, options={**QUICK, "gateway-grace": "1s"}) as cluster:
        async with echo(cluster.ws_url("/websocket/both-dead", 0)) as a, \
                echo(cluster.ws_url("/websocket/both-dead", 1)):
            assert (await a.ask("x"))["connections"] == 2
            cluster.kill_gateway(1)
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await count_becomes(a, 1, within=6)


async def test_stopping_gateway_says_going_away_and_settles_its_closes(store):
    options = {**QUICK, "gateway-grace": "60s", "drain-window": "200ms"}
    with Cluster(store=store, gateways=2, options=options) as cluster:
        async with echo(cluster.ws_url("/websocket/stop", 0)) as a:
            async with all_open(echo(cluster.ws_url("/websocket/stop", 1)) for _ in range(2)) as (b, c):
                cluster.gateways[1].send_signal(signal.SIGTERM)
                assert (await b.closed())[0] == 1001
                assert (await c.closed())[0] == 1001
                assert cluster.kill_gateway(1, signal.SIGTERM) == 0
            # Not by the grace period, which is a minute here.
            await count_becomes(a, 1, within=5)


async def test_reconnect_after_a_gateway_came_back():
    with Cluster(gateways=2, options={**QUICK, "gateway-grace": "1s"}) as cluster:
        cluster.kill_gateway(1)
        cluster.start_gateway(1)
        async with echo(cluster.ws_url("/websocket/back", 1)) as client:
            assert (await client.ask("x"))["message"] == "x"
