"""What a hub keeps: values by keys, in the cluster's store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Optional

from . import values
from .host import effects
from .host.rows import Unknown, after
from .values import Value

if TYPE_CHECKING:
    from .host.awake_hub import AwakeHub

_PREFIX = b"k:"
MAX_KEY = 2048          # bytes
MAX_VALUE = 128 << 10   # bytes, as values.encode makes them


class Storage:
    """Keys are str of 1 to 2,048 bytes in UTF-8, in the order of their code points. Values are what JSON can say, and bytes
    (see values.py), up to 128 KiB each as JSON. What is read is a copy.

    put and delete count at once, for those who read afterwards, and go with the handler. get and list wait where the rows
    have to be read: those of a small hub are there when it wakes, and what was read once stays.
    """

    def __init__(self, hub: AwakeHub) -> None:
        self._hub = hub

    async def get(self, key: str, default: Value = None) -> Value:
        row = _row_key(key)
        value = self._hub.rows.get(row)
        if isinstance(value, Unknown):
            await self._hub.read_rows([row])
            value = self._hub.rows.get(row)
        return default if value is None or isinstance(value, Unknown) else values.decode(value)

    def put(self, key: str, value: Value) -> None:
        row, data = _row_key(key), values.encode(value)
        if len(data) > MAX_VALUE:
            raise ValueError(f"A value has at most {MAX_VALUE} bytes; that of {key!r} has {len(data)}.")
        self._hub.effect((effects.PUT, row, data), len(row) + len(data))
        self._hub.on_undo(self._hub.rows.put(row, data))

    def delete(self, key: str) -> None:
        """Where there is none, nothing happens."""
        row = _row_key(key)
        if self._hub.rows.get(row) is None:
            return
        self._hub.effect((effects.DELETE, row), len(row))
        self._hub.on_undo(self._hub.rows.put(row, None))

    def delete_all(self, prefix: str = "") -> None:
        """Of all keys that begin so. The alarm, attachments and connections stay."""
        row = _PREFIX + _bytes(prefix)
        self._hub.effect((effects.DELETE_PREFIX, row), len(row))
        self._hub.on_undo(self._hub.rows.erase(row))

    async def list(self, prefix: str = "", *, start: Optional[str] = None, end: Optional[str] = None,
                   limit: Optional[int] = None, reverse: bool = False) -> dict[str, Value]:
        """In the order of the keys, or the other way round: those that begin with `prefix`, from `start` on, before
        `end`; the first `limit` of them."""
        if limit is not None and limit < 1:
            raise ValueError("`limit` is at least 1.")
        low, high = _PREFIX + _bytes(prefix), after(_PREFIX + _bytes(prefix))
        if start is not None:
            low = max(low, _PREFIX + _bytes(start))
        if end is not None:
            high = min(high, _PREFIX + _bytes(end))
        if low >= high:
            return {}
        rows = self._hub.rows
        if not rows.knows(low, high):
            await self._hub.read_range(low, high, limit, reverse)
        keys = rows.keys(low, high)
        if reverse:
            keys.reverse()
        found = {}
        for key in keys[:limit]:
            value = rows.get(key)
            assert isinstance(value, bytes)
            found[key[len(_PREFIX):].decode()] = values.decode(value)
        return found


def _row_key(key: str) -> bytes:
    data = _bytes(key)
    if not 0 < len(data) <= MAX_KEY:
        raise ValueError(f"A key has 1 to {MAX_KEY} bytes; this one has {len(data)}.")
    return _PREFIX + data


def _bytes(key: str) -> bytes:
    if not isinstance(key, str):
        raise TypeError(f"A key is a str, not {type(key).__name__}.")
    if "\0" in key:
        raise ValueError("A key has no zero bytes.")
    return key.encode()
