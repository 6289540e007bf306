"""self.hub.timers: for things that are to happen at times of their own, beside the alarm."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Optional, Union

if TYPE_CHECKING:
    from .host.awake_hub import AwakeHub

When = Union[float, datetime, timedelta]
MAX_NAME = 64  # bytes


class Timers:
    """Up to 100 of a hub, by name. on_timer(name, info) runs when one is due, or as soon after as can be, asleep or awake, at
    least once; each is tried again, and given up, by itself. What a handler sets and deletes goes with all else that it does."""

    def __init__(self, hub: AwakeHub) -> None:
        self._hub = hub

    def set(self, name: str, when: When) -> None:
        """A number is seconds since 1970 (time.time()), a timedelta counts from now. It takes the place of the one before."""
        self._hub.set_timer(_checked(name), due_ms(when, self._hub.now_ms))

    def get(self, name: str) -> Optional[float]:
        """When it is due, in seconds since 1970; None: it is not set."""
        return self._hub.timers.get(name, 0) / 1000 or None

    def delete(self, name: str) -> None:
        """Where it is not set, nothing happens."""
        self._hub.set_timer(_checked(name), 0)

    def all(self) -> dict[str, float]:
        """When each is due, by name."""
        return {name: due / 1000 for name, due in sorted(self._hub.timers.items())}


def due_ms(when: When, now_ms: int) -> int:
    if isinstance(when, timedelta):
        due = now_ms + when / timedelta(milliseconds=1)
    elif isinstance(when, datetime):
        due = (when if when.tzinfo else when.astimezone()).astimezone(timezone.utc).timestamp() * 1000
    else:
        due = when * 1000
    return max(1, round(due))


def _checked(name: str) -> str:
    if not isinstance(name, str):
        raise TypeError(f"A timer's name is a str, not {type(name).__name__}.")
    size = len(name.encode())
    if not 0 < size <= MAX_NAME:
        raise ValueError(f"A timer's name has 1 to {MAX_NAME} bytes; {name[:80]!r} has {size}.")
    return name
