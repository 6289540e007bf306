"""Values as bytes: what is stored, attached to a connection, and passed between hubs.

A value is what JSON can say (None, bool, int, float, str, lists, dicts with keys of str), and bytes, anywhere in it.
Tuples come back as lists. Bytes alone are kept as they are; within other values they are written in base64, as
{"$bytes": "..."}, and a dict that begins like that with its key doubled, so nothing is mistaken for another thing.
All else is plain JSON, which operators and hubs in other languages can read.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

Value = Any  # what the docstring says; a recursive type would be in the way of those who read values

_RAW = b"\0"  # no JSON begins so
_BYTES = "$bytes"
_MOST_DEEP = 100  # the most that values are nested


def encode(value: Value) -> bytes:
    """Raises TypeError or ValueError for what is no value."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _RAW + bytes(value)
    return json.dumps(to_json(value), ensure_ascii=False, separators=(",", ":")).encode()


def decode(data: bytes) -> Value:
    """A copy of its own for each caller."""
    if data[:1] == _RAW:
        return data[1:]
    return from_json(json.loads(data)) if b"$" in data else json.loads(data)


def to_json(value: Value, depth: int = 0) -> Any:
    """The same without bytes."""
    if value is None or isinstance(value, (str, bool, int)):
        return value
    if depth == _MOST_DEEP:
        raise ValueError(f"A value is nested {_MOST_DEEP} deep at most; this one is deeper, or contains itself.")
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{value} cannot be kept or passed on: JSON has no such number.")
        return value
    if isinstance(value, (list, tuple)):
        return [to_json(each, depth + 1) for each in value]
    if isinstance(value, dict):
        return {_key(key): to_json(each, depth + 1) for key, each in value.items()}
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {_BYTES: base64.b64encode(value).decode()}
    raise TypeError(f"A {type(value).__name__} cannot be kept or passed on: values are what JSON can say, and bytes.")


def from_json(value: Any) -> Value:
    if isinstance(value, list):
        return [from_json(each) for each in value]
    if not isinstance(value, dict):
        return value
    if len(value) == 1 and isinstance(value.get(_BYTES), str):
        return base64.b64decode(value[_BYTES])
    return {key[1:] if key.startswith("$$") else key: from_json(each) for key, each in value.items()}


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise TypeError(f"The keys of a dict are str, not {type(key).__name__} ({key!r}): JSON has no others.")
    return "$" + key if key.startswith("$") else key
