"""The store is away, wrong, or somebody else's."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import time

import pytest
import websockets
from cluster import SLOWNESS, Cluster, until
from process import http_get
from ws import actor, all_open, echo

OPTIONS = {"hibernate-after": "60s", "commit-timeout": "1s", "rate-limit": "0"}


async def _register_until_it_works(client):
    deadline = time.monotonic() + 15 * SLOWNESS
    while (reply := await client.call("hub:register", {"actorAddress": client.address, "capabilities": ["test"]}))[
            "type"] != "hub:registered":
        assert time.monotonic() < deadline, reply
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "timeout")
        await asyncio.sleep(0.1)
    return reply


@pytest.mark.parametrize("how", ["paused", "killed", "stopped"])
async def test_redis_away_during_traffic(how):
    with Cluster(store="redis", options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/away")) as e, actor(cluster.ws_url("/ws/away"), "test/a") as a, \
                actor(cluster.ws_url("/ws/away"), "test/b") as b:
            before = await a.register("test/kept")
            if how == "paused":
                cluster.redis.pause()
            else:
                cluster.redis.end(signal.SIGKILL if how == "killed" else signal.SIGTERM)
            try:
                asked = time.monotonic()
                refused = await a.call("hub:register", {"actorAddress": "test/refused", "capabilities": ["test"]})
                waited = time.monotonic() - asked
                assert (refused["type"], refused["payload"]["code"]) == ("hub:error", "timeout")
                assert refused["payload"]["resolution"]
                assert 0.9 < waited < 1 + 2 * SLOWNESS
                # What needs no commit goes on: pure messages, and heartbeats at the edge.
                for number in range(20):
                    assert (await e.ask({"message": [number]}))["message"] == [number]
                    assert (await e.ask({"type": "heartbeat"}))["type"] == "heartbeat_ack"
                    assert (await b.call("hub:heartbeat", {"timestamp": 1}))["type"] == "hub:heartbeat_ack"
            finally:
                if how == "paused":
                    cluster.redis.resume()
                else:
                    cluster.redis.start()
            await _register_until_it_works(b)
            assert a.is_open and b.is_open and e.is_open
            addresses = await a.addresses()
            assert {"test/a", "test/b", "test/kept"} <= set(addresses)
            # What was refused may or may not have been applied; it works when it is asked for again.
            assert (await a.register("test/refused"))["actorAddress"] == "test/refused"
            assert (await a.register("test/kept"))["version"] == before["version"] + 1


async def test_redis_paused_for_less_than_the_timeout_is_only_a_delay():
    with Cluster(store="redis", options={**OPTIONS, "commit-timeout": "20s"}) as cluster:
        async with actor(cluster.ws_url("/ws/delay"), "test/a") as a:
            cluster.redis.pause()
            asking = asyncio.create_task(a.register("test/late"))
            done, _ = await asyncio.wait([asking], timeout=0.5)
            cluster.redis.resume()
            assert not done
            assert (await asking)["actorAddress"] == "test/late"


async def test_state_is_there_after_redis_and_statekeeper_were_killed():
    with Cluster(store="redis", options={**OPTIONS, "commit-timeout": "20s"}) as cluster:
        async with actor(cluster.ws_url("/ws/aof"), "test/a") as a:
            for number in range(20):
                await a.register(f"test/a/{number}")
            cluster.kill_statekeeper()
            cluster.redis.end(signal.SIGKILL)
            cluster.redis.start()
            cluster.start_statekeeper()
            assert await a.addresses() == sorted(["test/a", *(f"test/a/{number}" for number in range(20))])


def _fails_with(cluster, command, *words):
    status, said = cluster.run_to_end(command)
    assert status not in (0, -6, -11), said
    for word in words:
        assert word in said, said


def test_store_unreachable_at_start_is_a_clear_error(tmp_path):
    with Cluster(start=False, options={"commit-timeout": "1s"}) as cluster:
        _fails_with(cluster, cluster.statekeeper_command(store="redis://127.0.0.1:1"), "127.0.0.1:1")
        nowhere = tmp_path / "nobody.sock"
        _fails_with(cluster, cluster.statekeeper_command(store=f"redis+unix://{nowhere}"), str(nowhere))
        _fails_with(cluster, cluster.statekeeper_command(store="carrier-pigeon://loft"), "--store must be")
        _fails_with(cluster, cluster.statekeeper_command(store=f"file:{tmp_path}/no/such/directory/x.db"),
                    f"{tmp_path}/no/such/directory")


def test_second_statekeeper_on_a_file_store_is_refused():
    with Cluster() as cluster:
        _fails_with(cluster, cluster.another_statekeeper_command(), cluster.data)
        assert cluster.statekeeper.is_ready()


def test_other_number_of_shards_is_refused(store):
    with Cluster(store=store) as cluster:
        assert cluster.kill_statekeeper(signal.SIGTERM) == 0
        _fails_with(cluster, cluster.statekeeper_command(shards="7"), "1024", "7")
        cluster.start_statekeeper()


def test_port_in_use_is_a_clear_error():
    with Cluster() as cluster:
        _fails_with(cluster, cluster.statekeeper_command(data=os.path.join(cluster.directory, "other"),
                                                         admin="127.0.0.1:0"), "127.0.0.1:")


async def test_connections_open_again_after_redis_came_back():
    with Cluster(store="redis", options={**OPTIONS, "commit-timeout": "10s"}) as cluster:
        cluster.redis.end(signal.SIGKILL)
        cluster.redis.start()
        async with echo(cluster.ws_url("/websocket/again")) as client:
            assert (await client.ask("x"))["connections"] == 1


async def test_emptied_store_closes_its_sockets_and_goes_on():
    """What the hubs knew is gone; the gateway, which remembers epochs, must take the new beginning for newer."""
    with Cluster(options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/emptied")) as before:
            cluster.kill_statekeeper()
            for name in os.listdir(cluster.data):
                if name.startswith("dormouse.db"):
                    os.unlink(os.path.join(cluster.data, name))
            cluster.start_statekeeper()
            await before.send("does anybody know me?")
            assert await before.closed() == (1011, "Unknown connection")
            async with echo(cluster.ws_url("/websocket/emptied")) as after:
                assert (await after.ask("x"))["connections"] == 1


async def test_shards_whose_taker_does_not_live_are_taken_back_and_sockets_go_on():
    with Cluster(store="redis", options=OPTIONS) as cluster:
        async with actor(cluster.ws_url("/ws/taken"), "test/a") as a:
            for shard in range(1024):
                record = f"{{dormouse:{shard}}}:shard"
                assert cluster.redis.command_answer(f"HSET {record} owner 00000000000000ff") == ":0"
                assert cluster.redis.command_answer(f"HINCRBY {record} epoch 1").startswith(":")
            await a.send(a.envelope("hub:register", {"actorAddress": "test/b", "capabilities": ["test"]}))
            assert (await a.recv())["type"] == "hub:registered"
            assert await a.addresses() == ["test/a", "test/b"]


async def test_a_redis_that_refuses_every_change_is_told_and_does_not_fill_the_log():
    """It answers, with errors: who routes traffic, and who looks at a graph, are to know."""
    with Cluster(store="redis", options=OPTIONS) as cluster:
        keeper = cluster.statekeepers[0]
        async with actor(cluster.ws_url("/ws/full"), "test/a") as a:
            cluster.redis.command_answer("CONFIG SET maxmemory 1")
            began = time.monotonic()
            for number in range(100):
                refused = await a.call("hub:register", {"actorAddress": f"test/{number}", "capabilities": ["test"]})
                assert (refused["type"], refused["payload"]["code"]) == ("hub:error", "timeout")
            seconds = time.monotonic() - began
            status, said = http_get(keeper.admin, "/readyz")[:2]
            assert status == 503 and said.startswith("not ready: the store refuses changes: OOM "), said
            assert 'dormouse_store_healthy{lane="' in (metrics := http_get(keeper.admin, "/metrics")[1])
            assert re.search(r"^dormouse_store_healthy\{.*\} 0$", metrics, re.M)
            noted = keeper.log_text().count("a commit failed")
            assert 1 <= noted <= seconds + 2
            cluster.redis.command_answer("CONFIG SET maxmemory 0")
            await until(keeper.is_ready, "it takes changes again, and says so")
            assert (await a.register("test/again"))["actorAddress"] == "test/again"


@pytest.mark.parametrize("code, begin, end", [
    ("OOM", "CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0"),
    ("NOPERM", "ACL SETUSER default -@scripting", "ACL SETUSER default +@scripting"),
    ("NOREPLICAS", "CONFIG SET min-replicas-to-write 1", "CONFIG SET min-replicas-to-write 0"),
    ("READONLY", "REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE")])
async def test_refusals_are_told_by_every_member_and_lane_though_nobody_asks_for_anything(code, begin, end):
    with Cluster(store="redis", statekeepers=2, options=OPTIONS) as cluster:
        def lanes(keeper):
            return set(re.findall(r"^dormouse_store_healthy\{.*\} (\d)$", http_get(keeper.admin, "/metrics")[1], re.M))

        def says(keeper):
            return http_get(keeper.admin, "/readyz")[:2]
        assert cluster.redis.command_answer(begin) == "+OK"
        for keeper in cluster.statekeepers:
            await until(lambda keeper=keeper: lanes(keeper) == {"0"}, "all lanes know", timeout=10)
            status, said = says(keeper)
            assert status == 503 and said.startswith(f"not ready: the store refuses changes: {code} "), said
            assert "does not answer" not in said
        assert cluster.redis.command_answer(end) == "+OK"
        for keeper in cluster.statekeepers:
            await until(keeper.is_ready, "ready again", timeout=15)
            await until(lambda keeper=keeper: lanes(keeper) == {"1"}, "all lanes know", timeout=10)


async def test_damage_that_reaches_most_hubs_is_told_as_that_until_a_backup_is_there():
    """One page that cannot be read, and in time its neighbours, too: at first that is a part."""
    with Cluster(options={**OPTIONS, "hibernate-after": "300ms"}) as cluster:
        path = os.path.join(cluster.data, "dormouse.db")
        async with all_open(actor(cluster.ws_url(f"/ws/damaged-{number}"), "test/a") for number in range(30)) as actors:
            for each in actors:
                await each.register("test/registered")
            await cluster.asleep()
            assert cluster.kill_statekeeper(signal.SIGTERM) == 0  # so that all of it is in one file
        shutil.copy(path, path + ".backup")
        page = 4096
        with open(path, "r+b") as file:
            content = file.read()
            for at in range(page, len(content), page):
                if b"signal/damaged-" in content[at:at + page] and b"test/registered" in content[at:at + page]:
                    file.seek(at)
                    file.write(os.urandom(page))

        async def ask(number):
            with contextlib.suppress(websockets.ConnectionClosed, AssertionError):  # or its connect is refused
                async with actor(cluster.ws_url(f"/ws/damaged-{number}"), "test/b"):
                    pass
        cluster.start_statekeeper()

        async def is_told():
            await asyncio.gather(*(ask(number) for number in range(30)))
            said = http_get(cluster.statekeeper.admin, "/readyz")[1]
            return "most hubs are refused" in said and "restore a backup" in said
        deadline = time.monotonic() + 15 * SLOWNESS
        while not await is_told():
            assert time.monotonic() < deadline, http_get(cluster.statekeeper.admin, "/readyz")
        assert not cluster.statekeeper.is_ready()
        shutil.copyfile(path + ".backup", path)
        await until(cluster.statekeeper.is_ready, "there is a file without damage", timeout=15)


async def test_a_store_that_says_nothing_at_all_is_told():
    """Its connections stay, and nothing comes: what a broken network looks like."""
    with Cluster(store="redis", statekeepers=2, options={**OPTIONS, "commit-timeout": "30s"}) as cluster:
        keeper = cluster.statekeepers[1]
        cluster.redis.pause()
        await until(lambda: not keeper.is_ready(), "not ready long before the first call has failed", timeout=5)
        assert http_get(keeper.admin, "/readyz")[1] == "not ready: the store does not answer\n"
        cluster.redis.resume()
        await until(keeper.is_ready, "ready again")
