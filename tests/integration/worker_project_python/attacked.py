"""Does what its clients want, however bad."""

import asyncio

from base import Base
from dormouse_hubs import Connection, HubContext


class Attacked(Base):
    def __init__(self, hub: HubContext) -> None:
        super().__init__(hub)
        self.fired = 0
        self.seen = 0

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        kind, *words = str(message).split(" ")
        answer = await getattr(self, kind)(connection, *words)
        if answer is not None:
            connection.send(answer)

    async def echo(self, _: Connection, word: str) -> str:
        return word

    async def keep(self, _: Connection, word: str) -> str:
        self.hub.storage.put("kept", word)
        return word

    async def kept(self, _: Connection) -> str:
        return str(await self.hub.storage.get("kept"))

    async def loop(self, _: Connection) -> None:
        while True:
            pass

    async def bomb(self, _: Connection) -> None:
        everything = []
        while True:
            everything.append(b"\1" * (1 << 20))

    async def timers(self, connection: Connection, count: str) -> str:
        for made in range(int(count)):
            self.hub.later(0.2 + made % 100 / 1000, self.fire, connection, int(count))
        return "made"

    async def fire(self, connection: Connection, count: int) -> None:
        self.fired += 1
        if self.fired == count:
            connection.send(f"fired {self.fired}")

    async def big(self, _: Connection, size: str) -> str:
        try:
            self.hub.storage.put("big", "x" * int(size))
            await self.hub.sync()
        except Exception as error:  # pylint: disable=broad-exception-caught
            return f"throws {type(error).__name__}: {error}"
        return "put"

    async def size(self, _: Connection) -> str:
        return str(len(await self.hub.storage.get("big", "")))

    async def throws(self, _: Connection) -> None:
        raise ValueError("always")

    async def reply(self, _: Connection, size: str) -> str:
        return "x" * int(size)

    async def slow(self, _: Connection, milliseconds: str) -> str:
        await asyncio.sleep(int(milliseconds) / 1000)
        return "slow"

    async def see(self, _: Connection, *__: str) -> None:
        self.seen += 1

    async def howMany(self, _: Connection) -> str:  # pylint: disable=invalid-name
        return str(self.seen)


class Unbuildable(Base):
    def __init__(self, hub: HubContext) -> None:
        super().__init__(hub)
        raise ValueError("cannot be built")
