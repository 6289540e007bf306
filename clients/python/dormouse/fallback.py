"""A connection without a WebSocket: event streams or polls down, POSTs up (clients/fallback.md).

To the rest of the client it is a socket as `websockets` makes them: send, recv, close, ConnectionClosed.
"""

from __future__ import annotations

import asyncio
import base64
import collections
import contextlib
import json
import ssl
import time
import urllib.parse
from collections.abc import Callable, Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed, ConnectionClosedError, ConnectionClosedOK
from websockets.frames import Close

from .errors import ConnectError
from .event_stream import EventReader, StreamEvent
from .http_wire import HttpConnection, HttpError

OPEN_TIMEOUT = 10.0  # seconds, for the answer to the opening request
STREAM_TIMEOUT = 4.0  # until the first event of a stream: longer, and somebody on the way waits for its end
EMPTY_STREAMS = 3  # in a row that were cut before their first event, after EMPTY_AFTER: that is the same
EMPTY_AFTER = 0.1
SEND_TIMEOUT = 15.0  # for the answer to messages; then they are sent again
FLUSH_TIMEOUT = 2.0  # that leaving waits for what is still to be sent
CONFIRM_AFTER = 5.0  # from an event until it is confirmed, where nothing else does that
CONFIRM_EVENTS = 100
CONFIRM_BYTES = 64 << 10
MAX_BODY = 1 << 20  # of messages that go in one request, where they are several
_RETRY = (0.0, 0.1, 0.2, 0.5, 1.0)  # seconds until the next try
_ABNORMAL = 1006


class FallbackSocket:
    """Made by open_fallback."""

    def __init__(
        self,
        url: str,
        details: Mapping[str, Any],
        transport: str,
        on_buffered: Callable[[], None],
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`transport`: "sse" or "poll"; `on_buffered` is called where streams do not get through."""
        parts = urllib.parse.urlsplit(url)
        self._path = (parts.path or "/").rstrip("/") + "/@fallback"
        self._id = str(details["id"])
        self._window = float(details.get("window", 15000)) / 1000
        self._heartbeat = float(details.get("heartbeat", 15000)) / 1000
        self._wait = float(details.get("wait", 25000)) / 1000
        self.subprotocol = str(details.get("protocol", "")) or None
        self.kind = transport
        self.cuts = 0  # streams and polls that broke
        self._empty = 0  # streams in a row that were cut before their first event
        self._on_buffered = on_buffered
        self._down = HttpConnection(url, OPEN_TIMEOUT, tls)
        self._up = HttpConnection(url, OPEN_TIMEOUT, tls)
        self._inbox: collections.deque[str | bytes] = collections.deque()
        self._outbox: collections.deque[bytes] = collections.deque()
        self._first = 1  # the number of the oldest in the outbox
        self._got = 0  # the number of the last event
        self._confirmed = 0
        self._unconfirmed_bytes = 0
        self._unconfirmed_since: float | None = None
        self._confirm_now = False
        self._contact = time.monotonic()
        self._changed = asyncio.Event()  # something is to be sent
        self._arrived = asyncio.Event()  # something is to be read
        self._sent = asyncio.Event()
        self._end: Close | None = None
        self._tasks = [asyncio.ensure_future(self._fetch()), asyncio.ensure_future(self._post())]

    # --- As a WebSocket.

    @property
    def transport(self) -> FallbackSocket:
        return self

    @property
    def open(self) -> bool:
        return self._end is None

    async def send(self, message: str | bytes) -> None:
        if self._end is not None:
            raise self._closed()
        data = message.encode() if isinstance(message, str) else bytes(message)
        kind = "text" if isinstance(message, str) else "binary"
        self._outbox.append(f"{kind} {len(data)}\n".encode() + data)
        self._changed.set()
        while len(self._outbox) > 1000 and self._end is None:  # who says much waits for what is under way
            self._sent.clear()
            await self._sent.wait()

    async def recv(self) -> str | bytes:
        while not self._inbox:
            if self._end is not None:
                raise self._closed()
            self._arrived.clear()
            await self._arrived.wait()
        return self._inbox.popleft()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        if self._end is None:
            with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(self._flushed(), FLUSH_TIMEOUT)
        if self._end is None:
            self._finish(code, reason)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            query = urllib.parse.urlencode({"code": code, "reason": reason})
            target = f"{self._target('close')}&after={self._got}&{query}"
            with contextlib.suppress(HttpError, OSError, asyncio.TimeoutError, TimeoutError):
                await asyncio.wait_for(self._whole("POST", target, b""), FLUSH_TIMEOUT)
        await self._leave()

    def abort(self) -> None:
        """Without a word."""
        self._finish(_ABNORMAL, "")
        for task in self._tasks:
            task.cancel()
        self._down.abort()
        self._up.abort()

    async def _leave(self) -> None:
        for task in self._tasks:
            if task is not asyncio.current_task():
                task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._down.abort()
        self._up.abort()

    async def _flushed(self) -> None:
        while self._outbox and self._end is None:
            self._sent.clear()
            await self._sent.wait()

    def _closed(self) -> ConnectionClosed:
        assert self._end is not None
        if self._end.code == _ABNORMAL:
            return ConnectionClosedError(None, None)
        kind = ConnectionClosedOK if self._end.code in (1000, 1001) else ConnectionClosedError
        return kind(self._end, None)

    def _finish(self, code: int, reason: str) -> None:
        self._end = self._end or Close(code, reason)
        self._arrived.set()
        self._sent.set()
        self._changed.set()

    # --- Down.

    def _target(self, call: str) -> str:
        return f"{self._path}/{call}?id={self._id}"

    async def _fetch(self) -> None:
        failures = 0
        while self._end is None:
            before = self._got
            try:
                if self.kind == "sse":
                    went_well = await self._stream()
                else:
                    went_well = await self._poll()
            except (HttpError, OSError, asyncio.TimeoutError, TimeoutError, UnicodeDecodeError):
                if self._empty >= EMPTY_STREAMS and self.kind == "sse":
                    self._give_streams_up()
                self._down.abort()
                self.cuts += 1
                went_well = False
            if self._end is not None:
                return
            if went_well or self._got > before:
                failures = 0
                continue
            if time.monotonic() - self._contact > self._window:
                return self._finish(_ABNORMAL, "the gateway is out of reach")
            await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
            failures += 1

    async def _stream(self) -> bool:
        """One answer, until it ends. False: nothing came of it."""
        target = f"{self._target('events')}&after={self._got}"
        started = time.monotonic()
        opened = False
        try:
            response = await asyncio.wait_for(self._down.request("GET", target), STREAM_TIMEOUT)
            if response.status != 200:
                return await self._refused(response.status, await response.text())
            reader = EventReader()
            pieces = response.pieces()
            while True:
                patience = self._heartbeat * 2 + 5 if opened else max(STREAM_TIMEOUT - time.monotonic() + started, 0.01)
                try:
                    piece = await asyncio.wait_for(pieces.__anext__(), patience)
                except StopAsyncIteration:
                    return opened
                self._contact = time.monotonic()
                for event in reader.feed(piece):
                    opened = True
                    self._on_event(event)
                    if self._end is not None:
                        return True
        except (asyncio.TimeoutError, TimeoutError):
            if time.monotonic() - started >= STREAM_TIMEOUT and not opened:
                self._give_streams_up()
            raise
        finally:
            if opened:
                self._empty = 0
            elif time.monotonic() - started >= EMPTY_AFTER:
                self._empty += 1

    def _give_streams_up(self) -> None:
        self.kind = "poll"
        self._on_buffered()

    async def _poll(self) -> bool:
        target = f"{self._target('poll')}&after={self._got}"
        confirmed = self._got
        response = await asyncio.wait_for(self._down.request("GET", target), self._wait + 10)
        body = await asyncio.wait_for(response.text(), 10 + self._wait)
        self._contact = time.monotonic()
        if response.status != 200:
            return await self._refused(response.status, body)
        self._on_confirmed(confirmed)
        for event in EventReader().feed(body.encode()):
            if event.kind != "confirm":  # the next poll does that
                self._on_event(event)
        return True

    async def _refused(self, status: int, body: str) -> bool:
        if status in (400, 404, 410):
            self._finish(_ABNORMAL, body.strip())
        return False

    def _on_event(self, event: StreamEvent) -> None:
        if event.kind == "confirm":
            self._confirm_now = True
            self._changed.set()
            return
        if event.number is None or event.number <= self._got:
            return
        self._got = event.number
        self._unconfirmed_bytes += len(event.data)
        self._unconfirmed_since = self._unconfirmed_since or time.monotonic()
        if event.kind == "message":
            self._inbox.append(event.data)
        elif event.kind == "binary":
            self._inbox.append(base64.b64decode(event.data))
        elif event.kind == "base64":
            self._inbox.append(base64.b64decode(event.data).decode())
        elif event.kind == "close":
            end = json.loads(event.data)
            self._finish(int(end["code"]), str(end["reason"]))
            return
        self._arrived.set()
        self._changed.set()

    # --- Up.

    def _is_confirmation_due(self) -> bool:
        waiting = self._got - self._confirmed
        if waiting == 0:
            self._confirm_now = False
        elif self.kind == "sse":
            since = self._unconfirmed_since or time.monotonic()
            return (
                self._confirm_now
                or waiting >= CONFIRM_EVENTS
                or self._unconfirmed_bytes >= CONFIRM_BYTES
                or time.monotonic() - since >= CONFIRM_AFTER
            )
        return False

    def _on_confirmed(self, number: int) -> None:
        self._confirmed = max(self._confirmed, number)
        if self._confirmed == self._got:
            self._unconfirmed_bytes = 0
            self._unconfirmed_since = None

    async def _post(self) -> None:
        failures = 0
        while self._end is None or self._got > self._confirmed:
            if not self._outbox and not self._is_confirmation_due() and self._end is None:
                self._changed.clear()
                patience = None if self._unconfirmed_since is None or self.kind != "sse" else CONFIRM_AFTER / 4
                with contextlib.suppress(asyncio.TimeoutError, TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), patience)
                continue
            got = self._got
            try:
                await self._send_some(got)
                failures = 0
            except (HttpError, OSError, asyncio.TimeoutError, TimeoutError):
                self._up.abort()
                if self._end is not None:
                    return
                if time.monotonic() - self._contact > self._window:
                    return self._finish(_ABNORMAL, "the gateway is out of reach")
                await asyncio.sleep(_RETRY[min(failures, len(_RETRY) - 1)])
                failures += 1
            if self._end is not None:
                return

    async def _send_some(self, got: int) -> None:
        parts: list[bytes] = []
        size = 0
        for message in self._outbox:
            if parts and size + len(message) > MAX_BODY:
                break
            parts.append(message)
            size += len(message)
        first = self._first
        target = f"{self._target('send')}&from={first}&after={got}"
        status, body = await asyncio.wait_for(self._whole("POST", target, b"".join(parts)), SEND_TIMEOUT + size / 10_000)
        if status in (200, 409):
            self._contact = time.monotonic()
            received = json.loads(body)["received"] if body.startswith("{") else None
            if received is None:  # a later request has taken its place: there is none but those given up
                raise HttpError(body)
            if received < first - 1:
                return self._finish(_ABNORMAL, "the gateway has lost messages")
            while self._outbox and self._first <= received:
                self._outbox.popleft()
                self._first += 1
            if status == 200:
                self._confirm_now = self._confirm_now and self._got > got
                self._on_confirmed(got)
            self._sent.set()
        elif status in (400, 404, 410, 413):
            self._finish(_ABNORMAL, body.strip())
        else:
            raise HttpError(f"answered with {status}")

    async def _whole(self, method: str, target: str, body: bytes) -> tuple[int, str]:
        response = await self._up.request(method, target, {"Content-Type": "text/plain"}, body)
        return response.status, await response.text()


async def open_fallback(
    url: str,
    headers: Mapping[str, str] | None = None,
    transport: str = "sse",
    on_buffered: Callable[[], None] = lambda: None,
    tls: ssl.SSLContext | None = None,
) -> FallbackSocket:
    """Opens a connection as a WebSocket at `url` would be. ConnectError: there is none, and why."""
    parts = urllib.parse.urlsplit(url)
    where = parts.netloc
    target = (parts.path or "/").rstrip("/") + "/@fallback" + (f"?{parts.query}" if parts.query else "")
    connection = HttpConnection(url, OPEN_TIMEOUT, tls)
    try:
        response = await asyncio.wait_for(connection.request("POST", target, headers, b""), OPEN_TIMEOUT)
        body = await asyncio.wait_for(response.text(), OPEN_TIMEOUT)
    except (asyncio.TimeoutError, TimeoutError):
        raise ConnectError(f"no answer from {where} within {OPEN_TIMEOUT:g} s", True) from None
    except (HttpError, OSError) as error:
        raise ConnectError(f"cannot reach {where}: {error}", True) from None
    finally:
        connection.abort()
    if response.status != 201:
        raise refusal(response.status, body.strip())
    try:
        return FallbackSocket(url, json.loads(body), transport, on_buffered, tls)
    except (ValueError, KeyError):
        raise ConnectError(f"what answers at {where} is no gateway", True) from None


def refusal(status: int, why: str) -> ConnectError:
    """Of an answer to who wanted a connection."""
    retryable = status >= 500 or status in (408, 425, 429)
    code = "unauthorized" if status in (401, 403) else "connect_failed"
    error = ConnectError(f"refused with {status}: {why}", retryable, code)
    error.details["status"] = status
    return error
