"""A signal hub that does what a test tells it, at a real socket."""

import asyncio
import contextlib
import itertools
import json

import websockets
from manual_clock import until

HEARTBEAT = 30.0  # seconds
_numbers = itertools.count(1)


def error(code, **details):
    """A scripted answer."""
    payload = {"code": code, "message": f"says the script: {code}", "resolution": "do so", "details": details}
    return ("hub:error", payload)


class FakeHub:
    """Answers each request as the real one would, but for what answers[TYPE] says: a (type, payload), None for
    silence, or a function of the frame that returns one of these. Frames that came are kept, socket by socket."""

    def __init__(self):
        self.connections = []
        self.headers = []
        self.sockets = []
        self.answers = {}
        self.url = None

    @contextlib.asynccontextmanager
    async def serving(self):
        async with websockets.serve(self._serve, "127.0.0.1", 0, max_size=None) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/test"
            yield self

    async def _serve(self, socket):
        frames = []
        self.connections.append(frames)
        self.headers.append(socket.request_headers)
        self.sockets.append(socket)
        with contextlib.suppress(websockets.ConnectionClosed):
            while True:
                frame = json.loads(await socket.recv())
                frames.append(frame)
                answer = self.answers.get(frame["type"], self._usual)
                answer = answer(frame) if callable(answer) else answer
                if answer:
                    await self.send(*answer, correlationId=frame["id"])
                if frame["type"] == "hub:disconnect" and answer:
                    await socket.close(1000)

    def _usual(self, frame):
        payload = frame["payload"] or {}
        kind = frame["type"]
        if kind == "hub:connect":
            return self.connected()
        if kind == "hub:register":
            return self.registered(frame)
        if kind == "hub:renew":
            return ("hub:renewed", {"expiresAt": frame["timestamp"] + 300_000, "renewalToken": f"r{next(_numbers)}"})
        if kind == "hub:send" and frame["pattern"] == "tell":
            return None
        return (kind + "_answer", {"topic": payload.get("topic"), "token": "fresh"})

    def connected(self, resumed=False, resume_token=None, **more):
        payload = {"sessionId": f"s{len(self.connections)}", "heartbeatInterval": HEARTBEAT * 1000,
                   "maxMessageSize": 1 << 20, "resumeToken": resume_token, "resumed": resumed, **more}
        return ("hub:connected", payload)

    def registered(self, frame, lifetime=300.0, **more):
        return ("hub:registered", {"actorAddress": frame["payload"]["actorAddress"], "version": 1,
                                   "renewalToken": f"r{next(_numbers)}",
                                   "expiresAt": frame["timestamp"] + int(lifetime * 1000), **more})

    async def send(self, kind, payload, **fields):
        """To the latest socket."""
        frame = {"id": f"h{next(_numbers)}", "from": "cloudflare/signal-hub", "to": "browser/me", "type": kind,
                 "payload": payload, "pattern": "tell", "correlationId": None, "metadata": {}, "ttl": None,
                 "timestamp": 1_000_000, "signature": None, **fields}
        if kind in ("hub:registered", "hub:renewed"):
            frame["timestamp"] = self.connections[-1][-1]["timestamp"]
        await self.sockets[-1].send(json.dumps(frame))
        return frame

    async def forward(self, data, message_id=None, to="browser/me", **metadata):
        """A message of another actor."""
        fields = {"id": message_id} if message_id else {}
        return await self.send("chat", data, to=to, metadata={"forwarded": True, **metadata},
                               **{"from": "browser/other"}, **fields)

    def got(self, kind, connection=None):
        """Frames of that type, of all sockets or one of them."""
        frames = itertools.chain(*self.connections) if connection is None else self.connections[connection]
        return [frame for frame in frames if frame["type"] == kind]

    async def until_got(self, kind, count=1):
        await until(lambda: len(self.got(kind)) >= count, f"{count} frames {kind}")
        return self.got(kind)

    def cut(self):
        """The latest connection breaks without a word."""
        self.sockets[-1].transport.abort()

    async def close(self, code, reason=""):
        await asyncio.wait_for(self.sockets[-1].close(code, reason), 10)
