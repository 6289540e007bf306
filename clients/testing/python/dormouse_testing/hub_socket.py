"""A WebSocket for tests: frames as they are, one after the other."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import websockets

from .keeper import ClusterError


class HubSocket:
    """Of the event loop that opened it."""

    def __init__(self, url: str, connection: Any) -> None:
        self.url = url
        self._connection = connection

    @classmethod
    async def open(cls, url: str, *, protocols: list[str] | None = None, headers: dict[str, str] | None = None,
                   timeout: float = 5) -> HubSocket:
        try:
            return cls(url, await websockets.connect(  # pylint: disable=no-member
                url, subprotocols=protocols, extra_headers=headers, open_timeout=timeout, close_timeout=1, ping_interval=None,
                max_size=None, max_queue=None))
        except (OSError, asyncio.TimeoutError, websockets.WebSocketException) as error:
            raise ClusterError(f"Cannot connect to {url}: {error or type(error).__name__}.") from error

    @property
    def is_open(self) -> bool:
        return self._connection.open

    @property
    def waiting(self) -> int:
        """Messages that have come and nobody has asked for."""
        return len(self._connection.messages)

    async def send(self, data: str | bytes) -> None:
        try:
            await self._connection.send(data)
        except websockets.ConnectionClosed as error:
            raise ClusterError(f"Cannot send: {self._state()}.") from error

    async def next(self, timeout: float = 5) -> str | bytes:
        """The next message, in order. Raises after the timeout, and when the socket is closed."""
        try:
            return await asyncio.wait_for(self._connection.recv(), timeout)
        except asyncio.TimeoutError as error:
            raise ClusterError(f"Nothing came within {timeout:g} s: {self._state()}.") from error
        except websockets.ConnectionClosed as error:
            raise ClusterError(f"Nothing more comes: {self._state()}.") from error

    async def next_json(self, timeout: float = 5) -> Any:
        return json.loads(await self.next(timeout))

    async def closed(self) -> tuple[int, str]:
        """Waits until it is closed, by whomever: code and reason."""
        await self._connection.wait_closed()
        return self._connection.close_code, self._connection.close_reason

    async def close(self, code: int = 1000, reason: str = "") -> tuple[int, str]:
        await self._connection.close(code, reason)
        return await self.closed()

    def _state(self) -> str:
        if self.is_open:
            return f"{self.url} is open"
        return f"{self.url} was closed with {self._connection.close_code} {self._connection.close_reason}".rstrip()
