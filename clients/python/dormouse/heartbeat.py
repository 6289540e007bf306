"""Heartbeats: they keep a connection, and tell when it is dead without anybody having said so: soon where an answer is
awaited, or the machine slept, and in its time where nobody would miss it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .clock import Clock
from .tasks import Notice, race

MISSED_LIMIT = 2  # heartbeats in a row without any frame from the server: the connection is dead
ANSWER_WITHIN = 10.0  # seconds for any frame after a heartbeat
DOUBT_AFTER = 2.5  # seconds without a frame while an answer is awaited: time to ask
DOUBT_WITHIN = 4.0  # seconds for any frame after that
_LATE = 1.0  # seconds behind its time: this program did not run, and what came meanwhile has not been read yet
_JUMP = 3.0  # seconds behind its time by the wall clock: the machine slept, or this program was stopped


class HeartbeatLost(Exception):
    """The connection is dead."""


class Heartbeat:
    """Of one connection. The reader reports each frame with heard()."""

    def __init__(
        self, clock: Clock, send: Callable[[], Awaitable[None]], awaited_since: Callable[[], float | None] | None = None
    ) -> None:
        """`awaited_since`: when the oldest request that waits for its answer was sent; None: none does."""
        self._clock = clock
        self._send = send
        self._awaited_since = awaited_since or (lambda: None)
        self._notice = Notice()
        self._heard = 0  # frames
        self._heard_at = clock.now()
        self._sent_at = 0.0

    def heard(self) -> None:
        self._heard += 1
        self._heard_at = self._clock.now()
        self._notice.give()

    def age_ms(self) -> float:
        """Since the last heartbeat was sent."""
        return (self._clock.now() - self._sent_at) * 1000

    async def run(self, interval: float) -> None:
        """Sends a heartbeat each `interval` seconds, and others where there is doubt. Until HeartbeatLost."""
        await race(self._beat(interval), self._watch())

    async def _beat(self, interval: float) -> None:
        while True:
            await self._clock.sleep(interval)
            for _ in range(MISSED_LIMIT):
                if await self._answered(min(interval, ANSWER_WITHIN)):
                    break
            else:
                raise HeartbeatLost(f"no answer to {MISSED_LIMIT} heartbeats")

    async def _watch(self) -> None:
        while True:
            if (delay := self._until_doubt()) > 0:
                wall = self._clock.wall_ms()
                await self._clock.sleep(delay)
                if (self._clock.wall_ms() - wall) / 1000 - delay < _JUMP:
                    continue
            if not await self._answered(DOUBT_WITHIN):
                raise HeartbeatLost(f"no answer within {DOUBT_WITHIN:g} s")

    def _until_doubt(self) -> float:
        """Seconds until silence is odd; while nothing is awaited, until it is time to look again whether it is."""
        since = self._awaited_since()
        return DOUBT_AFTER if since is None else max(since, self._heard_at) + DOUBT_AFTER - self._clock.now()

    async def _answered(self, limit: float) -> bool:
        while True:
            self._sent_at = asked = self._clock.now()
            try:
                await self._clock.within(limit, self._exchanged(self._heard))
                return True
            except TimeoutError:
                if self._clock.now() - asked < limit + _LATE:
                    return False

    async def _exchanged(self, before: int) -> None:
        await self._send()  # where the path is dead even this may take for ever
        if self._heard == before:
            await self._notice.wait()
