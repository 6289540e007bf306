"""A client's socket, as its hub sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional, Union

from . import values
from .host import effects
from .http import Opening
from .values import Value

if TYPE_CHECKING:
    from .host.awake_hub import AwakeHub

# Carried by each connection whose on_connect has begun: so a broadcast reaches no other.
OPEN_TAG = "\x02open"
MAX_TAGS = 9
MAX_TAG = 256                 # bytes
MAX_ATTACHMENT = 16 << 10     # bytes
MAX_AUTO_RESPONSE = 2048      # bytes
MAX_REASON = 123              # bytes
_CODES = frozenset((1000, 1001, 1003, 1005, *range(1007, 1015)))


class Connection:
    """The same object as long as the hub is awake; what is kept in `attachment` and `tags` is there after a sleep, too."""

    __slots__ = ("_hub", "_key", "_attachment", "_tags", "_opening", "_open", "connected_at")

    def __init__(self, hub: AwakeHub, key: bytes, connected_ms: int, attachment: bytes = b"",
                 tags: tuple[str, ...] = (), opening: Optional[Opening] = None) -> None:
        self._hub = hub
        self._key = key
        self._attachment = attachment
        self._tags = tags
        self._opening = opening
        self._open = True
        self.connected_at = connected_ms / 1000  # seconds since 1970

    @property
    def id(self) -> str:
        """Of this connection alone, for all time."""
        return self._key.hex()

    @property
    def is_open(self) -> bool:
        """As far as the hub has heard."""
        return self._open

    def send(self, message: Union[str, bytes]) -> None:
        """str as text, bytes as a binary message. To one that is closed: nothing happens."""
        data, binary = message_bytes(message)
        if self._open:
            self._hub.effect((effects.SEND, self._key, data, binary), len(data))

    def close(self, code: int = 1000, reason: str = "") -> None:
        """Behind what was sent before. on_close is not called for it. 1005: without a code."""
        if code not in _CODES and not 3000 <= code <= 4999:
            raise ValueError(f"{code} is no code to close with: they are 1000, 1001, 1003, 1005, 1007-1014 and"
                             " 3000-4999.")
        if len(reason.encode()) > MAX_REASON:
            raise ValueError(f"The reason of a close has at most {MAX_REASON} bytes.")
        if not self._open:
            return
        self._hub.effect((effects.CLOSE, self._key, code, reason), len(reason))
        self._hub.close_connection(self)

    @property
    def attachment(self) -> Value:
        """A value (see values.py) of the connection's own, up to 16 KiB. None until it is set. What is read is a copy: to
        change it, set it."""
        return values.decode(self._attachment) if self._attachment else None

    @attachment.setter
    def attachment(self, value: Value) -> None:
        data = values.encode(value)
        if len(data) > MAX_ATTACHMENT:
            raise ValueError(f"An attachment has at most {MAX_ATTACHMENT} bytes; this one has {len(data)}. What is larger"
                             " belongs into self.hub.storage.")
        before = self._attachment
        if self._open:
            self._hub.effect((effects.ATTACHMENT, self._key, data), len(data))
        self._attachment = data

        def undo() -> None:
            self._attachment = before
        self._hub.on_undo(undo)

    @property
    def tags(self) -> tuple[str, ...]:
        """By which self.hub.connections(TAG) and broadcast(..., tag=TAG) find it. To be set in on_connect."""
        return self._tags

    @tags.setter
    def tags(self, tags: Union[list[str], tuple[str, ...]]) -> None:
        if isinstance(tags, str):
            raise TypeError("Tags are a list or tuple of str.")
        distinct = tuple(dict.fromkeys(tags))
        if len(distinct) > MAX_TAGS:
            raise ValueError(f"A connection has at most {MAX_TAGS} tags; these are {len(distinct)}.")
        for tag in distinct:
            if not isinstance(tag, str) or not 0 < len(tag.encode()) <= MAX_TAG or any(sign in tag for sign in "\0\1\2"):
                raise ValueError(f"{tag!r} is no tag: they have 1 to {MAX_TAG} bytes, without the bytes 0, 1 and 2.")
        if self._opening is None:
            raise RuntimeError("Tags are set in on_connect, and stay. What changes belongs into the attachment.")
        self._hub.effect((effects.TAGS, self._key, [OPEN_TAG, *distinct]), sum(map(len, distinct)))
        self._tags = distinct  # on_connect alone: what would undo it ends the connection, too

    @property
    def request(self) -> Opening:
        """What the socket was opened with; in on_connect only, since it is not kept."""
        if self._opening is None:
            raise RuntimeError("What a socket was opened with is there in on_connect only. What is needed later belongs"
                               " into the attachment.")
        return self._opening

    def set_auto_response(self, request: str, reply: str) -> None:
        """A text that is exactly `request` is answered where the socket is, and wakes nobody: for heartbeats. An empty
        request: nothing is, any more."""
        pair = request.encode(), reply.encode()
        if max(map(len, pair)) > MAX_AUTO_RESPONSE:
            raise ValueError(f"Request and reply have at most {MAX_AUTO_RESPONSE} bytes each.")
        if self._open:
            self._hub.effect((effects.AUTO_RESPONSE, self._key, *pair), sum(map(len, pair)))

    def __repr__(self) -> str:
        return f"<Connection {self.id}{'' if self._open else ', closed'}>"


def message_bytes(message: Union[str, bytes]) -> tuple[bytes, bool]:
    if isinstance(message, str):
        return message.encode(), False
    if isinstance(message, (bytes, bytearray, memoryview)):
        return bytes(message), True
    raise TypeError(f"A message is str or bytes, not {type(message).__name__}; json.dumps() makes a str of others.")
