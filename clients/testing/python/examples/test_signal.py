"""The hub classes that come with Dormouse, and clients of one's own: with the SDK, and with frames as they are."""

import asyncio
import json
import os
import pathlib
import sys
import unittest
import urllib.request

from dormouse_testing import Cluster

sys.path.append(str(pathlib.Path(__file__).resolve().parents[3] / "python"))  # installed, in a project of one's own
from dormouse import Client, DormouseError  # noqa: E402  # pylint: disable=wrong-import-position

STORE = os.environ.get("EXAMPLE_STORE", "file")
HOUR = 3600


class SignalTest(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        self.cluster = await self.enterAsyncContext(
            Cluster.start(store=STORE, gateways=2, statekeepers=2 if STORE == "redis" else 1, settings={"rate-limit": 0}))

    async def actor(self, name, hub):
        return await self.enterAsyncContext(Client(self.cluster.url(f"/ws/{hub}"), actor=name))

    async def test_subscribers_are_there_after_the_hub_slept_and_after_its_owner_was_killed(self):
        anna, bert = await self.actor("test/anna", "lobby"), await self.actor("test/bert", "lobby")
        heard = asyncio.Queue()
        await bert.subscribe("news", lambda message: heard.put_nowait(message.data))
        await self.cluster.sleep_now("signal/lobby")
        await anna.publish("news", "headline", 1)
        await self.cluster.kill_owner("signal/lobby")
        await anna.publish("news", "headline", 2)
        assert [await asyncio.wait_for(heard.get(), 5), await asyncio.wait_for(heard.get(), 5)] == [1, 2]

    async def test_what_a_backend_says_to_a_hub_that_sleeps_reaches_its_subscribers(self):
        bert = await self.actor("test/bert", "yard")
        heard = asyncio.Queue()
        await bert.subscribe("news", heard.put_nowait)
        await self.cluster.sleep_now("signal/yard")
        body = {"topic": "news", "type": "headline", "data": 1, "from": "backend/press"}
        request = urllib.request.Request(f"{self.cluster.api_url}/signal/yard/publish", json.dumps(body).encode(),
                                         {"Authorization": f"Bearer {self.cluster.api_key}"})
        answer = await asyncio.to_thread(lambda: json.load(urllib.request.urlopen(request)))
        assert answer == {"sent": 1, "queued": 0, "failed": 0}
        message = await asyncio.wait_for(heard.get(), 5)
        assert (message.data, message.sender) == (1, "backend/press")

    async def test_an_actor_that_has_lost_its_socket_is_waited_for_and_not_for_an_hour(self):
        bert = await self.actor("test/bert", "hall")
        await bert.register()
        anna = await self.cluster.connect("/ws/hall")
        for kind, payload, answer in [("hub:connect", {"version": "1.0"}, "hub:connected"),
                                      ("hub:register", {"actorAddress": "test/anna"}, "hub:registered")]:
            await anna.send(json.dumps({"id": kind, "type": kind, "from": "test/anna", "to": "cloudflare/signal-hub",
                                        "payload": payload, "timestamp": 0}))
            assert (await anna.next_json())["type"] == answer
        await anna.close(4000)  # without hub:disconnect
        # Nothing orders the end of one socket with what is said in another.
        while (status := (await bert.ask("test/anna", "hello", 1))["status"]) == "delivered":
            await asyncio.sleep(0.01)
        assert status == "queued"
        await self.cluster.sleep_now("signal/hall")
        await self.cluster.advance_clock(HOUR)
        with self.assertRaisesRegex(DormouseError, "unknown_actor"):
            await bert.ask("test/anna", "hello", 2)

    async def test_frames_under_way_when_the_owner_was_killed_are_each_answered_once_and_in_order(self):
        socket = await self.cluster.connect("/websocket/well")
        assert (await socket.next_json())["type"] == "welcome"
        for number in range(50):
            await socket.send(json.dumps({"type": "message", "message": str(number)}))
        killing = asyncio.create_task(self.cluster.kill_owner("echo/well"))
        for number in range(50, 100):
            await socket.send(json.dumps({"type": "message", "message": str(number)}))
        for number in range(100):
            assert (await socket.next_json(30))["message"] == str(number)
        await killing

    async def test_a_killed_gateway_breaks_its_own_sockets_and_is_there_again(self):
        socket = await self.cluster.connect("/websocket/roof")
        await asyncio.gather(self.cluster.kill_gateway(1), self.cluster.kill_gateway(2))
        assert (await socket.closed())[0] == 1006
        socket = await self.cluster.connect("/websocket/roof")
        assert (await socket.next_json())["type"] == "welcome"
