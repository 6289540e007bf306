"""Statekeepers that stop in order, with requests of an app under way."""

import asyncio
import signal
import time

from cluster import SLOWNESS, until
from worker_app import AppCluster
from ws import connect


def waiting_at(process):
    return process.log_text().count("a request waits")


def waiting(cluster):
    return sum(waiting_at(process) for process in cluster.statekeepers)


def complaints(process):
    """What it has logged since it was told to stop, beyond what happens each time."""
    _, told, after = process.log_text().partition("signal 15")
    assert told
    return [line for line in after.splitlines()[1:] if " info " not in line]


async def stop(process):
    return await asyncio.to_thread(process.end, signal.SIGTERM)


async def ask(cluster, method, path):
    """(status, body) of the app's answer."""
    return await asyncio.to_thread(cluster.ask, method, path)


async def test_requests_that_are_under_way_are_answered():
    with AppCluster(store="redis", statekeepers=2) as cluster:
        asked = [asyncio.create_task(ask(cluster, "POST", "/waits/1000")) for _ in range(6)]
        await until(lambda: waiting(cluster) == 6, "all are there")
        # The gateway may not have known of both from the start.
        stopped = max(cluster.statekeepers, key=waiting_at)
        assert await stop(stopped) == 0
        assert await asyncio.gather(*asked) == 6 * [(200, b"at last")]
        assert complaints(stopped) == []


async def test_a_rolling_restart_fails_no_request():
    with AppCluster(store="redis", statekeepers=2) as cluster:
        over = asyncio.Event()

        async def keep_asking(path):
            answers = []
            while not over.is_set():
                answers.append(await ask(cluster, "POST", path))
            return answers

        async with connect(cluster.ws_url("/Counter/one?id=one")) as client:
            asking = [asyncio.create_task(keep_asking(path)) for path in ("/waits/50", "/waits/300", "/Counter/one")]
            await client.ask_text("put 0 x")
            for index, process in enumerate(cluster.statekeepers):
                assert await stop(process) == 0
                assert complaints(process) == []
                await asyncio.to_thread(cluster.start_statekeeper, True, index)
                await client.ask_text(f"put {index + 1} x")
            over.set()
            answers = [answer for each in await asyncio.gather(*asking) for answer in each]
        assert len(answers) > 6
        assert {status for status, _ in answers} == {200}, answers


async def test_a_request_that_does_not_end_holds_nobody_up():
    with AppCluster(store="redis", statekeepers=2, options={"stop-timeout": "2s"}) as cluster:
        async with connect(cluster.ws_url("/Counter/one?id=one")) as client:
            asked = [asyncio.create_task(ask(cluster, "POST", "/waits")) for _ in range(2)]
            await until(lambda: waiting(cluster) == 2, "both are there")
            began = time.monotonic()
            stopped = max(cluster.statekeepers, key=waiting_at)
            stopping = asyncio.create_task(stop(stopped))
            await client.ask_text("put 0 x")  # its hubs go on meanwhile, here or there
            assert await stopping == 0
            assert 1 <= time.monotonic() - began < 6 * SLOWNESS
            [complaint] = complaints(stopped)
            assert "requests to the app are broken off" in complaint
            await client.ask_text("put 1 x")
            await until(lambda: any(each.done() for each in asked), "one is broken off")
            [left] = [number for number, process in enumerate(cluster.statekeepers) if process is not stopped]
            cluster.kill_workers(left)
            assert {status for status, _ in await asyncio.gather(*asked)} == {502}
