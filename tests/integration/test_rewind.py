"""Hubs that go back to how they were after one of their last changes: dormousectl history, export --at, rewind."""

import json
import os

import backups
import pytest
from cluster import Cluster, until
from hub_copies import exported, run
from ws import connect

FAR = 10_000_000_000  # ms: of an alarm that does not ring
HUB = "crash/attic"


def options(**more):
    return {"statekeeper_program": "dormouse-crash-statekeeper",
            "options": {"hibernate-after": "300ms", "member-ttl": "1s", "rate-limit": "0", "hub-history": "5", **more}}


def history(cluster):
    return json.loads(run(cluster, "--json", "history", HUB))


def last_of(cluster, *words):
    return exported(cluster, HUB, *words)[0].get(b"last", b"").decode()


def stored(cluster, directory):
    """All rows of the hub, the runtime's own, too."""
    file = str(directory / "now")
    run(cluster, "backup", file)
    rows = backups.read(file)[HUB]
    os.remove(file)
    return rows


def of_the_past(rows):
    return [key for key in rows if key == b"!past" or key.startswith(b"z/")]


async def test_goes_back_and_on_from_there(store):
    with Cluster(store=store, **options()) as cluster:
        async with connect(cluster.ws_url("/" + HUB)) as client:
            for text in ("one", "two", "three", f"alarm {FAR}", "five", "six", "seven"):
                assert await client.ask_text(text) == text
            said = history(cluster)
            assert (said["first"], said["last"]) == (2, 7)
            assert [change["change"] for change in said["changes"]] == [3, 4, 5, 6, 7]
            assert [change["rows"] for change in said["changes"]] == [1, 2, 1, 1, 1]
            assert [change["timers"] for change in said["changes"]] == [False, True, False, False, False]
            assert [change["at_ms"] for change in said["changes"]] == sorted(
                change["at_ms"] for change in said["changes"])
            assert [last_of(cluster, "--at", str(number)) for number in range(2, 8)] == [
                "two", "three", f"alarm {FAR}", "five", "six", "seven"]
            rows, alarm_ms = exported(cluster, HUB, "--at", "3")
            assert rows == {b"last": b"three"} and not alarm_ms
            due_ms = exported(cluster, HUB)[1]
            assert due_ms > FAR
            assert exported(cluster, HUB, "--at", "4") == (
                {b"last": f"alarm {FAR}".encode(), b"alarm": f"alarm {FAR}".encode()}, due_ms)
            assert last_of(cluster) == "seven"  # looking changes nothing

            assert "as it was after change 5" in run(cluster, "rewind", HUB, "--to", "5")
            assert (await client.closed())[0] == 1011
        assert exported(cluster, HUB) == (exported(cluster, HUB, "--at", "5"))
        assert last_of(cluster) == "five" and exported(cluster, HUB)[1] == due_ms
        async with connect(cluster.ws_url("/" + HUB)) as client:
            assert await client.ask_text("again") == "again"
            said = history(cluster)
            assert (said["first"], said["last"]) == (2, 6)
            assert last_of(cluster, "--at", "5") == "five" and last_of(cluster) == "again"
            run(cluster, "rewind", HUB, "--to", "3")
            assert (await client.closed())[0] == 1011
        assert exported(cluster, HUB) == ({b"last": b"three"}, 0)


@pytest.mark.parametrize("kind", ["file", "redis"])
async def test_sleep_moves_and_crashes_leave_no_gap(kind):
    with Cluster(store=kind, statekeepers=1 if kind == "file" else 2, **options(**{"hub-history": "50"})) as cluster:
        texts = []

        async def say(count):
            for _ in range(count):
                texts.append(f"text {len(texts) + 1}")
                assert await client.ask_text(texts[-1]) == texts[-1]

        async with connect(cluster.ws_url("/" + HUB)) as client:
            await say(5)
            await cluster.asleep()
            await say(5)
            for number in range(len(cluster.statekeepers)):
                cluster.kill_statekeeper(statekeeper=number)
                cluster.start_statekeeper(statekeeper=number)
                await say(5)
            run(cluster, "evict", "--hub", HUB, "--mode", "migrate")
            await say(5)
            assert client.is_open
            said = history(cluster)
            assert (said["first"], said["last"]) == (0, len(texts))
            for number, text in enumerate(texts, 1):
                assert last_of(cluster, "--at", str(number)) == text
            assert last_of(cluster, "--at", "0") == ""
            run(cluster, "rewind", HUB, "--to", "0")
            assert (await client.closed())[0] == 1011
        assert exported(cluster, HUB) == ({}, 0)


async def test_what_is_kept_is_bounded(store, tmp_path):
    with Cluster(store=store, **options(**{"hub-history": "100", "hub-history-bytes": "4KiB",
                                           "max-state": "16KiB"})) as cluster:
        async with connect(cluster.ws_url("/" + HUB)) as client:
            for number in range(20):
                assert await client.ask_text(f"{number}" + "x" * 1_000)
            said = history(cluster)
            assert said["last"] == 20 and 2 <= len(said["changes"]) <= 4
            rows = stored(cluster, tmp_path)
            assert len(of_the_past(rows)) == len(said["changes"]) + 1
            assert sum(change["bytes"] for change in said["changes"]) <= 4096
            # What is too large to be kept leaves nothing to go back to.
            assert len(await client.ask_text("y" * 10_000)) == 10_000
            assert await client.ask_text("short") == "short"
            assert history(cluster)["changes"] == []
            assert await client.ask_text("shorter") == "shorter"
            assert (history(cluster)["first"], last_of(cluster, "--at", "22")) == (22, "short")


async def test_off_is_off_and_ends_it(store, tmp_path):
    with Cluster(store=store, **options(**{"hub-history": None})) as cluster:
        async with connect(cluster.ws_url("/" + HUB)) as client:
            await client.ask_text("one")
        assert of_the_past(stored(cluster, tmp_path)) == []
        assert "option hub-history" in run(cluster, "history", HUB)
        assert "option hub-history" in run(cluster, "rewind", HUB, "--to", "1", status=1)

        def restart(changes):
            cluster.statekeeper.stop_finally()
            cluster.statekeeper.command = cluster.statekeeper_command(hub_history=changes)
            cluster.start_statekeeper()

        restart("5")
        async with connect(cluster.ws_url("/" + HUB)) as client:
            await client.ask_text("two")
            await client.ask_text("three")
            assert last_of(cluster, "--at", "1") == "two"
            restart(None)
            # What is not noted would make the rest untrue.
            await client.ask_text("four")
            assert of_the_past(stored(cluster, tmp_path)) == []
            restart("5")
            await client.ask_text("five")
            assert (history(cluster)["first"], last_of(cluster, "--at", "0")) == (0, "four")


async def test_it_is_in_backups(store, tmp_path):
    file = str(tmp_path / "state.backup")
    with Cluster(store=store, **options()) as cluster:
        async with connect(cluster.ws_url("/" + HUB)) as client:
            for text in ("one", "two", "three"):
                await client.ask_text(text)
        said = history(cluster)
        run(cluster, "backup", file)
    with Cluster(store="redis" if store == "file" else "file", **options()) as other:
        run(other, "restore", file)
        assert history(other) == said
        run(other, "rewind", HUB, "--to", "1")
        assert last_of(other) == "one"


async def test_what_cannot_be_is_said(store):
    with Cluster(store=store, **options()) as cluster:
        async with connect(cluster.ws_url("/" + HUB)) as client:
            await client.ask_text("one")
            for words in (("export", HUB, "--at", "7"), ("rewind", HUB, "--to", "7")):
                assert f"Hub {HUB} can go back to how it was after its changes 0 to 1, and 7 is none of these" in run(
                    cluster, *words, status=1)
            run(cluster, "rewind", HUB, status=2)
            await until(lambda: client.is_open, "the socket stays open")
            assert last_of(cluster) == "one"
        assert "--hub-history must be at most 1000" in cluster.run_to_end(
            cluster.another_statekeeper_command(hub_history="1001"))[1]
