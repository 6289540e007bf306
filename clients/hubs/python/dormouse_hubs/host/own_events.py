"""What an object has under way that is no event of the statekeeper: timers, work in the background, and the handlers that
these run. The object stays awake for all of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextvars import Context
from typing import TYPE_CHECKING, Any, Optional

if TYPE_CHECKING:
    from .awake_hub import AwakeHub

_Handler = Callable[..., Awaitable[Any]]


class OwnEvent:
    """Stands in line with the events of the statekeeper."""

    __slots__ = ("handler", "arguments", "outcome")

    def __init__(self, handler: _Handler, arguments: Sequence[Any], outcome: Optional[asyncio.Future[Any]]) -> None:
        self.handler = handler
        self.arguments = arguments
        self.outcome = outcome  # for who waits; None: nobody does


class Later:
    """What `self.hub.later` returns."""

    def __init__(self, timer: asyncio.TimerHandle, cancelled: Callable[[], None]) -> None:
        self._timer = timer
        self._cancelled = cancelled

    def cancel(self) -> None:
        """If it has not begun."""
        self._timer.cancel()
        self._cancelled()


class OwnEvents:
    def __init__(self, hub: AwakeHub) -> None:
        self._hub = hub
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._over = False

    def later(self, seconds: float, handler: _Handler, arguments: Sequence[Any]) -> Later:
        _check(handler)

        def fire() -> None:
            self._timers.discard(timer)
            self._hub.enqueue(OwnEvent(handler, arguments, None))  # which lets go when it has run

        def cancelled() -> None:
            if timer in self._timers:
                self._timers.discard(timer)
                self._hub.release()

        timer = self._loop.call_later(max(0.0, seconds), fire, context=Context())
        if self._over:
            timer.cancel()
        else:
            self._timers.add(timer)
            self._hub.hold()
        return Later(timer, cancelled)

    def background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        context = self._hub.log_context()
        task = context.run(self._loop.create_task, work)
        self._tasks.add(task)
        self._hub.hold()
        task.add_done_callback(self._ended)
        if self._over:
            task.cancel()
        return task

    async def run(self, handler: _Handler, arguments: Sequence[Any]) -> Any:
        _check(handler)
        if self._hub.is_handling():
            raise RuntimeError("self.hub.run is for code in the background: a handler that waited for another one of its own"
                               " hub would wait for ever. Await the method itself.")
        if self._over:
            raise asyncio.CancelledError()
        outcome: asyncio.Future[Any] = self._loop.create_future()
        self._hub.hold()
        self._hub.enqueue(OwnEvent(handler, arguments, outcome))
        return await outcome

    def end(self) -> None:
        """The object is no more."""
        self._over = True
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        for task in self._tasks:
            task.cancel()

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._hub.report(error)
        self._hub.release()


def _check(handler: Any) -> None:
    if not callable(handler) or asyncio.iscoroutine(handler):
        raise TypeError("It takes the method itself and its arguments apart: (self.tick, 1), not (self.tick(1)).")
