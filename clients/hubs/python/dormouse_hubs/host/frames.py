"""Cuts a stream of bytes into frames: a length of 4 bytes, little-endian, and that many bytes."""

from __future__ import annotations

from collections.abc import Iterator

HEAD = 4
MOST = 64 << 20  # bytes of a frame


class Frames:
    def __init__(self) -> None:
        self._rest = bytearray()  # of a frame that has not come whole
        self._need = HEAD         # so much has to be there before it is worth a look

    def take(self, chunk: bytes) -> Iterator[bytes]:
        """Frames that are whole now. Raises ValueError for what is none."""
        if self._rest:
            self._rest += chunk
            if len(self._rest) < self._need:
                return
            chunk = bytes(self._rest)
            self._rest.clear()
        at = 0
        while len(chunk) - at >= HEAD:
            end = at + HEAD + int.from_bytes(chunk[at:at + HEAD], "little")
            if end - at > HEAD + MOST:
                raise ValueError(f"a frame of {end - at - HEAD} bytes; at most {MOST} are allowed")
            if end > len(chunk):
                break
            yield chunk[at + HEAD:end]
            at = end
        if at < len(chunk):
            self._rest += chunk[at:]
            self._need = HEAD
            if len(self._rest) >= HEAD:
                self._need += int.from_bytes(self._rest[:HEAD], "little")


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(HEAD, "little") + message
