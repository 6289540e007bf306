"""Who sends more than leaves is told so."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from .clock import Clock, Timer


@dataclasses.dataclass(frozen=True)
class Backlog:
    """Messages that wait to be sent. `delay`: how long the oldest has waited, in seconds. `reason`: what they wait
    for, `connection`, `pause` (the hub asked for one) or `rate` (its limit); None: nothing waits."""

    waiting: int = 0
    delay: float = 0.0
    reason: str | None = None


class BacklogWatch:
    """Tells once when the oldest of what waits has waited for `after` seconds, again whenever twice as many wait as
    were told last, and once more when nothing waits any more."""

    def __init__(self, clock: Clock, after: float, look: Callable[[], Backlog], tell: Callable[[Backlog], None]) -> None:
        """`look` says how things are now."""
        self._clock = clock
        self._after = after
        self._look = look
        self._tell = tell
        self._told = 0  # how many waited when it was told last; 0: that nothing does
        self._timer: Timer | None = None

    def update(self) -> None:
        """Something may have changed."""
        backlog = self._look()
        if self._timer and (self._told or not backlog.waiting or backlog.delay >= self._after):
            self._timer.cancel()
            self._timer = None
        if not backlog.waiting:
            if self._told:
                self._say(backlog)
        elif backlog.delay < self._after:
            if not self._told and not self._timer:
                self._timer = self._clock.call_later(self._after - backlog.delay, self._look_again)
        elif not self._told or backlog.waiting >= 2 * self._told:
            self._say(backlog)

    def close(self) -> None:
        """Nothing is told any more."""
        if self._timer:
            self._timer.cancel()

    def _look_again(self) -> None:
        self._timer = None
        self.update()

    def _say(self, backlog: Backlog) -> None:
        self._told = backlog.waiting
        self._tell(backlog)
