"""Events of an event stream (HTML, 9.2.6), as fallback connections write them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator


@dataclasses.dataclass
class StreamEvent:
    number: int | None  # its id
    kind: str
    data: str


class EventReader:
    """Takes a stream apart, cut anywhere."""

    def __init__(self) -> None:
        self._rest: list[bytes] = []  # of a line whose end has not come
        self._number: int | None = None
        self._kind = "message"
        self._data: list[str] = []

    def feed(self, piece: bytes) -> Iterator[StreamEvent]:
        """Lines end with a line feed alone: a carriage return is in no line that a gateway writes."""
        *lines, rest = piece.split(b"\n")
        for line in lines:
            self._rest.append(line)
            event = self._line(b"".join(self._rest).decode("utf-8"))
            self._rest.clear()
            if event is not None:
                yield event
        if rest:
            self._rest.append(rest)

    def _line(self, line: str) -> StreamEvent | None:
        if not line:
            event = StreamEvent(self._number, self._kind, "\n".join(self._data))
            named = self._data or self._number is not None or self._kind != "message"
            self._number, self._kind, self._data = None, "message", []
            return event if named else None
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._kind = value
        elif name == "id" and value.isdigit():
            self._number = int(value)
        return None
