"""Which messages have been handed over: after a resumption the hub may repeat some."""

from __future__ import annotations

import collections

LIMIT = 512


class Seen:
    """The last few hundred messages. All recipients of one publication share its id: an actor belongs to it."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._order: collections.deque[tuple[str, str]] = collections.deque()
        self._known: set[tuple[str, str]] = set()

    def is_new(self, message_id: str, recipient: str) -> bool:
        """True once for each message."""
        key = (message_id, recipient)
        if key in self._known:
            return False
        if len(self._order) == self._limit:
            self._known.remove(self._order.popleft())
        self._order.append(key)
        self._known.add(key)
        return True
