"""The store goes back in time: restored from a backup, restarted from a snapshot, emptied, removed under a process.

Clients that it still knows go on. Those that it knows no more are closed with 1011 within seconds, though all that they
do is listen, and come back. No hub is dead, and nobody is bothered when nothing was lost.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import time

import ports
import pytest
from cluster import SLOWNESS, Cluster, until, wait_until
from stores import Redis
from ws import actor, all_open, echo

OPTIONS = {"hibernate-after": "300ms", "member-ttl": "1s", "commit-timeout": "2s", "rate-limit": "0"}
HUBS = 60
# Seconds within which whoever is not known any more is told so: what the product promises, with room for a busy machine.
SOON = 15


class _Files:
    """What a store has on its disk; to be saved and put back while nothing runs on it."""

    def __init__(self, cluster):
        self._directory = os.path.join(cluster.directory, "redis") if cluster.redis else cluster.data
        self._backup = os.path.join(cluster.directory, "backup")

    def _names(self, directory):
        return [name for name in os.listdir(directory)
                if name.startswith(("dormouse.db", "appendonlydir", "dump.rdb"))]

    def save(self):
        shutil.rmtree(self._backup, ignore_errors=True)
        os.makedirs(self._backup)
        for name in self._names(self._directory):
            source = os.path.join(self._directory, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(self._backup, name))

    def remove(self):
        for name in self._names(self._directory):
            path = os.path.join(self._directory, name)
            (shutil.rmtree if os.path.isdir(path) else os.unlink)(path)

    def put_back(self):
        self.remove()
        for name in self._names(self._backup):
            source = os.path.join(self._backup, name)
            (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, os.path.join(self._directory, name))


def _stop(cluster):
    for number in range(len(cluster.statekeepers)):
        cluster.kill_statekeeper(statekeeper=number)
    if cluster.redis:
        cluster.redis.end(signal.SIGKILL)


def _start(cluster):
    if cluster.redis:
        cluster.redis.start()
    for number in range(len(cluster.statekeepers)):
        cluster.start_statekeeper(wait=False, statekeeper=number)
    cluster.wait_ready()


def _snapshots(cluster_directory):
    """A Redis that loses with kill -9 what no snapshot has."""
    redis = Redis(cluster_directory)
    redis.command[redis.command.index("--appendonly") + 1] = "no"
    return redis


@contextlib.contextmanager
def _on_snapshots(directory, **more):
    with Cluster(store=_snapshots(str(directory)), directory=str(directory), options=OPTIONS, **more) as cluster:
        yield cluster


async def _is_closed_soon(client):
    assert await client.closed(timeout=SOON * SLOWNESS) == (1011, "Unknown connection")


async def _every_hub_serves(cluster, name):
    async def one(number):
        async with echo(cluster.ws_url(f"/websocket/{name}-{number}", number % len(cluster.gateways))) as client:
            assert (await client.ask({"message": [number]}))["message"] == [number]
    await asyncio.gather(*(one(number) for number in range(HUBS)))


def _losses(cluster):
    return sum(cluster.metrics(process)["dormouse_store_losses_total"] for process in cluster.statekeepers
               if process.running())


@pytest.mark.parametrize("restarts", [0, 2])
async def test_restored_backup(store, restarts):
    """`restarts`: of the statekeeper between the backup and the disaster. Each makes epochs that the backup does not
    know, and that gateways do."""
    with Cluster(store=store, gateways=2, options=OPTIONS) as cluster:
        files = _Files(cluster)
        async with actor(cluster.ws_url("/ws/old"), "test/old") as old, \
                echo(cluster.ws_url("/websocket/old-quiet", 1)) as old_quiet:
            await cluster.asleep()
            _stop(cluster)
            files.save()
            _start(cluster)
            await old.register("test/old/lost")
            async with all_open(echo(cluster.ws_url(f"/websocket/late-{number}", number % 2))
                                for number in range(HUBS)) as late, \
                    actor(cluster.ws_url("/ws/old", 1), "test/late") as late_in_old:
                for _ in range(restarts):
                    cluster.kill_statekeeper()
                    cluster.start_statekeeper()
                await old.addresses()
                await cluster.asleep()
                _stop(cluster)
                files.put_back()
                _start(cluster)
                await asyncio.gather(*(_is_closed_soon(client) for client in (*late, late_in_old)))
            await _every_hub_serves(cluster, "late")
            assert await old.addresses() == ["test/old"]
            assert (await old.register("test/old/again"))["version"] == 1
            assert (await old_quiet.ask("x"))["connections"] == 1


async def test_redis_restarts_from_an_old_snapshot(tmp_path):
    """The statekeepers live through it, and have changed places since the snapshot."""
    with _on_snapshots(tmp_path, statekeepers=2, gateways=2) as cluster:
        async with actor(cluster.ws_url("/ws/old"), "test/old") as old:
            await cluster.asleep()
            assert cluster.redis.command_answer("SAVE") == "+OK"
            for number in range(2):  # a rolling restart
                assert cluster.kill_statekeeper(signal.SIGTERM, number) == 0
                cluster.start_statekeeper(statekeeper=number)
            async with all_open(echo(cluster.ws_url(f"/websocket/late-{number}", number % 2))
                                for number in range(HUBS)) as late:
                await cluster.asleep()
                cluster.redis.end(signal.SIGKILL)
                cluster.redis.start()
                await asyncio.gather(*(_is_closed_soon(client) for client in late))
            await _every_hub_serves(cluster, "late")
            assert await old.addresses() == ["test/old"]
            assert _losses(cluster) > 0


@pytest.mark.parametrize("how", ["FLUSHALL", "restarted"])
async def test_redis_is_emptied(tmp_path, how):
    with _on_snapshots(tmp_path, statekeepers=2) as cluster:
        async with all_open(echo(cluster.ws_url(f"/websocket/quiet-{number}")) for number in range(HUBS)) as quiet, \
                actor(cluster.ws_url("/ws/busy"), "test/busy") as busy:
            await cluster.asleep()
            if how == "FLUSHALL":
                assert cluster.redis.command_answer("FLUSHALL") == "+OK"
            else:
                cluster.redis.end(signal.SIGKILL)
                cluster.redis.start()
            await asyncio.gather(*(_is_closed_soon(client) for client in (*quiet, busy)))
        await _every_hub_serves(cluster, "quiet")


async def test_redis_is_emptied_while_nobody_runs():
    with Cluster(store="redis", options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/quiet")) as quiet:
            await cluster.asleep()
            _stop(cluster)
            _Files(cluster).remove()
            _start(cluster)
            await _is_closed_soon(quiet)


@pytest.mark.parametrize("how", ["removed", "replaced", "overwritten", "log removed", "log emptied",
                                 "log overwritten"])
async def test_file_is_taken_from_under_the_statekeeper(how):
    """What is acknowledged is in the file that lies there, or somebody hears that it is not."""
    with Cluster(options=OPTIONS) as cluster:
        path = os.path.join(cluster.data, "dormouse.db")
        async with actor(cluster.ws_url("/ws/old"), "test/old") as old, \
                echo(cluster.ws_url("/websocket/old-quiet")) as old_quiet:
            await cluster.asleep()
            assert cluster.kill_statekeeper(signal.SIGTERM) == 0  # so that all of it is in one file
            shutil.copy(path, path + ".backup")
            cluster.start_statekeeper()
            async with echo(cluster.ws_url("/websocket/late")) as late:
                await cluster.asleep()
                if how == "removed":
                    os.unlink(path)
                elif how == "replaced":
                    os.rename(path + ".backup", path)
                elif how == "overwritten":
                    shutil.copyfile(path + ".backup", path)
                elif how == "log emptied":
                    os.truncate(path + "-wal", 0)
                elif how == "log overwritten":
                    with open(path + "-wal", "r+b") as log:
                        log.write(os.urandom(os.path.getsize(path + "-wal")))
                else:
                    os.unlink(path + "-wal")
                    # Nothing was lost.
                    await old.register("test/old/2")
                    assert (await late.ask("x"))["connections"] == 1
                    assert (await old_quiet.ask("x"))["connections"] == 1
                if how != "log removed":
                    await _is_closed_soon(late)
            if how == "removed":
                await _is_closed_soon(old)
                await _is_closed_soon(old_quiet)
            elif how != "log removed":
                assert await old.addresses() == ["test/old"]
                assert (await old_quiet.ask("x"))["connections"] == 1
        await _every_hub_serves(cluster, "late")
        async with actor(cluster.ws_url("/ws/new"), "test/new") as new:
            await new.register("test/new/2")
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await new.addresses() == ["test/new", "test/new/2"]


async def test_changes_are_refused_while_there_is_no_file():
    """Somebody puts a backup back, and takes his time."""
    with Cluster(options=OPTIONS) as cluster:
        async with actor(cluster.ws_url("/ws/moving"), "test/a") as a:
            aside = os.path.join(cluster.directory, "aside")
            os.rename(cluster.data, aside)
            refused = await a.call("hub:register", {"actorAddress": "test/refused", "capabilities": ["test"]})
            assert (refused["type"], refused["payload"]["code"]) == ("hub:error", "timeout"), refused
            await until(lambda: not cluster.statekeeper.is_ready(), "it is not ready")
            os.rename(aside, cluster.data)
            await until(cluster.statekeeper.is_ready, "the file is there again", timeout=SOON)
            await a.register("test/again")


async def test_nothing_lost_bothers_nobody(store):
    """Restarts of everything, with a store that keeps what it acknowledged: no socket closes, no roll is called beside
    those of the new owner's, and nothing is taken anew."""
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with all_open(echo(cluster.ws_url(f"/websocket/kept-{number}")) for number in range(10)) as clients:
            await cluster.asleep()
            if cluster.redis:
                cluster.redis.end(signal.SIGKILL)
                cluster.redis.start()
                await until(cluster.statekeeper.is_ready, "the store is back")
                await asyncio.sleep(2.5)  # of the renewals that would notice, some
                assert (await clients[0].ask("x"))["connections"] == 1
                assert _losses(cluster) == 0
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await asyncio.sleep(1.5)
            assert cluster.hub_wakes() == 0  # nobody was asked for its sockets
            for client in clients:
                assert (await client.ask("x"))["connections"] == 1
            assert _losses(cluster) == 0


EVICTS = ["--maxmemory", "100mb", "--maxmemory-policy"]


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-random"])
def test_redis_that_evicts_is_refused_at_start(tmp_path, policy):
    redis = Redis(str(tmp_path), more=[*EVICTS, policy])
    with Cluster(store=redis, directory=str(tmp_path), start=False) as cluster:
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status == 1, said
        assert policy in said and "maxmemory-policy noeviction" in said


async def test_redis_that_begins_to_evict_is_noticed(tmp_path):
    # A policy that spares what has no time to live, as all of ours, is none of our business.
    redis = Redis(str(tmp_path), more=[*EVICTS, "volatile-lru"])
    with Cluster(store=redis, directory=str(tmp_path), options=OPTIONS) as cluster:
        assert cluster.statekeeper.is_ready()
        assert redis.command_answer("CONFIG SET maxmemory-policy allkeys-lfu") == "+OK"
        await until(lambda: not cluster.statekeeper.is_ready(), "it is not ready", timeout=SOON)
        with open(os.path.join(cluster.directory, "statekeeper.log"), encoding="utf-8") as log:
            assert "allkeys-lfu" in log.read()
        # It serves on.
        async with echo(cluster.ws_url("/websocket/evicting")) as client:
            assert (await client.ask("x"))["connections"] == 1
        assert redis.command_answer("CONFIG SET maxmemory-policy noeviction") == "+OK"
        await until(cluster.statekeeper.is_ready, "it is ready again", timeout=SOON)


class _Replicated:
    """A server and its only replica; nothing counts that the replica does not have."""

    options = {}

    def __init__(self, directory):
        self.server, self.replica = (
            Redis(directory, f"redis-{number}", port=ports.choose(None, f"{directory} redis {number}"),
                  more=["--repl-diskless-sync-delay", "0"]) for number in range(2))
        self.replica.command += ["--replicaof", self.server.address.replace(":", " ")]
        self.url = self.server.url + "?wait-replicas=1"

    def start(self):
        self.server.start()
        self.replica.start()
        wait_until(self.is_followed, "the replica follows", timeout=20)

    def is_followed(self):
        return self.server.command_answer("WAIT 1 100") == ":1"

    def stop_finally(self):
        return "; ".join(filter(None, (process.stop_finally() for process in (self.replica, self.server))))


async def test_sends_go_on_while_the_only_replica_is_away(tmp_path):
    store = _Replicated(str(tmp_path))
    # The default, so that nothing passes for going on that only waits for it.
    options = {**OPTIONS, "commit-timeout": "5s", "hibernate-after": "30s"}
    with Cluster(store=store, directory=str(tmp_path), options=options) as cluster:
        url = cluster.ws_url("/ws/replicated")
        async with actor(url, "test/a") as a, actor(url, "test/b") as b, echo(cluster.ws_url("/websocket/quiet")):
            store.replica.end(signal.SIGKILL)
            refused = await b.call("hub:register", {"actorAddress": "test/refused", "capabilities": ["test"]})
            assert (refused["type"], refused["payload"]["code"]) == ("hub:error", "timeout"), refused
            begin = time.monotonic()
            for number in range(100):
                reply = await a.call("hub:send", {"to": "test/b", "type": "note", "data": number})
                assert reply["type"] == "hub:delivery_ack", reply
                assert (await b.next())["payload"] == number
            # One wait for a change that fails, of the runtime's own, is no more than that.
            assert time.monotonic() - begin < 12 * SLOWNESS
            assert await a.addresses() == ["test/a", "test/b"]
            store.replica.start()
            await until(store.is_followed, "the replica follows", timeout=SOON)
            await until(cluster.statekeeper.is_ready, "the store is well again", timeout=SOON)
            await b.register("test/again")
