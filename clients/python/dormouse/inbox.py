"""What other actors say, on its way to those who want to hear it."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from .dialogue import Dialogues
from .envelope import Envelope, Message
from .events import Events
from .seen import Seen
from .stream import Stream
from .topics import Topics


class Inbox:
    """Hands each message over once: to the request that it answers, else to the readers of its topic, to everybody
    who iterates, to the callbacks."""

    def __init__(
        self, dialogues: Dialogues, topics: Topics, events: Events, limit: int, on_overflow: Callable[[], None]
    ) -> None:
        self.last_forwarded: str | None = None  # id of the last forwarded message that was handed over
        self._dialogues = dialogues
        self._topics = topics
        self._events = events
        self._limit = limit
        self._on_overflow = on_overflow
        self._seen = Seen()
        self._streams: weakref.WeakSet[Stream[Message]] = weakref.WeakSet()  # those that somebody still holds

    def open_stream(self) -> Stream[Message]:
        """Of everything from now on."""
        stream: Stream[Message] = Stream(self._limit, self._on_overflow)
        self._streams.add(stream)
        return stream

    def receive(self, frame: Envelope) -> None:
        message = Message.of(frame)
        if message.id is not None and not self._seen.is_new(message.id, message.to):
            return
        if not self._dialogues.take(message):
            self._hand_over(message)
            self._dialogues.handed_over(message, bool(self._streams))
        if message.id is not None and message.metadata.get("forwarded"):
            self.last_forwarded = message.id

    def announce(self, frame: Envelope) -> None:
        """What the hub itself says to a topic. It is not kept for who is away, so it is no place to resume from."""
        self._hand_over(Message.of(frame))

    def _hand_over(self, message: Message) -> None:
        self._topics.hand_over(message)
        for stream in self._streams:
            stream.put(message)
        self._events.emit("message", message)

    def close(self, error: Exception | None) -> None:
        """Every iteration comes to its end."""
        self._topics.close(error)
        for stream in self._streams:
            stream.close(error)
