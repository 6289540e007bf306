"""Callbacks: client.on("message", fn)."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any

from .stream import Stream

NAMES = (
    "message",
    "connected",
    "resumed",
    "disconnected",
    "reconnecting",
    "paused",
    "unpaused",
    "backlog",
    "error",
)
Handler = Callable[..., Any]

_log = logging.getLogger("dormouse")


class Events:
    """Calls handlers one after another, in the order of events; a coroutine is awaited before the next call.
    So a handler may take its time, and may itself ask the hub."""

    def __init__(self, limit: int, on_overflow: Callable[[], None]) -> None:
        self._handlers: dict[str, list[Handler]] = {name: [] for name in NAMES}
        self._calls: Stream[tuple[Handler, tuple[Any, ...]]] = Stream(limit, on_overflow)

    def on(self, name: str, handler: Handler) -> None:
        """ValueError: there is no such event."""
        self._of(name).append(handler)

    def off(self, name: str, handler: Handler) -> None:
        """What is not there need not be removed."""
        if handler in self._of(name):
            self._of(name).remove(handler)

    def emit(self, name: str, *arguments: Any) -> None:
        for handler in self._of(name):
            self.call(handler, *arguments)
        if name == "error" and not self._of(name):
            _log.warning("%s", arguments[0])

    def call(self, handler: Handler, *arguments: Any) -> None:
        """One handler, in turn."""
        self._calls.put((handler, arguments))

    async def run(self) -> None:
        """Until close(), and what was emitted before it."""
        async for handler, arguments in self._calls:
            try:
                result = handler(*arguments)
                if inspect.isawaitable(result):
                    await result
            except Exception:  # pylint: disable=broad-except
                _log.exception("a handler failed")

    def close(self) -> None:
        self._calls.close()

    def _of(self, name: str) -> list[Handler]:
        if name not in self._handlers:
            raise ValueError(f"no event {name!r}; there are {', '.join(NAMES)}")
        return self._handlers[name]
