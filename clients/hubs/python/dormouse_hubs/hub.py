"""What the class of a hub derives from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar, Union

from .connection import Connection
from .context import HubContext
from .http import Answer, Request

_Method = TypeVar("_Method", bound=Callable[..., Awaitable[Any]])
RPC_MARK = "_dormouse_rpc"


def rpc(method: _Method) -> _Method:
    """Marks a method of a hub (async def) that others may call: `await self.hub.other(Room, "lobby").method(...)`."""
    setattr(method, RPC_MARK, True)
    return method


@dataclass(frozen=True)
class AlarmInfo:
    attempt: int  # 0: the first; else how often the handler has failed since the alarm, or the timer, was set


class Hub:
    """One object for each hub that is awake. Its handlers run one at a time, each from its beginning to its end.

    A handler happens as a whole: what it writes is durable before what it sends leaves, and if it raises, what it
    has written and sent is undone. What it has set in the object itself (self.x) stays. When nothing happens for a
    while the object goes, sockets stay, and the next event makes another object: what is to be kept belongs into
    self.hub.storage and into the attachments of connections.
    """

    def __init__(self, hub: HubContext) -> None:
        self.hub = hub

    async def on_wake(self) -> None:
        """Before the first event of a new object. If it raises, that event fails, and the next one tries again."""

    async def on_connect(self, connection: Connection) -> None:
        """A socket was opened. Whoever is not wanted is closed here (connection.close); if it raises, with 1011."""

    async def on_message(self, connection: Connection, message: Union[str, bytes]) -> None:
        """A text is str, a binary message bytes."""

    async def on_close(self, connection: Connection, code: int, reason: str) -> None:
        """The connection is no longer among the hub's. Not called for one that the hub has closed. 1006: it broke."""

    async def on_alarm(self, info: AlarmInfo) -> None:
        """self.hub.set_alarm's time has come. If it raises, it is tried again after 2, 4, ... s, six times."""

    async def on_timer(self, name: str, info: AlarmInfo) -> None:
        """The time of self.hub.timers.set(name, ...) has come. If it raises, as on_alarm."""

    async def on_request(self, request: Request) -> Answer:
        """A plain HTTP request at the hub's address, or below it."""
        raise NotImplementedError
