"""A path between a client and a gateway as some networks have it: an HTTP proxy that lets no WebSocket through, that
waits for the end of answers before it passes them on, that ends answers which take long, that loses answers.

    async with BrokenPath(gateway_port, upgrades="refuse", cut_after=0.5) as path:
        ... path.url("/ws/kitchen") ...
"""

import asyncio
import contextlib
import re

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_UPGRADE = re.compile(rb"\r\nupgrade: *websocket", re.IGNORECASE)
_HOP = re.compile(rb"\r\nconnection:[^\r]*", re.IGNORECASE)


class BrokenPath:
    """`upgrades`: "pass", "refuse" (400), "swallow" (no answer), "kill" (they open, and die before the first frame).
    `buffers`: answers are passed on when they have ended. `cut_after`: seconds after which an answer is cut off.
    `lose_posts`: of so many POSTs the answer of the last is lost, after the gateway has had it."""

    def __init__(self, port, upgrades="pass", buffers=False, cut_after=None, lose_posts=0):
        self._port = port
        self.upgrades = upgrades
        self.buffers = buffers
        self.cut_after = cut_after
        self.lose_posts = lose_posts
        self.down = False  # nobody gets through
        self.requests = []  # (method, target)
        self.cuts = 0
        self.lost = 0
        self._posts = 0
        self._server = None
        self._tasks = set()

    async def __aenter__(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_):
        self._server.close()
        self.cut_all()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def url(self, path, scheme="ws"):
        return f"{scheme}://127.0.0.1:{self.port}{path}"

    def cut_all(self):
        for task in self._tasks:
            task.cancel()

    def count(self, word):
        return sum(word in target for _, target in self.requests)

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            await self._one(reader, writer)
        except (OSError, EOFError, asyncio.CancelledError, asyncio.LimitOverrunError):
            pass
        finally:
            self._tasks.discard(task)
            with contextlib.suppress(OSError, RuntimeError):
                writer.transport.abort() if task.cancelled() else writer.close()

    async def _one(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        method, target, _ = head.split(b" ", 2)
        self.requests.append((method.decode(), target.decode()))
        if self.down:
            writer.transport.abort()
            return
        if _UPGRADE.search(head) and self.upgrades != "pass":
            return await self._upgrade(reader, writer, head)
        if _UPGRADE.search(head):
            return await self._tunnel(reader, writer, head)
        length = _LENGTH.search(head)
        body = await reader.readexactly(int(length.group(1))) if length else b""
        # One request for each connection, on both sides.
        head = _HOP.sub(b"", head[:-4]) + b"\r\nConnection: close\r\n\r\n"
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        try:
            to_upstream.write(head + body)
            self._posts += method == b"POST" and b"/send" in target
            if self.lose_posts and method == b"POST" and b"/send" in target and self._posts % self.lose_posts == 0:
                await upstream.read()
                self.lost += 1
                writer.transport.abort()
                return
            await self._answer(reader, upstream, writer, method)
        finally:
            to_upstream.transport.abort()

    async def _answer(self, reader, upstream, writer, method):
        gone = asyncio.ensure_future(reader.read(1))  # the client may leave
        passing = asyncio.ensure_future(self._pass_on(upstream, writer))
        patience = self.cut_after if method == b"GET" else None
        await asyncio.wait([gone, passing], timeout=patience, return_when=asyncio.FIRST_COMPLETED)
        if not passing.done() and not gone.done():
            self.cuts += 1
        for each in (gone, passing):
            each.cancel()
        await asyncio.gather(gone, passing, return_exceptions=True)

    async def _pass_on(self, upstream, writer):
        kept = b""
        while piece := await upstream.read(1 << 16):
            if self.buffers:
                kept += piece
                continue
            writer.write(piece)
            await writer.drain()
        writer.write(kept)
        await writer.drain()
        writer.write_eof()

    async def _upgrade(self, reader, writer, head):
        if self.upgrades == "refuse":
            writer.write(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            await writer.drain()
            return None
        if self.upgrades == "swallow":
            await reader.read()
            return None
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        to_upstream.write(head)
        writer.write(await upstream.readuntil(b"\r\n\r\n"))
        await writer.drain()
        to_upstream.transport.abort()
        return None

    async def _tunnel(self, reader, writer, head):
        upstream, to_upstream = await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
        to_upstream.write(head)

        async def pump(source, sink):
            while piece := await source.read(1 << 16):
                sink.write(piece)
                await sink.drain()

        both = [asyncio.ensure_future(pump(reader, to_upstream)), asyncio.ensure_future(pump(upstream, writer))]
        try:
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            to_upstream.transport.abort()
