"""Heartbeats: they keep a connection, and tell when it is dead without anybody having said so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .clock import Clock
from .tasks import Notice

MISSED_LIMIT = 2  # heartbeats in a row without any frame from the server: the connection is dead
ANSWER_WITHIN = 10.0  # seconds for any frame after a heartbeat


class HeartbeatLost(Exception):
    """The connection is dead."""

    def __init__(self) -> None:
        super().__init__(f"no answer to {MISSED_LIMIT} heartbeats")


class Heartbeat:
    """Of one connection. The reader reports each frame with heard()."""

    def __init__(self, clock: Clock, send: Callable[[], Awaitable[None]]) -> None:
        self._clock = clock
        self._send = send
        self._notice = Notice()
        self._heard = 0  # frames
        self._sent_at = 0.0

    def heard(self) -> None:
        self._heard += 1
        self._notice.give()

    def age_ms(self) -> float:
        """Since the last heartbeat was sent."""
        return (self._clock.now() - self._sent_at) * 1000

    async def run(self, interval: float) -> None:
        """Sends a heartbeat each `interval` seconds. One that stays unanswered is repeated; then HeartbeatLost."""
        while True:
            await self._clock.sleep(interval)
            for _ in range(MISSED_LIMIT):
                if await self._answered(min(interval, ANSWER_WITHIN)):
                    break
            else:
                raise HeartbeatLost

    async def _answered(self, limit: float) -> bool:
        before = self._heard
        self._sent_at = self._clock.now()
        await self._send()
        if self._heard == before:
            try:
                await self._clock.within(limit, self._notice.wait())
            except TimeoutError:
                return False
        return True
