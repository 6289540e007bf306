"""A hub that nobody talks to leaves memory; its sockets stay open; the next frame finds everything as it was."""

import asyncio
import time

import pytest
from cluster import SLOWNESS, Cluster, until
from ws import HUB, actor, all_open, connect, count_becomes, echo

QUICK = {"hibernate-after": "200ms", "rate-limit": "0"}

SEED_002 = ('{"type": "hub:heartbeat", "from": "browser/client-ui", "to": "cloudflare/signal-hub",'
            ' "payload": {"timestamp": 1708272030000}}')


async def test_echo_hub_wakes_with_its_connections(store):
    with Cluster(store=store, options=QUICK) as cluster:
        url = cluster.ws_url("/websocket/dozy")
        async with echo(url) as a, echo(url) as b:
            for _ in range(3):
                await cluster.asleep()
                assert a.is_open and b.is_open
                for client in (a, b):
                    reply = await client.ask({"type": "message", "message": "good morning"})
                    assert reply["message"] == "good morning"
                    assert (reply["connectionId"], reply["connections"]) == (client.id, 2)


async def test_signal_hub_wakes_with_sessions_registry_and_subscriptions(store):
    with Cluster(store=store, options=QUICK) as cluster:
        url = cluster.ws_url("/ws/dozy")
        async with actor(url, "test/a") as a, actor(url, "test/b") as b:
            first = await a.register(metadata={"floor": 3})
            await b.must("hub:subscribe", {"topic": "news"})
            await cluster.asleep()

            assert await a.addresses() == ["test/a", "test/b"]
            await cluster.asleep()
            published = await a.must("hub:publish", {"topic": "news", "type": "item", "data": {"n": 1}})
            assert published["subscriberCount"] == 1
            item = await b.next()
            assert (item["type"], item["payload"], item["metadata"]["topic"]) == ("item", {"n": 1}, "news")
            await cluster.asleep()
            await a.must("hub:send", {"to": "test/b", "type": "note", "data": "x"})
            note = await b.next()
            assert (note["type"], note["payload"], note["from"]) == ("note", "x", "test/a")
            await cluster.asleep()
            # The session is the same one, so nobody is replaced, and versions go on.
            again = await a.register(metadata={"floor": 4})
            assert again["version"] == first["version"] + 1
            assert a.is_open and b.is_open
            await cluster.asleep()
            renewed = await a.must("hub:renew", {"renewalToken": again["renewalToken"], "actorAddress": "test/a"})
            assert renewed["actorAddress"] == "test/a"


async def test_fleet_that_only_heartbeats_leaves_its_hub_asleep(store):
    """For longer than the registrations' time to live: the edge hears them, that is enough."""
    with Cluster(store=store, options={**QUICK, "idle-timeout": "2s"}) as cluster:
        url = cluster.ws_url("/ws/fleet")
        async with all_open([actor(url, f"test/{number:02}", register=False) for number in range(20)]) as fleet:
            for device in fleet:
                assert (await device.register(ttl=5000))["renewalNeeded"] is False
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            end = time.monotonic() + 7
            while time.monotonic() < end:
                for device in fleet:
                    assert (await device.call("hub:heartbeat"))["type"] == "hub:heartbeat_ack"
                await asyncio.sleep(0.2)
            assert cluster.hub_wakes() == wakes and cluster.hubs_awake() == 0
            assert await fleet[0].addresses() == [f"test/{number:02}" for number in range(20)]


@pytest.mark.parametrize("edge", ["true", "false"])
async def test_seed_002_literally(edge):
    with Cluster(options={**QUICK, "edge-heartbeats": edge}) as cluster:
        async with actor(cluster.ws_url("/ws"), "browser/client-ui") as client:
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            ack = await client.ask(SEED_002)
            assert ack["type"] == "hub:heartbeat_ack"
            assert (ack["from"], ack["to"]) == ("cloudflare/signal-hub", "browser/client-ui")
            assert ack["payload"]["timestamp"] == 1708272030000
            assert abs(ack["payload"]["serverTime"] - time.time() * 1000) < 5000
            assert ack["correlationId"] is None
            # Strict out: all fields, whoever answers.
            assert ack.keys() == {"id", "from", "to", "type", "payload", "pattern", "correlationId", "timestamp",
                                  "metadata", "ttl", "signature"}
            if edge == "true":
                assert cluster.hub_wakes() == wakes and cluster.hubs_awake() == 0
            else:
                assert cluster.hub_wakes() == wakes + 1
            # Registry and session are what they were.
            assert await client.addresses() == ["browser/client-ui"]


async def test_seed_002_without_connecting_and_in_canonical_form():
    with Cluster(options={**QUICK, "edge-heartbeats": "false"}) as cluster:
        async with connect(cluster.ws_url("/ws")) as client:
            ack = await client.ask({"type": "hub:heartbeat", "from": "@(browser/client-ui)", "id": "h1",
                                    "to": f"@({HUB})", "payload": None})
            assert (ack["type"], ack["correlationId"]) == ("hub:heartbeat_ack", "h1")
            assert (ack["from"], ack["to"]) == (f"@({HUB})", "@(browser/client-ui)")


async def test_heartbeats_at_the_edge_leave_the_hub_asleep():
    with Cluster(options=QUICK) as cluster:
        async with echo(cluster.ws_url("/websocket/still")) as e, actor(cluster.ws_url("/ws/still"), "test/a") as s:
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            for number in range(20):
                ack = await e.ask({"type": "heartbeat"})
                assert (ack["type"], ack["connectionId"]) == ("heartbeat_ack", e.id)
                reply = await s.call("hub:heartbeat", {"timestamp": number})
                assert (reply["type"], reply["payload"]["timestamp"]) == ("hub:heartbeat_ack", number)
            assert cluster.hub_wakes() == wakes and cluster.hubs_awake() == 0


async def test_a_heartbeat_is_one_however_it_is_written():
    with Cluster(options=QUICK) as cluster:
        async with echo(cluster.ws_url("/websocket/still")) as e, actor(cluster.ws_url("/ws/still"), "test/a") as s:
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            for frame in ('{"type":"heartbeat"}', '{"type":"heart\\u0062eat"}', '{"\\u0074ype":"heartbeat","x":1}'):
                for sent in (frame, frame.encode()):
                    assert (await e.ask(sent))["type"] == "heartbeat_ack", sent
            for name in ("hub:heartbeat", "hub\\u003aheartbeat", "hub:heartbe\\u0061t"):
                frame = f'{{"id":"h","type":"{name}","from":"test/a","to":"{HUB}","payload":{{"timestamp":7}}}}'
                for sent in (frame, frame.encode()):
                    ack = await s.ask(sent)
                    assert (ack["type"], ack["correlationId"], ack["payload"]["timestamp"]) == ("hub:heartbeat_ack", "h", 7)
            for sent in ('{"type":"ping"}', b'{"type":"ping"}', '{ "type" : "p\\u0069ng", "at": 1 }'):
                assert await s.ask(sent) == {"type": "pong"}
            assert cluster.hub_wakes() == wakes and cluster.hubs_awake() == 0
            # One with an envelope is a message: to an actor, or wrong.
            assert (await s.ask({"type": "ping", "from": "test/a", "to": "test/a"})).get("type") != "pong"


@pytest.mark.parametrize("path, heartbeat, reason", [
    ("/websocket/idle", {"type": "heartbeat"}, "Connection timeout"),
    ("/ws/idle", {"type": "hub:heartbeat", "from": "test/a"}, "Heartbeat timeout"),
], ids=["echo", "signal"])
async def test_idle_timeout_closes_only_silent_sockets(path, heartbeat, reason):
    timeout, check = 1.0, 0.3
    options = {"hibernate-after": "200ms", "idle-timeout": "1s", "cleanup-interval": "300ms"}
    with Cluster(options=options) as cluster:
        async with connect(cluster.ws_url(path)) as silent, connect(cluster.ws_url(path)) as talker:
            opened = time.monotonic()

            async def talk():
                while True:
                    await talker.send(heartbeat)
                    await asyncio.sleep(0.25)

            talking = asyncio.create_task(talk())
            assert await silent.closed() == (1000, reason)
            assert timeout <= time.monotonic() - opened + 0.01 < timeout + check + 1 * SLOWNESS
            # The talker outlives two more of its own timeouts.
            talker_until = time.monotonic() + 2 * (timeout + check)
            while time.monotonic() < talker_until:
                assert (await talker.recv())["type"] in ("welcome", "heartbeat_ack", "hub:heartbeat_ack")
            talking.cancel()
            assert talker.is_open


async def test_idle_close_leaves_the_count_right(store):
    options = {"hibernate-after": "200ms", "idle-timeout": "1s", "cleanup-interval": "200ms"}
    with Cluster(store=store, options=options) as cluster:
        url = cluster.ws_url("/websocket/idle-count")
        async with echo(url) as silent, echo(url) as talker:
            closed = asyncio.create_task(silent.closed())
            while not closed.done():
                assert (await talker.ask({"type": "heartbeat"}))["type"] == "heartbeat_ack"
                await asyncio.wait([closed], timeout=0.2)
            assert await closed == (1000, "Connection timeout")
            await count_becomes(talker, 1)


async def test_registration_of_a_sleeping_hub_expires_by_itself(store):
    with Cluster(store=store, options=QUICK) as cluster:
        async with actor(cluster.ws_url("/ws/expiry"), "test/a") as a:
            await a.register("test/brief", ttlSeconds=1)
            await a.register("test/long", ttlSeconds=60)
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            # Nobody talks to the hub: its alarm wakes it.
            await until(lambda: cluster.hub_wakes() > wakes, "the alarm wakes the hub")
            await cluster.asleep()
            assert await a.addresses() == ["test/a", "test/long"]
            assert a.is_open


async def test_alarm_of_a_sleeping_hub_survives_a_crash(store):
    with Cluster(store=store, options=QUICK) as cluster:
        async with actor(cluster.ws_url("/ws/expiry"), "test/a") as a:
            await a.register("test/brief", ttlSeconds=2)
            await cluster.asleep()
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await until(lambda: cluster.hub_wakes() > 0, "the alarm wakes the hub in the new process")
            await cluster.asleep()
            assert await a.addresses() == ["test/a"]
