"""self.hub: what a hub knows of itself, and can do."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Optional, TypeVar, Union, overload

from .connection import OPEN_TAG, Connection, message_bytes
from .host import effects
from .storage import Storage
from .timers import Timers, When, due_ms

if TYPE_CHECKING:
    from .host.awake_hub import AwakeHub
    from .host.own_events import Later

_T = TypeVar("_T")
_Handler = Callable[..., Awaitable[Any]]
_HubT = TypeVar("_HubT")


class HubContext:
    """What changes or sends something is for handlers, and what they await; elsewhere it raises a RuntimeError."""

    def __init__(self, awake: AwakeHub) -> None:
        self._awake = awake
        self.storage = Storage(awake)
        self.timers = Timers(awake)

    @property
    def class_name(self) -> str:
        return self._awake.class_name

    @property
    def name(self) -> str:
        """Together with the class it names this hub and no other: /chat/lobby leads to the one named "lobby"."""
        return self._awake.name

    @property
    def now(self) -> float:
        """Seconds since 1970, when the event that is being handled began."""
        return self._awake.now_ms / 1000

    @property
    def repeated(self) -> bool:
        """The event that is being handled may have been handled before, since a process has ended meanwhile: of what it did,
        only what was synced is there. For what cannot be undone, such as a payment elsewhere."""
        return self._awake.repeated

    # ---- connections

    def connections(self, tag: Optional[str] = None) -> list[Connection]:
        """All that are open, or those with the tag."""
        everybody = self._awake.connections.values()
        return list(everybody) if tag is None else [each for each in everybody if tag in each.tags]

    def broadcast(self, message: Union[str, bytes], *, tag: Optional[str] = None,
                  skip: Optional[Connection] = None) -> None:
        """To all open connections, or those with the tag, but one. Said once, however many they are."""
        data, binary = message_bytes(message)
        skipped = b"" if skip is None else skip._key  # pylint: disable=protected-access
        self._awake.effect((effects.BROADCAST, data, binary, OPEN_TAG if tag is None else tag, skipped), len(data))

    # ---- the alarm

    def set_alarm(self, when: When) -> None:
        """The hub's one alarm: on_alarm runs then, or as soon after as can be, asleep or awake, at least once. A number is
        seconds since 1970 (time.time()), a timedelta counts from now. It takes the place of the one before."""
        self._awake.set_alarm(due_ms(when, self._awake.now_ms))

    def get_alarm(self) -> Optional[float]:
        """When it is due, in seconds since 1970; None: there is none."""
        return self._awake.alarm_ms / 1000 or None

    def delete_alarm(self) -> None:
        self._awake.set_alarm(0)

    # ---- others

    @overload
    def other(self, hub_class: type[_HubT], name: str, *, timeout: Optional[float] = None) -> _HubT: ...

    @overload
    def other(self, hub_class: str, name: str, *, timeout: Optional[float] = None) -> Any: ...

    def other(self, hub_class: Any, name: str, *, timeout: Optional[float] = None) -> Any:
        """Stands for another hub, wherever it lives: `await self.hub.other(Room, "lobby").who()` calls the method `who`
        there, if that is marked with @rpc. What this handler has written is durable before the call leaves. Raises
        CallFailed; RemoteError for what the method has raised; CallCycle where the other one waits for this handler.
        `timeout`: seconds; the option call-timeout where it is not given."""
        return self._awake.stub(hub_class if isinstance(hub_class, str) else hub_class.__name__, name, timeout or 0)

    async def sync(self) -> None:
        """Returns when what was written so far is durable. What the handler has done until then has left, and is not
        undone any more."""
        await self._awake.sync()

    # ---- what goes on

    def later(self, seconds: float, handler: _Handler, *arguments: Any) -> Later:
        """Runs a method as a handler of its own after that time. The hub stays awake for it; it is gone after a crash.
        What has to happen in any case takes the alarm or a timer (self.hub.timers). Returns what can cancel() it."""
        return self._awake.own.later(seconds, handler, arguments)

    def background(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Runs a coroutine beside handlers, for what waits long (a request to somewhere). The hub stays awake for it. It is
        no handler: what it has found out goes back through `await self.hub.run(self.method, found)`."""
        return self._awake.own.background(work)

    async def run(self, handler: Callable[..., Awaitable[_T]], *arguments: Any) -> _T:
        """For code in the background: runs a method as a handler, in line with others, and returns what it does."""
        result: _T = await self._awake.own.run(handler, arguments)
        return result
