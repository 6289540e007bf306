"""The time, and waiting for it. A test brings a clock of its own and need not wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .tasks import race


class Timer(Protocol):
    """Of Clock.call_later."""

    def cancel(self) -> None: ...


class Clock:
    """The machine's. Times in seconds where nothing else is said."""

    def now(self) -> float:
        """Counts on whatever the wall clock does."""
        return time.monotonic()

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return time.time_ns() // 1_000_000

    def call_later(self, delay: float, callback: Callable[..., None], *arguments: Any) -> Timer:
        return asyncio.get_running_loop().call_later(delay, callback, *arguments)

    async def sleep(self, delay: float) -> None:
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        timer = self.call_later(delay, _wake, woken)
        try:
            await woken
        finally:
            timer.cancel()

    async def within(self, limit: float, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """The coroutine's result; TimeoutError when it takes longer than `limit`, and it is cancelled."""

        async def too_late() -> None:
            await self.sleep(limit)
            raise TimeoutError

        return await race(coroutine, too_late())


def _wake(woken: asyncio.Future[None]) -> None:
    if not woken.done():
        woken.set_result(None)
