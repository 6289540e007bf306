"""What comes, for a reader that takes it in its own time."""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Generic, TypeVar

from .tasks import Notice

T = TypeVar("T")


class Stream(Generic[T]):
    """A bounded queue to iterate over. Where it is full the oldest item gives way: the connection must be read on,
    or the answers that the reader itself waits for would not come."""

    def __init__(self, limit: int, on_overflow: Callable[[], None] | None = None) -> None:
        self._items: collections.deque[T] = collections.deque()
        self._limit = limit
        self._on_overflow = on_overflow
        self._overflowing = False
        self._notice = Notice()
        self._closed = False
        self._error: Exception | None = None

    def put(self, item: T) -> None:
        if self._closed:
            return
        if len(self._items) >= self._limit:
            self._items.popleft()
            if not self._overflowing and self._on_overflow:
                self._overflowing = True  # said once, until the reader has caught up
                self._on_overflow()
        self._items.append(item)
        self._notice.give()

    def close(self, error: Exception | None = None) -> None:
        """The iteration ends after what is there already; with `error`, where given."""
        self._closed = True
        self._error = self._error or error
        self._notice.give()

    def __aiter__(self) -> Stream[T]:
        return self

    async def __anext__(self) -> T:
        while not self._items:
            self._overflowing = False
            if self._closed:
                raise self._error or StopAsyncIteration
            await self._notice.wait()
        return self._items.popleft()
