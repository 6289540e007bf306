"""Events that meet a hub at the moment it falls asleep or wakes. All are ordinary events in its queue."""

import asyncio
import random

from cluster import Cluster
from ws import actor, count_becomes, echo


async def test_two_simultaneous_opens_of_a_sleeping_hub(store):
    with Cluster(store=store, options={"hibernate-after": "20ms"}) as cluster:
        url = cluster.ws_url("/websocket/twins")

        async with echo(url) as resident:
            for _ in range(25):
                await cluster.asleep()
                clients = [echo(url), echo(url)]
                a, b = await asyncio.gather(*(client.__aenter__() for client in clients))
                try:
                    assert a.id != b.id
                    for client in (a, b, resident):
                        assert (await client.ask("x"))["connections"] == 3
                finally:
                    await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))
                await count_becomes(resident, 1)


async def test_two_simultaneous_opens_of_a_new_hub(store):
    with Cluster(store=store, gateways=2) as cluster:
        for number in range(25):
            path = f"/websocket/new-{number}"
            clients = [echo(cluster.ws_url(path, gateway)) for gateway in (0, 1)]
            a, b = await asyncio.gather(*(client.__aenter__() for client in clients))
            try:
                assert (await a.ask("x"))["connections"] == 2
                assert (await b.ask("x"))["connections"] == 2
            finally:
                await asyncio.gather(*(client.__aexit__(None, None, None) for client in clients))


async def test_frames_arriving_while_the_hub_falls_asleep(store):
    """Frames spaced around the hibernation time, so that many of them meet a hub that is just leaving memory."""
    with Cluster(store=store, options={"hibernate-after": "5ms"}) as cluster:
        rng = random.Random(2)

        async def talk(hub):
            async with echo(cluster.ws_url(f"/websocket/edge-{hub}")) as client:
                for number in range(200):
                    reply = await client.ask({"message": [number]})
                    assert (reply["message"], reply["connections"], reply["connectionId"]) == ([number], 1, client.id)
                    await asyncio.sleep(rng.uniform(0.002, 0.010))

        await asyncio.gather(*(talk(hub) for hub in range(8)))
        assert cluster.hub_wakes() > 100  # else it was no race


async def test_state_written_while_the_hub_falls_asleep(store):
    """Each registration raises the version by one: a write lost between two lives of the hub would show."""
    with Cluster(store=store, options={"hibernate-after": "5ms", "rate-limit": "0"}) as cluster:
        rng = random.Random(3)

        async def write(hub):
            async with actor(cluster.ws_url(f"/ws/edge-{hub}"), "test/a") as client:
                version = (await client.register())["version"]
                for _ in range(100):
                    await asyncio.sleep(rng.uniform(0.002, 0.010))
                    version += 1
                    assert (await client.register())["version"] == version

        await asyncio.gather(*(write(hub) for hub in range(8)))
        assert cluster.hub_wakes() > 100


async def test_socket_closing_while_its_hub_sleeps(store):
    with Cluster(store=store, options={"hibernate-after": "50ms"}) as cluster:
        url = cluster.ws_url("/websocket/leaving")
        async with echo(url) as stays:
            for _ in range(10):
                async with echo(url) as leaves:
                    assert (await leaves.ask("x"))["connections"] == 2
                    await cluster.asleep()
                assert leaves.protocol.close_code == 1000
                await count_becomes(stays, 1)


async def test_session_ends_with_its_socket_while_the_hub_sleeps(store):
    with Cluster(store=store, options={"hibernate-after": "50ms", "rate-limit": "0"}) as cluster:
        url = cluster.ws_url("/ws/leaving")
        async with actor(url, "test/stays") as stays:
            async with actor(url, "test/leaves") as leaves:
                await leaves.must("hub:subscribe", {"topic": "t"})
                await cluster.asleep()
            await stays.addresses_become("test/stays")
            assert (await stays.must("hub:publish", {"topic": "t", "type": "x", "data": 1}))["subscriberCount"] == 0


async def test_burst_during_a_wake_keeps_its_order(store):
    with Cluster(store=store, options={"hibernate-after": "50ms"}) as cluster:
        url = cluster.ws_url("/websocket/burst")
        async with echo(url) as a, echo(url) as b:
            await cluster.asleep()
            for number in range(500):
                await a.send({"message": ["a", number]})
                await b.send({"message": ["b", number]})
            for name, client in (("a", a), ("b", b)):
                got = [(await client.recv())["message"] for _ in range(500)]
                assert got == [[name, number] for number in range(500)]


async def test_burst_of_writes_during_a_wake_keeps_its_order(store):
    with Cluster(store=store, options={"hibernate-after": "50ms", "rate-limit": "0"}) as cluster:
        async with actor(cluster.ws_url("/ws/burst"), "test/a") as a:
            version = (await a.register())["version"]
            await cluster.asleep()
            sent = [a.envelope("hub:register", {"actorAddress": "test/a", "capabilities": ["test"]})
                    for _ in range(200)]
            for frame in sent:
                await a.send(frame)
            replies = [await a.recv() for _ in sent]
            assert [reply["correlationId"] for reply in replies] == [frame["id"] for frame in sent]
            assert [reply["payload"]["version"] for reply in replies] == [version + 1 + n for n in range(200)]
