"""A hub class of one's own (../../example) asleep, killed and an hour later. On Redis it has two statekeepers."""

import os
import pathlib
import unittest

from dormouse_testing import Cluster, ClusterError

STORE = os.environ.get("EXAMPLE_STORE", "file")
APP = pathlib.Path(__file__).resolve().parents[2] / "example"
HOUR = 3600


async def until(socket, last):
    """Until this comes, all that comes."""
    everything = [await socket.next()]
    while everything[-1] != last:
        everything.append(await socket.next())
    return everything


class RoomTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.cluster = await self.enterAsyncContext(
            Cluster.start(app=APP, store=STORE, statekeepers=2 if STORE == "redis" else 1))

    async def test_a_room_that_has_slept_knows_what_it_has_counted_and_nobody_had_to_connect_again(self):
        socket = await self.cluster.connect("/attic")
        await socket.send("count")
        await until(socket, "done: count")
        await self.cluster.assert_awake("Room/attic")
        await self.cluster.sleep_now("Room/attic")
        await self.cluster.assert_asleep("Room/attic")
        await socket.send("count")
        assert await until(socket, "done: count") == ["counting", "count: 2", "done: count"]
        assert socket.is_open

    async def test_whoever_counts_is_killed_in_the_middle_of_it_and_each_message_counts_once(self):
        socket = await self.cluster.connect("/kitchen")
        await socket.send("count")
        assert await socket.next() == "counting"  # it is at it now
        assert (await self.cluster.kill_owner("Room/kitchen")).startswith("statekeeper-")
        assert (await until(socket, "done: count"))[-2:] == ["count: 1", "done: count"]
        await socket.send("count")
        assert await socket.next() == "counting"
        await self.cluster.kill_worker("Room/kitchen")
        assert (await until(socket, "done: count"))[-2:] == ["count: 2", "done: count"]

    async def test_an_alarm_an_hour_away_wakes_the_room_when_the_clock_is_an_hour_on(self):
        socket = await self.cluster.connect("/tower")
        await socket.send("time")
        before = int(await socket.next())
        await socket.send("ring in an hour")
        assert await socket.next() == "done: ring in an hour"
        await self.cluster.sleep_now("Room/tower")
        await self.cluster.advance_clock(HOUR - 60)
        with self.assertRaisesRegex(ClusterError, "Nothing came within 0.3 s"):
            await socket.next(0.3)
        await self.cluster.advance_clock(60)
        assert await socket.next() == "it rings"
        await socket.send("time")
        assert HOUR * 1000 <= int(await socket.next()) - before < (HOUR + 60) * 1000

    async def test_a_room_moves_and_a_paused_owner_answers_when_it_goes_on(self):
        socket = await self.cluster.connect("/garden")
        await socket.send("count")
        await until(socket, "done: count")
        await self.cluster.move_hub("Room/garden")
        await socket.send("count")
        assert "count: 2" in await until(socket, "done: count")
        paused = await self.cluster.pause_owner("Room/garden")
        await socket.send("count")
        assert await self.cluster.resume() == [paused]
        assert "count: 3" in await until(socket, "done: count")
