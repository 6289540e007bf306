"""Counts what each socket sends, and what all send, durably. A message is "KIND NUMBER PAYLOAD", its answer
"NUMBER: PAYLOAD COUNT TOTAL VERSION"."""

import asyncio

from base import Base
from dormouse_hubs import Answer, Connection, Request

VERSION = 1


class Counter(Base):
    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        kind, number, payload = str(message).split(" ")
        count, total = await getattr(self, kind)(connection.attachment["id"])
        connection.send(f"{number}: {payload} {count} {total} {VERSION}")

    async def put(self, who: str) -> tuple[int, int]:
        return await self._count("", who)

    async def sql(self, who: str) -> tuple[int, int]:
        """There is none in Python; the same by other keys, read as a list."""
        found = await self.hub.storage.list("sql:")
        count, total = found.get(f"sql:{who}", 0) + 1, found.get("sql:total", 0) + 1
        self.hub.storage.put(f"sql:{who}", count)
        self.hub.storage.put("sql:total", total)
        return count, total

    async def wait(self, who: str) -> tuple[int, int]:
        """The count is durable long before the answer is said; when the worker ends meanwhile, it is made again."""
        count = await self.hub.storage.get(who, 0) + 1
        self.hub.storage.put(who, count)
        await self.hub.sync()
        await asyncio.sleep(0.03)
        return count, 0

    async def _count(self, prefix: str, who: str) -> tuple[int, int]:
        storage = self.hub.storage
        count = await storage.get(prefix + who, 0) + 1
        total = await storage.get(prefix + "total", 0) + 1
        storage.put(prefix + who, count)
        storage.put(prefix + "total", total)
        return count, total

    async def on_request(self, request: Request) -> Answer:
        storage = self.hub.storage
        return {"put": await storage.get("total", 0), "sql": await storage.get("sql:total", 0)}
