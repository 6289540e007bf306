"""How long to wait between attempts."""

from __future__ import annotations

import random
from collections.abc import Callable


class Backoff:
    """Delays between attempts: 100 ms, 200 ms, 400 ms ... 30 s, each moved by up to a quarter either way."""

    def __init__(
        self,
        first: float = 0.1,
        limit: float = 30.0,
        jitter: float = 0.25,
        uniform: Callable[[float, float], float] = random.uniform,
    ) -> None:
        self._first = first
        self._limit = limit
        self._jitter = jitter
        self._uniform = uniform
        self._next = first

    def next_delay(self) -> float:
        """Seconds to wait now; the next call answers twice that."""
        delay = self._next * self._uniform(1 - self._jitter, 1 + self._jitter)
        self._next = min(self._next * 2, self._limit)
        return delay

    def reset(self) -> None:
        self._next = self._first
