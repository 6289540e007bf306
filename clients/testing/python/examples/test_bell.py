"""A hub in Python (../../example_python) whose alarm is an hour away, set by a message and by a timer of its own; and
one that strikes every hour, each by a timer with a name."""

import os
import pathlib
import unittest

from dormouse_testing import Cluster, ClusterError

STORE = os.environ.get("EXAMPLE_STORE", "file")
APP = pathlib.Path(__file__).resolve().parents[2] / "example_python"
HOUR = 3600


class BellTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.cluster = await self.enterAsyncContext(Cluster.start(app=APP, store=STORE))

    async def hears_an_hour_later(self, said, socket):
        with self.assertRaisesRegex(ClusterError, "Nothing came within 0.3 s"):
            await socket.next(0.3)
        await self.cluster.advance_clock(HOUR - 60)
        with self.assertRaisesRegex(ClusterError, "Nothing came within 0.3 s"):
            await socket.next(0.3)
        await self.cluster.advance_clock(60)
        assert await socket.next() == said

    async def test_a_bell_rings_an_hour_later_whatever_has_set_its_alarm_and_asleep_or_awake(self):
        socket = await self.cluster.connect("/bell/tower")
        await socket.send("ring in an hour")
        assert await socket.next() == "done: ring in an hour"
        await self.cluster.sleep_now("Bell/tower")
        await self.hears_an_hour_later("it rings", socket)
        await socket.send("wind up, and ring in an hour")
        assert await socket.next() == "done: wind up, and ring in an hour"
        assert await socket.next() == "wound up"
        await self.hears_an_hour_later("it rings", socket)

    async def test_a_bell_strikes_each_hour_at_its_time(self):
        socket = await self.cluster.connect("/bell/church")
        for hour in (2, 1):
            await socket.send(f"strike {hour}")
            assert await socket.next() == f"done: strike {hour}"
        await self.cluster.sleep_now("Bell/church")
        for hour in (1, 2):
            await self.hears_an_hour_later(f"it strikes {hour}", socket)
