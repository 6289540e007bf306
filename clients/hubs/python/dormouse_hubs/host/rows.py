"""The rows of a hub, as far as its object knows them: all that it has written, and what it has read. What is here is
never older than what the statekeeper has."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from typing import Optional, Union


class Unknown:
    """Of a row: it is to be read."""


UNKNOWN = Unknown()
_Undo = Callable[[], None]


class Rows:
    def __init__(self, rows: Iterable[tuple[bytes, bytes]], complete: bool) -> None:
        self._values: dict[bytes, Optional[bytes]] = dict(rows)  # None: there is no such row
        self._complete = complete
        self._sorted: Optional[list[bytes]] = None  # keys of those that there are; None: to be made
        self._erased: list[bytes] = []  # all rows whose keys begin so, but those here, are gone
        # All rows before this key are here.
        self._known_below = max(self._values) + b"\0" if self._values and not complete else b""

    def get(self, key: bytes) -> Union[bytes, None, Unknown]:
        value = self._values.get(key, UNKNOWN)
        if value is not UNKNOWN or not (self._complete or key < self._known_below or self._is_erased(key)):
            return value
        return None

    def put(self, key: bytes, value: Optional[bytes]) -> _Undo:
        """None: deletes it. Returns what takes it back."""
        before = self._values.get(key, UNKNOWN)
        self._set(key, value)
        return lambda: self._restore(key, before)

    def erase(self, prefix: bytes) -> _Undo:
        before = self._values, self._erased
        self._values = {key: value for key, value in self._values.items() if not key.startswith(prefix)}
        self._erased = [*self._erased, prefix]
        self._sorted = None

        def undo() -> None:
            self._values, self._erased = before
            self._sorted = None
        return undo

    def learn(self, key: bytes, value: Optional[bytes]) -> None:
        """What the statekeeper says of a row."""
        if key not in self._values and not self._is_erased(key):
            self._set(key, value)

    def knows(self, start: bytes, end: bytes) -> bool:
        """All from `start` to before `end`."""
        return self._complete or end <= self._known_below or any(
            start.startswith(prefix) and end <= after(prefix) for prefix in self._erased)

    def keys(self, start: bytes, end: bytes) -> list[bytes]:
        """Of known rows that there are, in order."""
        if self._sorted is None:
            self._sorted = sorted(key for key, value in self._values.items() if value is not None)
        return self._sorted[bisect_left(self._sorted, start):bisect_left(self._sorted, end)]

    def _set(self, key: bytes, value: Optional[bytes]) -> None:
        was_there = self._values.get(key) is not None
        self._values[key] = value
        if self._sorted is None or was_there == (value is not None):
            return
        if value is None:
            del self._sorted[bisect_left(self._sorted, key)]
        else:
            insort(self._sorted, key)

    def _restore(self, key: bytes, before: Union[bytes, None, Unknown]) -> None:
        if isinstance(before, Unknown):
            self._set(key, None)
            del self._values[key]
        else:
            self._set(key, before)

    def _is_erased(self, key: bytes) -> bool:
        return bool(self._erased) and any(key.startswith(prefix) for prefix in self._erased)


def after(prefix: bytes) -> bytes:
    """The first key above all that begin so. A prefix has a byte that is not 0xff."""
    kept = prefix.rstrip(b"\xff")
    return kept[:-1] + bytes([kept[-1] + 1])
