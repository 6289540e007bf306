"""WebSocket clients for tests, on python3-websockets. For coroutines; every wait is bounded."""

import asyncio
import contextlib
import itertools
import json
import time

import websockets
from client_tls import client_context
from cluster import SLOWNESS

WAIT = 10 * SLOWNESS  # seconds for one answer
HUB = "cloudflare/signal-hub"


class Client:
    """A socket that speaks JSON. Frames come in order from recv()."""

    def __init__(self, protocol):
        self.protocol = protocol

    async def send(self, frame):
        """A dictionary as JSON text; str and bytes as they are."""
        await self.protocol.send(json.dumps(frame) if isinstance(frame, dict) else frame)

    async def recv(self, timeout=WAIT):
        return json.loads(await asyncio.wait_for(self.protocol.recv(), timeout))

    async def ask(self, frame, timeout=WAIT):
        """Sends and returns the next frame that comes."""
        await self.send(frame)
        return await self.recv(timeout)

    async def text(self, timeout=WAIT):
        """The next frame as it is."""
        return await asyncio.wait_for(self.protocol.recv(), timeout)

    async def ask_text(self, text, timeout=WAIT):
        await self.send(text)
        return await self.text(timeout)

    async def close(self, code=1000, reason=""):
        await asyncio.wait_for(self.protocol.close(code, reason), WAIT)

    async def closed(self, timeout=WAIT):
        """Waits until the socket is closed by the other side: (code, reason) as received. Drops frames."""
        with contextlib.suppress(websockets.ConnectionClosed):
            deadline = asyncio.get_running_loop().time() + timeout
            while True:
                left = deadline - asyncio.get_running_loop().time()
                await asyncio.wait_for(self.protocol.recv(), max(left, 0))
        return self.protocol.close_code, self.protocol.close_reason

    @property
    def is_open(self):
        return self.protocol.open


@contextlib.asynccontextmanager
async def connect(url, **options):
    """A Client. No pings of its own and no compression: what the test sends is all that is sent."""
    if url.startswith("wss:"):
        options.setdefault("ssl", client_context())
    protocol = await websockets.connect(url, ping_interval=None, compression=None, max_size=None, max_queue=None,
                                        open_timeout=WAIT, close_timeout=WAIT, **options)
    try:
        yield Client(protocol)
    finally:
        with contextlib.suppress(websockets.ConnectionClosed):  # so it may say of one that was aborted
            await protocol.close()


async def upgrade_status(url, **options):
    """101, or what the upgrade is refused with."""
    try:
        async with connect(url, **options):
            return 101
    except websockets.InvalidStatusCode as refusal:
        return refusal.status_code


@contextlib.asynccontextmanager
async def echo(url):
    """A client of class echo whose welcome has come: client.welcome, client.id."""
    async with connect(url) as client:
        client.welcome = await client.recv()
        assert client.welcome["type"] == "welcome", client.welcome
        client.id = client.welcome["connectionId"]
        yield client


async def count_becomes(client, connections, within=5):
    """Until the client's echo hub counts so many sockets. Nothing orders a frame with the close of another socket."""
    deadline = time.monotonic() + within * SLOWNESS
    while (reply := await client.ask("x"))["connections"] != connections:
        assert time.monotonic() < deadline, reply
        await asyncio.sleep(0.01)


class Actor(Client):
    """A client of class signal. Replies are found by their correlationId; everything else waits in next()."""

    _numbers = itertools.count(1)

    def __init__(self, protocol, address):
        super().__init__(protocol)
        self.address = address
        self._others = []

    def envelope(self, kind, payload=None, **fields):
        return {"id": f"m{next(Actor._numbers)}", "from": self.address, "to": HUB, "type": kind,
                "payload": {} if payload is None else payload, "pattern": "ask", "correlationId": None,
                "metadata": {}, **fields}

    async def call(self, kind, payload=None, timeout=WAIT, **fields):
        """Sends a request to the hub and returns the reply to it."""
        request = self.envelope(kind, payload, **fields)
        await self.send(request)
        deadline = asyncio.get_running_loop().time() + timeout
        while True:
            frame = await self.recv(deadline - asyncio.get_running_loop().time())
            # What it publishes to itself correlates, too.
            if frame.get("correlationId") == request["id"] and frame.get("from") != self.address:
                return frame
            self._others.append(frame)

    async def must(self, kind, payload=None, **fields):
        """The payload of a reply that is not an error."""
        reply = await self.call(kind, payload, **fields)
        assert reply["type"] not in ("hub:error", "hub:unknown_actor"), reply
        return reply["payload"]

    async def next(self, timeout=WAIT):
        """The next frame that is no reply."""
        return self._others.pop(0) if self._others else await self.recv(timeout)

    async def register(self, address=None, **payload):
        return await self.must("hub:register", {"actorAddress": address or self.address, "capabilities": ["test"],
                                                **payload})

    async def addresses(self):
        """Registered addresses of the hub, sorted."""
        out = []
        while True:
            page = await self.must("hub:list_actors", {"offset": len(out), "limit": 100})
            out += [bare(registration.get("actorAddress") or registration["address"])
                    for registration in page["actors"]]
            if not page["hasMore"]:
                return sorted(out)

    async def addresses_become(self, *addresses, within=5):
        """Until these are all that are registered."""
        deadline = time.monotonic() + within * SLOWNESS
        while (found := await self.addresses()) != sorted(addresses):
            assert time.monotonic() < deadline, found
            await asyncio.sleep(0.01)


def bare(address):
    """@(a/b) and a/b name the same actor."""
    return address[2:-1] if address.startswith("@(") else address


@contextlib.asynccontextmanager
async def actor(url, address, register=True):
    """An Actor that has connected (dialect 1.0) and, unless told otherwise, registered."""
    async with connect(url) as client:
        self = Actor(client.protocol, address)
        self.session = await self.must("hub:connect", {"version": "1.0"})
        if register:
            await self.register()
        yield self


@contextlib.asynccontextmanager
async def all_open(contexts):
    """Enters all of the contexts (echo(...), actor(...), ...) one after another; leaves them together."""
    async with contextlib.AsyncExitStack() as stack:
        yield [await stack.enter_async_context(context) for context in contexts]
