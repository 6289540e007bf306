"""As much of HTTP/1.1 as a fallback connection needs: one request at a time on a connection that is kept."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import urllib.parse
from collections.abc import AsyncIterator, Mapping

_LIMIT = 1 << 16  # bytes of a head


class HttpError(Exception):
    """The answer did not come, or not whole; whether the request did is not known."""


class Response:
    """The head of an answer; the body is read from it once."""

    def __init__(self, status: int, headers: Mapping[str, str], connection: HttpConnection) -> None:
        self.status = status
        self.headers = headers
        self._connection = connection

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body as it comes. HttpError: it was cut."""
        async for piece in self._connection.body(self.headers):
            yield piece

    async def text(self) -> str:
        return b"".join([piece async for piece in self.pieces()]).decode("utf-8", "replace")


class HttpConnection:
    """To one origin; opened when it is needed, and again when it was lost."""

    def __init__(self, url: str, open_timeout: float, tls: ssl.SSLContext | None = None) -> None:
        """`url`: of anything there; ws:// and wss:// mean the same as http:// and https://. `tls`: as open_socket's."""
        parts = urllib.parse.urlsplit(url)
        self._secure = parts.scheme in ("wss", "https")
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._secure else 80)
        self._authority = parts.netloc.rpartition("@")[2]
        self._timeout = open_timeout
        self._tls = tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(
        self, method: str, target: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Response:
        """Sends it, and reads the head of the answer. OSError: there is no connection; HttpError: there is none
        any more."""
        if self._writer is None or self._writer.is_closing() or (self._reader and self._reader.at_eof()):
            await self._open()
        assert self._reader is not None and self._writer is not None
        lines = [f"{method} {target} HTTP/1.1", f"Host: {self._authority}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        try:
            self._writer.write(("\r\n".join(lines) + "\r\n\r\n").encode() + (body or b""))
            await self._writer.drain()
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        except (OSError, EOFError, asyncio.LimitOverrunError) as error:
            self.abort()
            raise HttpError(f"no answer: {error}") from None
        except BaseException:
            self.abort()
            raise
        first, *fields = head.split("\r\n")
        status = first.split(" ", 2)[1] if first.startswith("HTTP/1.") else ""
        if not status.isdigit():
            self.abort()
            raise HttpError("what answered is no HTTP")
        pairs = (field.partition(":") for field in fields if field)
        return Response(int(status), {name.strip().lower(): value.strip() for name, _, value in pairs}, self)

    async def _open(self) -> None:
        self.abort()
        context = (self._tls or ssl.create_default_context()) if self._secure else None
        opening = asyncio.open_connection(self._host, self._port, ssl=context, limit=_LIMIT)
        self._reader, self._writer = await asyncio.wait_for(opening, self._timeout)

    async def body(self, headers: Mapping[str, str]) -> AsyncIterator[bytes]:
        """Of the answer whose head was read last."""
        assert self._reader is not None
        reader = self._reader
        keep = headers.get("connection", "").lower() != "close"
        try:
            if headers.get("transfer-encoding", "").lower() == "chunked":
                while True:
                    size = int((await reader.readuntil(b"\r\n")).split(b";")[0], 16)
                    async for piece in self._exactly(size):
                        yield piece
                    await reader.readexactly(2)
                    if size == 0:
                        break
            elif "content-length" in headers:
                async for piece in self._exactly(int(headers["content-length"])):
                    yield piece
            else:
                keep = False
                while piece := await reader.read(_LIMIT):
                    yield piece
        except (OSError, EOFError, ValueError, asyncio.LimitOverrunError) as error:
            self.abort()
            raise HttpError(f"the answer was cut: {error}") from None
        except BaseException:
            self.abort()
            raise
        if not keep:
            self.abort()

    async def _exactly(self, size: int) -> AsyncIterator[bytes]:
        assert self._reader is not None
        while size > 0:
            piece = await self._reader.read(min(size, _LIMIT))
            if not piece:
                raise EOFError("it is shorter than it should be")
            size -= len(piece)
            yield piece

    def abort(self) -> None:
        """The next request gets another connection."""
        writer, self._writer, self._reader = self._writer, None, None
        if writer is not None:
            with contextlib.suppress(OSError, RuntimeError):
                writer.transport.abort()
