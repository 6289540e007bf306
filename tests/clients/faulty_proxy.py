"""A proxy between a driver and a gateway, which commits faults."""

import asyncio
import contextlib
import json

import websockets


class Proxy:
    """Between a driver and a gateway; commits a fault with the first frame from the gateway that matches. The fault is a
    function of (proxy, socket, text, frame) that sends what it likes, and says whether it was committed."""

    def __init__(self, gateway):
        self._gateway = gateway
        self.fault = None
        self.sockets = []
        self.held = None
        self.url = None

    @contextlib.asynccontextmanager
    async def serving(self):
        async with websockets.serve(self._serve, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
            self.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
            yield self

    async def _serve(self, socket, path):
        self.sockets.append(socket)
        async with websockets.connect(self._gateway + path, ping_interval=None, compression=None) as upstream:
            both = [asyncio.ensure_future(self._up(socket, upstream)), asyncio.ensure_future(self._down(socket, upstream))]
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            # Abnormally, where it is the fault's doing.
            if socket.close_code not in (None, 1000, 1005):
                upstream.transport.abort()

    @staticmethod
    async def _up(socket, upstream):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in socket:
                await upstream.send(text)

    async def _down(self, socket, upstream):
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in upstream:
                frame = json.loads(text)
                # Out of the way at once: other sockets go on while it is being committed.
                fault, self.fault = self.fault, None
                if fault and await fault(self, socket, text, frame):
                    continue
                self.fault = self.fault or fault
                if not (self.held and await self._release(socket, text, frame)):
                    await socket.send(text)

    async def _release(self, socket, text, frame):
        """Lets out a frame that was held back, once another of the same sender has come to the same socket."""
        held_socket, held_text, sender = self.held
        if socket is not held_socket or not is_direct(frame) or frame["from"] != sender:
            return False
        self.held = None
        await socket.send(text)
        await socket.send(held_text)
        return True


def is_direct(frame):
    """Whether it is a message from one client to another."""
    return frame["type"] == "load" and frame["correlationId"] is None
