"""The kit itself: what it leaves behind, and what it says when something is wrong."""

import asyncio
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import time
import unittest
import unittest.mock

from dormouse_testing import Cluster, ClusterError

HERE = pathlib.Path(__file__).resolve().parent


def processes_of(data):
    """Those that name the directory in their command line, or work in it."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            if (data.encode() in pathlib.Path("/proc", pid, "cmdline").read_bytes()
                    or os.readlink(f"/proc/{pid}/cwd").startswith(data)):
                found.append(pid)
    return found


def await_gone(data):
    deadline = time.monotonic() + 15
    while processes_of(data) or os.path.exists(os.path.dirname(data)):
        assert time.monotonic() < deadline, f"{data} is still there, and processes {processes_of(data)}"
        time.sleep(0.01)


PROGRAM = """
import asyncio, sys
from dormouse_testing import Cluster
async def main():
    cluster = await Cluster.start(store="redis")
    print(cluster.data, flush=True)
    if sys.argv[1] == "stay":
        await asyncio.sleep(60)
    assert sys.argv[1] != "fail", "as a test does"
asyncio.run(main())
"""


def run_program(how):
    return subprocess.Popen([sys.executable, "-c", PROGRAM, how], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, env={**os.environ, "PYTHONPATH": str(HERE)})


class ClusterTest(unittest.IsolatedAsyncioTestCase):
    async def test_side_by_side_they_do_not_see_each_other_and_stop_without_a_trace(self):
        async with Cluster.start() as one, Cluster.start(store="redis", statekeepers=2) as other:
            assert one.http_url != other.http_url
            socket = await one.connect("/websocket/room")
            await one.assert_awake("echo/room")
            with self.assertRaisesRegex(ClusterError, "echo/room"):
                await other.hub("echo/room")
            await one.stop()
            assert {each["name"] for each in await other.processes()} == {"gateway-1", "redis", "statekeeper-1", "statekeeper-2"}
            assert (await socket.closed())[0] != 1000
        for cluster in (one, other):
            await_gone(cluster.data)
        with self.assertRaisesRegex(ClusterError, "has been stopped"):
            await one.sleep_now("echo/room")

    async def test_a_cluster_that_does_not_start_says_why(self):
        for options, why in [({"settings": {"hibernate-after": "soon"}}, "(?s)did not start.*hibernate-after.*soon"),
                             ({"statekeepers": 2, "store": "file"}, "embedded store is for one statekeeper"),
                             ({"app": "/nowhere"}, "there is no directory /nowhere")]:
            with self.assertRaisesRegex(ClusterError, why):
                await Cluster.start(**options)

    async def test_without_programs_it_says_how_to_get_them(self):
        with unittest.mock.patch.dict(os.environ, DORMOUSE_BIN="/nowhere"):
            with self.assertRaisesRegex(ClusterError, "there is no dormouse-gateway. Build Dormouse, once: "):
                await Cluster.start()

    async def test_what_is_not_so_is_said(self):
        async with Cluster.start() as cluster:
            socket = await cluster.connect("/websocket/room")
            await cluster.sleep_now("echo/room")
            with self.assertRaisesRegex(ClusterError, "is asleep, after 0.1 s still; it was to be awake"):
                await cluster.assert_awake("echo/room", timeout=0.1)
            await socket.send('{"type":"ping"}')
            await cluster.assert_awake("echo/room")
            with self.assertRaisesRegex(ClusterError, "Cannot connect to ws:.*nowhere"):
                await cluster.connect("/nowhere/at/all")

    def test_a_cluster_is_of_no_event_loop(self):
        cluster = asyncio.run(self._start())
        try:
            asyncio.run(self._use(cluster))
        finally:
            asyncio.run(cluster.stop())

    async def _start(self):
        return await Cluster.start()

    async def _use(self, cluster):
        await cluster.connect("/websocket/room")
        await cluster.assert_awake("echo/room")


class LeftBehindTest(unittest.TestCase):
    def test_a_test_process_that_is_killed_leaves_nothing_behind(self):
        for number in (signal.SIGKILL, signal.SIGINT):
            with run_program("stay") as program:
                data = program.stdout.readline().decode().strip()
                assert len(processes_of(data)) >= 4  # supervisor, gateway, statekeeper, Redis
                program.send_signal(number)
            await_gone(data)

    def test_nor_does_one_that_ends_without_stopping_it_or_by_a_failure(self):
        for how in ("end", "fail"):
            with run_program(how) as program:
                data = program.stdout.read().decode().strip()
            await_gone(data)
