"""python3 cursors.py ws://127.0.0.1:8080/ws/board 5 3      5 clients move their cursors 30 times a second for 3 seconds, and see
those of all. The hub has to allow that: deploy/local up --set rate-limit=40"""

import asyncio
import json
import math
import pathlib
import random
import sys
import time

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python"))  # installed, in a project of one's own
from dormouse import Client  # noqa: E402  # pylint: disable=wrong-import-position

HERTZ = 30


class Person:
    def __init__(self, url, number, seen):
        self.client = Client(url, actor=f"browser/person-{number}")
        self.client.on("error", lambda error: print(error, file=sys.stderr))
        self.cursors = {}  # of the others: actor -> its latest place, for whoever draws
        self.moves = self.superseded = self.most_waiting = 0
        self._seen = seen

    async def come(self):
        await self.client.connect()
        await self.client.register()  # for those who want to know who is there
        await self.client.subscribe("cursors", self._moved)
        await self.client.subscribe("hub/presence", self._came_or_went)

    def _moved(self, message):
        if message.sender != self.client.actor:
            self.cursors[message.sender] = message.data
            self._seen.append(time.monotonic() - message.data["at"])  # all are in this process, and have one clock

    def _came_or_went(self, message):
        if message.data["event"] in ("lost", "left"):
            self.cursors.pop(message.data["actorAddress"], None)

    async def move_for(self, duration):
        at, end, publishing = random.random(), time.monotonic() + duration, set()
        while time.monotonic() < end:
            at += 0.1
            # Nobody waits for an answer before the next move. What the hub has not taken yet gives way to a later place.
            task = asyncio.create_task(self._publish({"x": math.sin(at), "y": math.cos(at), "at": time.monotonic()}))
            publishing.add(task)
            task.add_done_callback(publishing.discard)
            self.moves += 1
            self.most_waiting = max(self.most_waiting, self.client.backlog.waiting)
            await asyncio.sleep(1 / HERTZ)
        await asyncio.gather(*publishing)

    async def _publish(self, place):
        answer = await self.client.publish("cursors", "cursor", place, latest=True)
        self.superseded += "superseded" in answer


async def main(url, count=5, duration=3):
    seen = []  # seconds, from the publisher to each reader
    people = [Person(url, number, seen) for number in range(int(count))]
    await asyncio.gather(*(each.come() for each in people))
    await asyncio.gather(*(each.move_for(float(duration)) for each in people))
    first, *others = people
    await asyncio.gather(*(each.client.disconnect() for each in others))
    while first.cursors:  # presence says so
        await asyncio.sleep(0.01)
    await first.client.disconnect()
    seen.sort()
    print(json.dumps({
        "moves": sum(each.moves for each in people), "superseded": sum(each.superseded for each in people), "seen": len(seen),
        "most_waiting": max(each.most_waiting for each in people),
        **{f"p{p}_ms": round(seen[p * (len(seen) - 1) // 100] * 1000, 2) for p in (50, 99)}}))


asyncio.run(main(*sys.argv[1:]))
