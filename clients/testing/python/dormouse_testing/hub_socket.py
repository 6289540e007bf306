"""A WebSocket for tests: frames as they are, one after the other.

Written for websockets 10.4 (Debian 12: python3-websockets); uses only what later versions offer as well.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import websockets

from .keeper import ClusterError

_CLOSE_TIMEOUT = 1.0  # seconds that a gateway gets to answer a close
# Its name changed with websockets 14.
_HEADERS = "extra_headers" if int(websockets.__version__.partition(".")[0]) < 14 else "additional_headers"


class HubSocket:
    """Of the event loop that opened it."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self._connection = connection
        self._received: list[str | bytes] = []
        self._end: tuple[int, str] | None = None
        self._changed = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def open(cls, url: str, *, protocols: list[str] | None = None, headers: dict[str, str] | None = None,
                   timeout: float = 5) -> HubSocket:
        try:
            return cls(url, await websockets.connect(  # type: ignore[attr-defined]  # pylint: disable=no-member
                url, subprotocols=protocols, open_timeout=timeout, close_timeout=_CLOSE_TIMEOUT, ping_interval=None,
                max_size=None, **{_HEADERS: headers}))
        except (OSError, EOFError, asyncio.TimeoutError, websockets.WebSocketException) as error:
            raise ClusterError(f"Cannot connect to {url}: {error or type(error).__name__}.") from error

    @property
    def is_open(self) -> bool:
        return self._end is None

    @property
    def waiting(self) -> int:
        """Messages that have come and nobody has asked for."""
        return len(self._received)

    async def send(self, data: str | bytes) -> None:
        try:
            await self._connection.send(data)
        except websockets.ConnectionClosed as error:
            await self.closed()
            raise ClusterError(f"Cannot send: {self._state()}.") from error

    async def next(self, timeout: float = 5) -> str | bytes:
        """The next message, in order. Raises after the timeout, and when the socket is closed."""
        try:
            await asyncio.wait_for(self._until(lambda: bool(self._received) or not self.is_open), timeout)
        except asyncio.TimeoutError as error:
            raise ClusterError(f"Nothing came within {timeout:g} s: {self._state()}.") from error
        if not self._received:
            raise ClusterError(f"Nothing more comes: {self._state()}.")
        return self._received.pop(0)

    async def next_json(self, timeout: float = 5) -> Any:
        return json.loads(await self.next(timeout))

    async def closed(self) -> tuple[int, str]:
        """Waits until it is closed, by whomever: code and reason."""
        await self._until(lambda: not self.is_open)
        assert self._end is not None
        return self._end

    async def close(self, code: int = 1000, reason: str = "") -> tuple[int, str]:
        await self._connection.close(code, reason)
        return await self.closed()

    async def _until(self, condition: Any) -> None:
        async with self._changed:
            await self._changed.wait_for(condition)

    async def _read(self) -> None:
        try:
            while True:
                message = await self._connection.recv()
                async with self._changed:
                    self._received.append(message)
                    self._changed.notify_all()
        except websockets.ConnectionClosed:
            pass
        async with self._changed:
            self._end = (self._connection.close_code or 1006, self._connection.close_reason or "")
            self._changed.notify_all()

    def _state(self) -> str:
        if self._end is None:
            return f"{self.url} is open"
        return f"{self.url} was closed with {self._end[0]} {self._end[1]}".rstrip()
