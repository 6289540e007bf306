"""Backup files as deploy/backup.md describes them, read and written without the product's help.

A hub is its rows: bytes -> bytes, the runtime's own among them, under the names of statekeeper/runtime/row_names.h.
"""

import hashlib
import struct
import zlib

MAGIC = b"DORMOUSE backup\n"
META = b"!meta"


def _varint(number):
    out = bytearray()
    while True:
        out.append(number & 0x7f | (0x80 if number > 0x7f else 0))
        number >>= 7
        if not number:
            return bytes(out)


def _field(number, value):
    """Of a message: bytes and text as such, numbers as varints."""
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value) if value else b""
    value = value.encode() if isinstance(value, str) else value
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def fixed64(number, value):
    return _varint(number << 3 | 1) + struct.pack("<Q", value)


def fields(message):
    """(number, value) of each field of a message."""
    at = 0

    def varint():
        nonlocal at
        number = shift = 0
        while True:
            byte = message[at]
            at += 1
            number |= (byte & 0x7f) << shift
            shift += 7
            if byte < 0x80:
                return number

    while at < len(message):
        tag = varint()
        kind = tag & 7
        if kind == 0:
            yield tag >> 3, varint()
            continue
        size = {1: 8, 5: 4}.get(kind)
        if size is None:
            size = varint()
        value = message[at:at + size]
        at += size
        yield tag >> 3, int.from_bytes(value, "little") if kind != 2 else value


def meta(alarm_ms=0, state_bytes=0):
    """The value of the row META of a hub without sockets."""
    return _field(2, alarm_ms) + _field(6, state_bytes)


def alarm_of(rows):
    """When the alarm of a hub is due; 0: it has none."""
    return dict(fields(rows.get(META, b""))).get(2, 0)


def _record(kind, message):
    return struct.pack("<II", len(message), zlib.crc32(kind + message)) + kind + message


PART_ROWS = 500


def _part(hub, rows, first, last):
    return _field(2, _field(1, hub) + _field(2, int(first)) + _field(3, int(last)) + b"".join(
        _field(4, _field(1, key) + _field(2, value)) for key, value in rows))


def _chunks(hubs, at_once):
    """A large hub is in parts, each in a chunk of its own."""
    small = []
    for hub, rows in sorted(hubs.items()):
        rows = sorted(rows.items())
        if len(rows) <= PART_ROWS:
            small.append(_part(hub, rows, True, True))
        else:
            yield from (_part(hub, rows[at:at + PART_ROWS], at == 0, at + PART_ROWS >= len(rows))
                        for at in range(0, len(rows), PART_ROWS))
    for at in range(0, len(small), at_once):
        yield b"".join(small[at:at + at_once])


def write(path, hubs, shards=1024, stored_format=1, version=1, at_once=100):
    """A backup of `hubs`, NAME -> rows, all of them in the first shard."""
    header = fixed64(1, 7) + _field(3, "0.1.0") + _field(4, stored_format) + _field(5, shards) + _field(6, "test")
    data = MAGIC + struct.pack("<I", version) + _record(b"H", header)
    for chunk in _chunks(hubs, at_once):
        data += _record(b"C", chunk)
    end = _field(1, len(hubs)) + _field(2, sum(map(len, hubs.values()))) + _field(5, hashlib.sha256(data).digest())
    with open(path, "wb") as file:
        file.write(data + _record(b"E", end))


def read(path):
    """NAME -> rows of a backup file, whose checksums are right."""
    with open(path, "rb") as file:
        data = file.read()
    assert data[:len(MAGIC)] == MAGIC and data[len(MAGIC):len(MAGIC) + 4] == struct.pack("<I", 1)
    at = len(MAGIC) + 4
    hubs = {}
    while True:
        begin = at
        size, crc = struct.unpack_from("<II", data, at)
        kind, message = data[at + 8:at + 9], data[at + 9:at + 9 + size]
        at += 9 + size
        assert zlib.crc32(kind + message) == crc
        if kind == b"E":
            assert dict(fields(message))[5] == hashlib.sha256(data[:begin]).digest() and at == len(data)
            return hubs
        for part in (value for number, value in fields(message) if kind == b"C" and number == 2):
            hub = None
            for number, value in fields(part):
                if number == 1:
                    hub = value.decode()
                    rows = hubs.setdefault(hub, {})
                elif number == 4:
                    row = dict(fields(value))
                    if 2 in row:
                        rows[row[1]] = row[2]
                    else:
                        rows.pop(row[1], None)
