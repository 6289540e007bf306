"""What a handler does, until it is said: tuples (KIND, ...), in order."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import worker_pb2 as wire

SEND = 1           # connection, bytes, binary
BROADCAST = 2      # bytes, binary, tag, connection or b""
CLOSE = 3          # connection, code, reason
PUT = 4            # key, value
DELETE = 5         # key
DELETE_PREFIX = 6  # prefix
ATTACHMENT = 7     # connection, bytes
TAGS = 8           # connection, list
ALARM = 10         # ms
REPLY = 11         # bytes
AUTO_RESPONSE = 12  # connection, bytes, bytes
TIMER = 13         # name, ms

WRITES = frozenset((PUT, DELETE, DELETE_PREFIX, ATTACHMENT, TAGS, ALARM, TIMER))
Effect = tuple[Any, ...]


def write(turn: wire.Turn, effects: Iterable[Effect]) -> None:
    add = turn.effects.add
    for effect in effects:
        kind = effect[0]
        one = add()
        if kind == SEND:
            send = one.send
            _, send.connection, send.data, send.binary = effect
        elif kind == BROADCAST:
            broadcast = one.broadcast
            _, broadcast.data, broadcast.binary, broadcast.tag, skipped = effect
            if skipped:
                setattr(broadcast, "except", skipped)
        elif kind == PUT:
            put = one.put
            _, put.key, put.value = effect
        elif kind == DELETE:
            one.delete = effect[1]
        elif kind == DELETE_PREFIX:
            one.delete_prefix = effect[1]
        elif kind == ATTACHMENT:
            attachment = one.attachment
            _, attachment.connection, attachment.attachment = effect
        elif kind == CLOSE:
            close = one.close
            _, close.connection, close.code, close.reason = effect
        elif kind == TAGS:
            one.tags.connection = effect[1]
            one.tags.tags.extend(effect[2])
        elif kind == ALARM:
            one.alarm_ms = effect[1]
        elif kind == REPLY:
            one.reply = effect[1]
        elif kind == AUTO_RESPONSE:
            response = one.auto_response
            _, response.connection, response.request, response.reply = effect
        elif kind == TIMER:
            _, one.timer.name, one.timer.due_ms = effect
        else:
            raise AssertionError(f"no effect {kind}")
