"""Plain HTTP, on a unix socket: the gateway brings one request a connection. Each is for a hub, by the routes of its class:
a request becomes a call of the hub, and one for a WebSocket is told which hub it leads to."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Optional
from urllib.parse import unquote

import h11

from ..errors import RemoteError
from ..http import Headers, Request
from . import calls
from . import worker_pb2 as wire

_MAX_HEAD = 64 << 10        # bytes; the gateway takes no longer ones
MAX_BODY = 8 << 20          # bytes of a request
_MOST_BODIES = 64 << 20     # bytes of all that are under way
_NAME = re.compile(r"[A-Za-z0-9._~-]{1,128}", re.ASCII)
_PLACE = "{name}"
_OWN = b"dormouse-"
_PASSED_OVER = frozenset((b"connection", b"transfer-encoding", b"keep-alive"))
_LISTEN = 4096
_MOST_PASSED_OVER = 32 << 20  # bytes of a body that is not wanted
_PASSED_OVER_WITHIN = 1.0     # seconds

_NO_HEADERS: list[tuple[bytes, bytes]] = []

# call(class, name, payload)
Ask = Callable[[str, str, bytes, str], Awaitable[wire.CallAnswer]]


class _Refused(Exception):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class HttpServer:
    # `classes`: of the manifest; with "http": routes that lead here.
    def __init__(self, classes: Sequence[dict[str, Any]], ask: Ask) -> None:
        routes = [(route, each["name"]) for each in classes for route in each.get("http", ())]
        # The longest first.
        self._routes = sorted(routes, key=lambda route: -len(route[0]))
        self._ask = ask
        self._server: Optional[asyncio.AbstractServer] = None
        self._exchanges: set[asyncio.Task[None]] = set()
        self._bodies = 0

    async def start(self, place: str) -> None:
        """In the stead of whoever served there before."""
        temporary = os.path.join(os.path.dirname(place), f".{os.path.basename(place)}.{os.getpid()}")
        with contextlib.suppress(FileNotFoundError):
            os.remove(temporary)
        self._server = await asyncio.start_unix_server(self._serve, temporary, backlog=_LISTEN)
        os.rename(temporary, place)

    async def stop(self, within: Optional[float]) -> None:
        """Takes no more requests, and waits until those that are under way are answered; so many seconds at most."""
        assert self._server is not None
        self._server.close()
        if self._exchanges:
            await asyncio.wait(self._exchanges, timeout=within)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._exchanges.add(task)
        taken = 0
        try:
            head: Any = None
            connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_MAX_HEAD)
            try:
                head = await _next(connection, reader, writer)
                if not isinstance(head, h11.Request):
                    return
                body = bytearray()
                while isinstance(event := await _next(connection, reader, writer), h11.Data):
                    taken += len(event.data)
                    self._bodies += len(event.data)
                    if taken > MAX_BODY:
                        raise _Refused(413, f"The body of a request has at most {MAX_BODY} bytes.")
                    if self._bodies > _MOST_BODIES:
                        raise _Refused(503, "Too many large requests are under way; try again.")
                    body += event.data
                if not isinstance(event, h11.EndOfMessage):
                    return
                status, headers, content = await self._answer(head, bytes(body))
            except h11.RemoteProtocolError as error:
                status, headers, content = _text(400, str(error))
            except _Refused as refused:
                status, headers, content = _text(refused.status, str(refused))
            if connection.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
                return
            if not any(name.lower() == b"content-length" for name, _ in headers) and status not in (204, 304):
                headers.append((b"content-length", str(len(content)).encode()))
            if isinstance(head, h11.Request) and head.method == b"HEAD":
                content = b""
            for event in (h11.Response(status_code=status, headers=[*headers, (b"connection", b"close")]),
                          h11.Data(data=content), h11.EndOfMessage()):
                writer.write(connection.send(event) or b"")
            await writer.drain()
            if connection.their_state is h11.SEND_BODY:
                await _pass_over(reader, writer)
        except (ConnectionError, h11.LocalProtocolError):
            pass
        finally:
            self._bodies -= taken
            self._exchanges.discard(task)
            writer.close()

    async def _answer(self, head: h11.Request, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        path, _, query = head.target.decode("ascii", "replace").partition("?")
        upgrade = any(name == b"dormouse-upgrade" for name, _ in head.headers)
        hub_class, name = self._find(path)
        if upgrade:
            return 200, [(b"dormouse-hub", f"{hub_class}/{name}".encode())], b""
        request = Request(head.method.decode("ascii"), path, query, Headers(
            [(key.decode("latin-1"), value.decode("latin-1")) for key, value in head.headers.raw_items()
             if not key.lower().startswith(_OWN) and key.lower() not in _PASSED_OVER]), body)
        answer = await self._ask(hub_class, name, calls.request_payload(request),
                                 request.headers.get("traceparent") or "")
        if answer.failure:
            return _text(503 if answer.retryable else 500, "The hub has not answered.")
        try:
            status, headers, content = calls.read_response(answer.payload)
        except RemoteError:  # it is in the log, with the hub
            return _text(500, "The hub has failed.")
        return status, [(key.encode("latin-1", "replace"), value.encode("latin-1", "replace")) for key, value in headers
                        if not key.lower().encode().startswith(_OWN)
                        and key.lower().encode() not in (*_PASSED_OVER, b"content-length")], content

    def _find(self, path: str) -> tuple[str, str]:
        for route, hub_class in self._routes:
            prefix = route[:-len(_PLACE)]
            if path.startswith(prefix):
                name = unquote(path[len(prefix):].split("/", 1)[0])
                if _NAME.fullmatch(name) and name not in (".", ".."):
                    return hub_class, name
                raise _Refused(404, "That is no name of a hub: they have 1 to 128 letters, digits, '.', '_', '~' and '-'.")
        raise _Refused(404, f"Nothing is at {path}. Hubs are at {', '.join(route for route, _ in self._routes)}.")


async def _next(connection: h11.Connection, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Any:
    while (event := connection.next_event()) is h11.NEED_DATA:
        if connection.they_are_waiting_for_100_continue:
            writer.write(connection.send(h11.InformationalResponse(status_code=100, headers=_NO_HEADERS)) or b"")
        connection.receive_data(await reader.read(65536))
    return event


async def _pass_over(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A client that is sending would not get to see an answer if the connection were closed on it."""
    writer.write_eof()
    with contextlib.suppress(asyncio.TimeoutError):
        async with asyncio.timeout(_PASSED_OVER_WITHIN):
            left = _MOST_PASSED_OVER
            while left > 0 and (chunk := await reader.read(65536)):
                left -= len(chunk)


def _text(status: int, text: str) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
    return status, [(b"content-type", b"text/plain; charset=utf-8")], text.encode() + b"\n"
