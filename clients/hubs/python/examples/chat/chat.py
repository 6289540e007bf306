"""A chat: rooms with presence and a history. Open ws://HOST/chat/ROOM?as=NAME; what one types, all see."""

import json

from dormouse_hubs import Answer, Connection, Hub, Request, rpc

KEPT = 100  # messages of a room


class Chat(Hub):
    async def on_connect(self, connection: Connection) -> None:
        name = connection.request.params.get("as", "").strip()
        if not 0 < len(name) <= 40:
            connection.close(4000, "Say who you are: ?as=NAME")
            return
        connection.attachment = name
        connection.tags = (name,)  # by which a backend finds a user's sockets
        connection.send(json.dumps({"history": await self.history(), "present": self.present()}))
        self.hub.broadcast(json.dumps({"joins": name}), skip=connection)

    async def on_message(self, connection: Connection, message: str | bytes) -> None:
        await self.keep(str(connection.attachment), str(message))

    async def on_close(self, connection: Connection, code: int, reason: str) -> None:
        self.hub.broadcast(json.dumps({"leaves": connection.attachment}))

    async def on_request(self, request: Request) -> Answer:
        return {"present": self.present(), "history": await self.history()}

    @rpc
    async def announce(self, text: str) -> None:
        """For backends: `call` calls what is marked with @rpc."""
        await self.keep("*", text)

    @rpc
    async def history(self) -> list[object]:
        return list((await self.hub.storage.list("message/")).values())

    def present(self) -> list[str]:
        return sorted({each.attachment for each in self.hub.connections()})

    async def keep(self, sender: str, text: str) -> None:
        said = {"from": sender, "text": text, "at": self.hub.now}
        number = await self.hub.storage.get("count", 0)
        self.hub.storage.put("count", number + 1)
        self.hub.storage.put(f"message/{number:012}", said)
        self.hub.storage.delete(f"message/{number - KEPT:012}")
        self.hub.broadcast(json.dumps(said))
