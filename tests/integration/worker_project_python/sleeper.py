"""Says how often it was built, and what keeps it awake."""

import asyncio
import json
from datetime import timedelta

from base import Base
from dormouse_hubs import AlarmInfo, Connection


class Sleeper(Base):
    async def on_wake(self) -> None:
        self.built = await self.hub.storage.get("built", 0) + 1
        self.hub.storage.put("built", self.built)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        kind, milliseconds, name, *_ = f"{message!s}   ".split(" ")
        if kind == "timer":
            self.hub.later(int(milliseconds) / 1000, self.tell, connection, f"timer {self.built}")
        if kind == "waitUntil":
            self.hub.background(self.wait(connection, int(milliseconds) / 1000))
        if kind == "alarm":
            self.hub.set_alarm(timedelta(milliseconds=int(milliseconds)))
        if kind == "named":
            self.hub.timers.set(name, timedelta(milliseconds=int(milliseconds)))
        if kind == "put":
            self.hub.storage.put(name * int(milliseconds), "kept")
        if kind == "get":
            connection.send(await self.hub.storage.get(name * int(milliseconds)))
        who = connection.attachment["id"]
        connection.send(json.dumps({
            "built": self.built, "id": who, "tags": connection.tags, "tagged": len(self.hub.connections(f"tag-{who}")),
            "all": len(self.hub.connections())}))

    async def wait(self, connection: Connection, seconds: float) -> None:
        await asyncio.sleep(seconds)
        await self.hub.run(self.tell, connection, f"waited {self.built}")

    async def tell(self, connection: Connection, text: str) -> None:
        connection.send(text)

    async def on_alarm(self, info: AlarmInfo) -> None:
        self.hub.broadcast(f"alarm {self.built}")

    async def on_timer(self, name: str, info: AlarmInfo) -> None:
        if name == "fails" and info.attempt == 0:
            raise RuntimeError("as it is to")
        self.hub.broadcast(f"{name} {info.attempt}")
