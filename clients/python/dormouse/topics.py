"""Subscriptions, and who gets their messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .envelope import Message
from .errors import DormouseError
from .events import Events, Handler
from .registrations import Ask
from .stream import Stream


class Subscription(Stream[Message]):
    """Of one topic: iterate over its messages. With a handler, the handler gets them instead."""

    def __init__(self, topic: str, limit: int, leave: Callable[[str], Awaitable[None]]) -> None:
        super().__init__(limit)
        self.topic = topic
        self._leave = leave

    async def unsubscribe(self) -> None:
        """Of the whole topic."""
        await self._leave(self.topic)


class Topics:
    """Those of one client. Several subscriptions to one topic are one to the hub."""

    def __init__(self, events: Events, on_error: Callable[[DormouseError], None]) -> None:
        self._events = events
        self._on_error = on_error
        self._readers: dict[str, list[Subscription | Handler]] = {}

    def add(self, topic: str, reader: Subscription | Handler) -> None:
        self._readers.setdefault(topic, []).append(reader)

    def take_back(self, topic: str, reader: Subscription | Handler) -> None:
        """What add() added, when the hub would not have it."""
        readers = self._readers.get(topic, [])
        if reader in readers:
            readers.remove(reader)
        if not readers:
            self._readers.pop(topic, None)

    def remove(self, topic: str, error: Exception | None = None) -> None:
        """Its readers come to their end; with `error`, where given."""
        for reader in self._readers.pop(topic, []):
            if isinstance(reader, Subscription):
                reader.close(error)

    async def restore(self, ask: Ask) -> None:
        """In a new session. One that the hub refuses is given up, with an error."""
        for topic in list(self._readers):
            try:
                await ask("hub:subscribe", {"topic": topic})
            except DormouseError as error:
                if error.retryable:
                    raise
                self.remove(topic, error)
                self._on_error(error)

    def hand_over(self, message: Message) -> None:
        for reader in self._readers.get(message.topic or "", []):
            if isinstance(reader, Subscription):
                reader.put(message)
            else:
                self._events.call(reader, message)

    def close(self, error: Exception | None) -> None:
        for topic in list(self._readers):
            self.remove(topic, error)
