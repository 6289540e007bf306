"""dormousectl backup, restore, export and import on clusters that work meanwhile."""

import asyncio
import base64
import contextlib
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import tempfile
import time

import backups
import pytest
import websockets
from backends import ApiCluster
from cluster import SLOWNESS, Cluster, until
from hub_copies import exported, run
from process import die_with_parent
from stores import ClusterRedis, SentinelRedis
from ws import WAIT, actor, connect, echo

OPTIONS = {"hibernate-after": "300ms", "member-ttl": "1s", "rate-limit": "0"}
CRASH = {"options": OPTIONS, "statekeeper_program": "dormouse-crash-statekeeper"}
# An alarm so far away that it does not ring; the counter of a hub is what is above it.
FAR = 10_000_000_000
LARGE = 5_000  # rows of a hub that takes several pages


async def start(cluster, *words):
    """dormousectl while the test goes on."""
    return await asyncio.create_subprocess_exec(
        *cluster.ctl_command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        preexec_fn=die_with_parent)


async def ended(process):
    _, said = await asyncio.wait_for(process.communicate(), 100 * SLOWNESS)
    assert process.returncode == 0, said
    return said.decode()


def lines(rows, alarm_ms=None, **more):
    """A hub as import reads it; keys and values are text or bytes."""
    def one(name, text):
        return {name: text} if isinstance(text, str) else {name + "_base64": base64.b64encode(text).decode()}
    head = {"dormouse": "hub", "version": 1, "rows": len(rows), **more}
    if alarm_ms:
        head["alarm_ms"] = alarm_ms
    return "".join(json.dumps(line) + "\n" for line in [head, *({**one("key", key), **one("value", value)}
                                                               for key, value in rows.items())]).encode()


def made_hubs(count, size=200):
    """NAME -> rows of hubs that a backup file may hold."""
    chance = random.Random(count)
    hubs = {}
    for number in range(count):
        rows = {b"u/%d" % key: chance.randbytes(chance.randrange(size)) for key in range(chance.randrange(1, 5))}
        rows[backups.META] = backups.meta(state_bytes=sum(len(key) - 2 + len(value) for key, value in rows.items()))
        hubs[f"crash/made-{number}"] = rows
    return hubs


def without_meta(hubs):
    """What hubs have but for their metadata, which says by which owner they were served."""
    return {hub: {key: value for key, value in rows.items() if key != backups.META} for hub, rows in hubs.items()}


class _Counter:
    """A client that counts in a hub of class crash, as fast as it is acknowledged. Each event writes two rows and the
    alarm."""

    def __init__(self, hub):
        self.hub = hub
        self.sent = self.acknowledged = 0
        self.stopped = False

    async def count(self, url):
        async with connect(url) as client:
            while not self.stopped:
                self.sent += 1
                text = f"alarm {FAR + self.sent}"
                await client.send(text)
                assert await asyncio.wait_for(client.protocol.recv(), WAIT) == text
                self.acknowledged = self.sent
                await asyncio.sleep(0.002)


@contextlib.asynccontextmanager
async def counting(cluster, count):
    """Counters of so many hubs, all of which have begun."""
    counters = [_Counter(f"crash/count-{number}") for number in range(count)]
    urls = [cluster.ws_url("/" + counter.hub, number % len(cluster.gateways))
            for number, counter in enumerate(counters)]
    tasks = [asyncio.ensure_future(counter.count(url)) for counter, url in zip(counters, urls)]
    try:
        await until(lambda: all(counter.acknowledged > 3 for counter in counters), "all count")
        yield counters
    finally:
        for counter in counters:  # a cancellation may get lost in wait_for
            counter.stopped = True
        await asyncio.gather(*tasks)


def check_counter(rows, alarm_ms, least, most):
    """It shows one commit of those that were the last at some moment of the backup."""
    assert rows[b"last"] == rows[b"alarm"], "half an event"
    number = int(rows[b"last"].split()[1]) - FAR
    assert least <= number <= most, (least, number, most)
    assert 0 < alarm_ms - FAR - number <= time.time() * 1000 + 1000
    return number


@pytest.mark.parametrize("shards", [None, "7"])
async def test_backup_under_traffic(store, shards, tmp_path):
    """Small hubs and a large one, all of which are written to all the time. Restored elsewhere, on the other store,
    each is as it was at one moment. `shards`: of the other cluster, if not the same."""
    file = str(tmp_path / "backup")
    with Cluster(store=store, statekeepers=1 if store == "file" else 2, gateways=2, **CRASH) as cluster:
        filling = {f"fill-{number:05}": "x" * 100 for number in range(LARGE)}
        run(cluster, "import", "crash/count-0", "-", stdin=lines(filling))
        async with counting(cluster, 12) as counters, actor(cluster.ws_url("/ws/signal"), "test/a") as one:
            await one.register("test/a/2")
            least = {counter.hub: counter.acknowledged for counter in counters}
            said = await start(cluster, "--json", "backup", file)
            await ended(said)
            most = {counter.hub: counter.sent for counter in counters}
            assert all(most[hub] > least[hub] for hub in most)
    assert "checksums" in subprocess.run([*cluster.ctl_command()[:1], "verify", file], stdout=subprocess.PIPE,
                                         check=True).stdout.decode()
    copies = backups.read(file)
    assert set(most) | {"signal/signal"} == set(copies)
    options = {**OPTIONS, **({"shards": shards} if shards else {})}
    with Cluster(store="redis" if store == "file" else "file", **{**CRASH, "options": options}) as other:
        assert json.loads(run(other, "--json", "restore", file)) == {"restored": 13, "restored_before": 0, "kept": 0}
        assert not os.path.exists(file + ".restore")
        for hub in most:
            rows, alarm_ms = exported(other, hub)
            assert rows == {key[2:]: value for key, value in copies[hub].items() if key.startswith(b"u/")}
            check_counter(rows, alarm_ms, least[hub], most[hub])
        assert len(exported(other, "crash/count-0")[0]) == LARGE + 2
        again = str(tmp_path / "again")
        run(other, "backup", again)
        assert without_meta(backups.read(again)) == without_meta(copies)
        # Their sockets are nowhere: the hubs find that out, and serve whoever comes.
        async with actor(other.ws_url("/ws/signal"), "test/b") as late, \
                connect(other.ws_url("/crash/count-1")) as client:
            assert await late.addresses() == ["test/a", "test/a/2", "test/b"]
            await client.send("more")
            assert await asyncio.wait_for(client.protocol.recv(), WAIT) == "more"


async def _kill_at(process, path, size):
    """Ends dormousectl when the file has so many bytes."""
    await until(lambda: process.returncode is not None or os.path.exists(path) and os.path.getsize(path) >= size,
                f"{path} has {size} bytes", timeout=60)
    assert process.returncode is None, "it was done before it could be interrupted"
    process.kill()
    await process.wait()


@pytest.mark.parametrize("kind", ["file", "redis"])
async def test_interrupted_in_the_middle(kind, tmp_path):
    """dormousectl is killed during the backup and during the restore, and so are statekeepers. The
    same commands go on."""
    made, file = str(tmp_path / "made"), str(tmp_path / "backup")
    hubs = made_hubs(2000)
    hubs["crash/large"] = {b"u/%05d" % number: b"x" * 300 for number in range(LARGE)}
    backups.write(made, hubs)
    with Cluster(store=kind, statekeepers=1 if kind == "file" else 2, gateways=0, **CRASH) as cluster:
        def restored():
            return cluster.metrics(cluster.statekeepers[0])["dormouse_commits_total"]

        began = restored()
        process = await start(cluster, "restore", made)
        await until(lambda: process.returncode is not None or restored() > began + 100, "the restore is under way", 60)
        assert process.returncode is None, await process.communicate()
        process.kill()
        await process.wait()
        process = await start(cluster, "--json", "restore", made)
        await until(lambda: process.returncode is not None or restored() > began + 300, "it has gone on", 60)
        assert process.returncode is None, await process.communicate()
        cluster.kill_statekeeper()
        cluster.start_statekeeper()
        said, remarks = await asyncio.wait_for(process.communicate(), 100 * SLOWNESS)
        assert process.returncode == 0 and b"goes on" in remarks, remarks
        count = json.loads(said)
        assert count["restored"] + count["restored_before"] == len(hubs)
        assert count["restored_before"] > 50

        process = await start(cluster, "backup", file)
        await _kill_at(process, file + ".part", os.path.getsize(made) / 4)
        assert not os.path.exists(file)
        assert "only the beginning of a backup" in run(cluster, "verify", file + ".part", status=1)
        kept = os.path.getsize(file + ".part")
        process = await start(cluster, "backup", file)
        await until(lambda: os.path.getsize(file + ".part") > kept * 1.2, "it goes on", timeout=60)
        cluster.kill_statekeeper()
        cluster.start_statekeeper()
        assert "goes on after" in await ended(process)
        assert os.listdir(tmp_path) and not os.path.exists(file + ".part")
        assert without_meta(backups.read(file)) == without_meta(hubs)


async def test_shards_move_meanwhile(tmp_path):
    """Backup and restore while owners change and hubs count."""
    made, file = str(tmp_path / "made"), str(tmp_path / "backup")
    hubs = made_hubs(2000)
    hubs["crash/large"] = {b"u/%05d" % number: b"x" * 300 for number in range(LARGE)}
    backups.write(made, hubs)
    with Cluster(store="redis", statekeepers=3, gateways=1, **CRASH) as cluster:
        async with counting(cluster, 5) as counters:
            async def moved(*words):
                process = await start(cluster, *words)
                turn = 0
                while process.returncode is None:
                    asked = cluster.links[turn % 3]
                    mover = await start(cluster, "evict", "--mode", "migrate", "--statekeeper", asked)
                    await mover.communicate()
                    turn += 1
                await ended(process)
                assert turn > 1

            await moved("restore", "--keep", made)
            least = {counter.hub: counter.acknowledged for counter in counters}
            await moved("backup", file)
            most = {counter.hub: counter.sent for counter in counters}
    copies = backups.read(file)
    assert without_meta({hub: copies[hub] for hub in hubs}) == without_meta(hubs)
    for hub, number in least.items():
        rows = {key[2:]: value for key, value in copies[hub].items()}
        check_counter(rows, backups.alarm_of(copies[hub]), number, most[hub])


@pytest.mark.parametrize("kind", [SentinelRedis, ClusterRedis])
def test_on_redis_of_many_servers(kind, tmp_path):
    made, file = str(tmp_path / "made"), str(tmp_path / "backup")
    hubs = made_hubs(300)
    backups.write(made, hubs)
    directory = tempfile.mkdtemp(prefix="dormouse-test-")  # short enough for sockets, and the cluster's to remove
    with Cluster(store=kind(directory), directory=directory, gateways=0, **CRASH) as cluster:
        run(cluster, "restore", made)
        run(cluster, "backup", file)
        assert without_meta(backups.read(file)) == without_meta(hubs)


async def test_replaced_hub_forgets_what_it_knew(store, tmp_path):
    """In the middle of its life. Sockets that the old state knows stay, others are closed."""
    file = str(tmp_path / "backup")
    with Cluster(store=store, gateways=2, **CRASH) as cluster:
        async with connect(cluster.ws_url("/crash/a")) as old:
            async def ask(text):
                await old.send(text)
                assert await asyncio.wait_for(old.protocol.recv(), WAIT) == text

            await ask("5")
            run(cluster, "backup", file)
            async with connect(cluster.ws_url("/crash/a", 1)) as late:
                await ask(f"alarm {FAR}")
                before = run(cluster, "restore", file, status=1)
                assert "This cluster has hubs, such as crash/a. Nothing was changed. --replace" in before
                assert "1 exist and were left alone" in run(cluster, "restore", "--keep", file)
                assert exported(cluster, "crash/a")[0][b"last"] == f"alarm {FAR}".encode()
                assert run(cluster, "restore", "--replace", "--hub", "crash/a", file) == "Restored 1 hub.\n"
                rows, alarm_ms = exported(cluster, "crash/a")
                assert rows == {b"last": b"5"} and alarm_ms == 0
                assert await late.closed() == (1011, "Unknown connection")
            await ask("6")
            assert exported(cluster, "crash/a")[0] == {b"last": b"6"}
            said = run(cluster, "restore", "--replace", "--hub", "crash/a,crash/none", file, status=4)
            assert "1 of these hubs are not in" in said


async def test_large_hub_serves_nobody_while_it_is_restored(tmp_path):
    made = str(tmp_path / "made")
    backups.write(made, {"crash/large": {b"u/last": b"made", **{b"u/%06d" % n: b"x" * 300 for n in range(4 * LARGE)}}})
    with Cluster(store="redis", **CRASH) as cluster:
        async with connect(cluster.ws_url("/crash/large")) as client:
            async def ask(text):
                await client.send(text)
                return await asyncio.wait_for(client.protocol.recv(), WAIT)

            assert await ask("1") == "1"
            process = await start(cluster, "restore", "--replace", made)
            half = 0
            while process.returncode is None:
                try:
                    answer = await ask("2")
                except websockets.ConnectionClosed:  # the new state does not know it
                    break
                half += answer == "failed: store"
                assert answer in ("2", "failed: store")
            await ended(process)
            assert half > 0
        rows, _ = exported(cluster, "crash/large")
        assert len(rows) == 4 * LARGE + 1 and rows[b"last"] == b"made"
        async with connect(cluster.ws_url("/crash/large")) as client:
            assert await ask("3") == "3"


async def test_half_restored_hub(tmp_path):
    made, file = str(tmp_path / "made"), str(tmp_path / "backup")
    backups.write(made, {"crash/large": {b"u/%06d" % number: b"x" * 1000 for number in range(8 * LARGE)}})
    with Cluster(store="redis", **CRASH) as cluster:
        process = await start(cluster, "restore", made)
        await until(lambda: cluster.metrics(cluster.statekeeper)["dormouse_commits_total"] > 10, "it has begun",
                    timeout=60)
        assert process.returncode is None, await process.communicate()
        process.kill()
        await process.wait()
        assert "half restored" in run(cluster, "hub", "crash/large")
        assert "is half restored" in run(cluster, "export", "crash/large", status=1)
        run(cluster, "backup", file)
        assert not backups.read(file)
        run(cluster, "restore", made)
        assert len(exported(cluster, "crash/large")[0]) == 8 * LARGE


async def test_export_and_import(store, tmp_path):
    chance = random.Random(1)
    rows = {**{f"row-{number:05}": f"value {number}" for number in range(10_000)},
            **{bytes([number, 255 - number, 0, 1]): chance.randbytes(number) for number in range(256)},
            "empty": "", "umlaut": "\u00e4\n\"\u0000"}
    expected = {(key.encode() if isinstance(key, str) else key): value.encode() if isinstance(value, str) else value
                for key, value in rows.items()}
    file = tmp_path / "hub.jsonl"
    file.write_bytes(lines(rows))
    with Cluster(store=store, **CRASH) as cluster:
        assert run(cluster, "import", "crash/a", str(file)) == f"crash/a has {len(rows):,} rows.\n"
        assert exported(cluster, "crash/a") == (expected, 0)
        assert "Hub crash/a exists already. --replace" in run(cluster, "import", "crash/a", str(file), status=1)
        # What was written goes back, into another hub, too.
        copy = run(cluster, "export", "crash/a").encode()
        run(cluster, "import", "crash/b", "-", stdin=copy)
        assert exported(cluster, "crash/b") == (expected, 0)
        # A later state, and an alarm, which rings in the hub that is awake.
        async with connect(cluster.ws_url("/crash/a")) as client:
            await client.send("awake")
            assert await asyncio.wait_for(client.protocol.recv(), WAIT) == "awake"
            due = int(time.time() * 1000) + FAR
            run(cluster, "import", "--replace", "crash/a", "-", stdin=lines({"k": "v"}, due))
            assert await client.closed() == (1011, "Unknown connection")
        assert exported(cluster, "crash/a") == ({b"k": b"v"}, due)
        run(cluster, "import", "--replace", "crash/a", "-", stdin=lines({"k": "v"}, int(time.time() * 1000)))
        await until(lambda: exported(cluster, "crash/a")[0].get(b"rings") == b"x", "its alarm has rung")
        size = json.loads(run(cluster, "--json", "hub", "crash/b"))["state_bytes"]
        assert size == sum(len(key) + len(value) for key, value in expected.items())


async def test_timers_go_along(store, tmp_path):
    def timers_of(cluster, hub):
        return {each["name"]: each["due_ms"] for each in json.loads(run(cluster, "--json", "hub", hub))["timers"]}

    file = str(tmp_path / "backup")
    with Cluster(store=store, **CRASH) as cluster:
        async with connect(cluster.ws_url("/crash/timed")) as client:
            for text in (f"timer early {8_000 * SLOWNESS}", f"timer late {FAR}"):
                await client.send(text)
                assert await asyncio.wait_for(client.protocol.recv(), WAIT) == text
        set_to = timers_of(cluster, "crash/timed")
        run(cluster, "backup", file)
        text = run(cluster, "export", "crash/timed")
    head = json.loads(text.splitlines()[0])
    assert head["version"] == 2 and {each["name"]: each["due_ms"] for each in head["timers"]} == set_to
    with Cluster(store=store, **CRASH) as other:
        run(other, "restore", file)
        assert "2 timers" in run(other, "import", "crash/imported", "-", stdin=text.encode())
        for hub in ("crash/timed", "crash/imported"):
            await until(lambda hub=hub: exported(other, hub)[0].get(b"rung early") == b"1", "its timer has rung")
            assert timers_of(other, hub) == {"late": set_to["late"]}


def test_what_cannot_be_is_said(tmp_path):
    made = str(tmp_path / "made")
    with Cluster(gateways=0, **CRASH) as cluster:
        assert "There is no file" in run(cluster, "restore", str(tmp_path / "none"), status=1)
        (tmp_path / "notes").write_text("some notes, none of them a backup")
        assert "is not a backup of Dormouse's" in run(cluster, "restore", str(tmp_path / "notes"), status=1)
        backups.write(made, made_hubs(10))
        with open(made, "rb") as file:
            whole = file.read()
        (tmp_path / "half").write_bytes(whole[:-20])
        assert "only the beginning of a backup" in run(cluster, "restore", str(tmp_path / "half"), status=1)
        (tmp_path / "torn").write_bytes(whole[:300] + bytes([whole[300] ^ 1]) + whole[301:])
        assert "is damaged" in run(cluster, "restore", str(tmp_path / "torn"), status=1)
        backups.write(made, {}, version=3)
        assert "version 3 of the format" in run(cluster, "restore", made, status=1)
        backups.write(made, {}, stored_format=2)
        assert "state in format 2" in run(cluster, "restore", made, status=1)
        backups.write(made, {"nosuch/a": {b"u/a": b"1"}})
        assert "There is no hub class nosuch here" in run(cluster, "restore", made, status=1)
        backups.write(made, {"crash/a": {b"q/a": b"1"}})
        assert "a row that this version does not know" in run(cluster, "restore", made, status=1)
        assert json.loads(run(cluster, "--json", "hubs"))["hubs"] == []
        (tmp_path / "backup").write_text("")
        assert "is there already" in run(cluster, "backup", str(tmp_path / "backup"), status=1)
        assert "cannot be written" in run(cluster, "backup", str(tmp_path / "none" / "backup"), status=1)
        assert "crash/none is not known" in run(cluster, "export", "crash/none", status=4)
        assert "line 1: it is no JSON object" in run(cluster, "import", "crash/a", "-", status=1, stdin=b"hello")
        assert "excludes" in run(cluster, "restore", "--keep", "--replace", made, status=2)


def test_newer_format_is_refused(store):
    with Cluster(store=store, gateways=0) as cluster:
        assert cluster.kill_statekeeper(signal.SIGTERM) == 0
        if cluster.redis:
            assert cluster.redis.command_answer("HSET dormouse:cluster format 2") == ":0"
        else:
            with contextlib.closing(sqlite3.connect(os.path.join(cluster.data, "dormouse.db"))) as database:
                assert database.execute("UPDATE meta SET value = '2' WHERE name = 'format'").rowcount == 1
                database.commit()
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status == 1
        assert re.search(r"holds state in format 2, and version \S+ reads format 1 only: start the version", said), said


def test_store_of_the_version_before_gets_a_format(store):
    """Which wrote none down. The cluster's id stays."""
    with Cluster(store=store, gateways=0) as cluster:
        assert cluster.kill_statekeeper(signal.SIGTERM) == 0
        if cluster.redis:
            assert cluster.redis.command_answer("HDEL dormouse:cluster format cluster") == ":2"
        else:
            with contextlib.closing(sqlite3.connect(os.path.join(cluster.data, "dormouse.db"))) as database:
                database.execute("DELETE FROM meta WHERE name IN ('format', 'cluster')")
                database.commit()
        ids = []
        for number in range(2):
            cluster.start_statekeeper()
            file = os.path.join(cluster.directory, f"backup-{number}")
            ids.append(json.loads(run(cluster, "--json", "backup", file))["cluster"])
            assert cluster.kill_statekeeper(signal.SIGTERM) == 0
        cluster.start_statekeeper()
        assert ids[0] == ids[1] and re.fullmatch("[0-9a-f]{16}", ids[0])


async def test_echo_hub_with_open_sockets_elsewhere(tmp_path):
    """The sockets that a copy speaks of do not exist in the other cluster."""
    file = str(tmp_path / "backup")
    with Cluster(options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/a")) as client:
            await client.ask("x")
            run(cluster, "backup", file)
    with Cluster(options={**OPTIONS, "gateway-grace": "1s"}) as other:
        run(other, "restore", file)
        async with echo(other.ws_url("/websocket/a")) as client:
            await asyncio.sleep(0)
            deadline = time.monotonic() + 10 * SLOWNESS
            while (await client.ask("x"))["connections"] != 1:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.05)


def test_a_hub_with_answers_to_backends_is_restored(store, tmp_path):
    file = str(tmp_path / "state.backup")
    with ApiCluster(store=store, **CRASH) as cluster:
        def ask():
            with cluster.backend() as backend:
                answer = backend.ask("crash/attic", "broadcast", {"data": "x"}, idempotency_key="once")
                assert answer.status == 200, answer
                return answer.headers["Idempotency-Replayed"]

        assert ask() is None
        run(cluster, "backup", file)
        run(cluster, "restore", "--replace", file)
        assert ask() == "true"
