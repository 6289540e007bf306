"""What the programs for a terminal share: lines in, lines out."""

from __future__ import annotations

import asyncio
import codecs
import datetime
import os
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any, TextIO


class Screen:
    """One line per event. Kinds differ by mark and name, and on a terminal by colour."""

    _LOOKS = {  # kind: mark, colour
        "status": ("·", "90"),
        "sent": (">", "36"),
        "welcome": ("<", "32"),
        "echo": ("<", "1"),
        "heartbeat": ("♥", "90"),
        "pong": ("<", "35"),
        "error": ("!", "31"),
        "closed": ("x", "33"),
    }

    def __init__(self, out: TextIO | None = None) -> None:
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ

    def show(self, kind: str, text: str) -> None:
        mark, colour = self._LOOKS.get(kind, ("<", "0"))
        clock = datetime.datetime.now().strftime("%H:%M:%S.%f")[:-3]
        # What a peer sends must not steer the terminal.
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        line = f"{clock} {mark} {kind:<9} {text}"
        if self._colours:
            line = f"\x1b[90m{clock}\x1b[0m \x1b[{colour}m{mark} {kind:<9} {text}\x1b[0m"
        print(line, file=self._out, flush=True)


async def input_lines() -> AsyncIterator[str]:
    """Lines of standard input: a terminal, a pipe or a file."""
    arrived: asyncio.Queue[Any] = asyncio.Queue()  # lists of lines; None at the end
    taken = threading.Semaphore(1)  # so that a long file is read as fast as it is sent
    loop = asyncio.get_running_loop()

    def put(lines: list[str] | None) -> None:
        taken.acquire()
        loop.call_soon_threadsafe(arrived.put_nowait, lines)

    def read() -> None:
        # From the descriptor: a thread that still reads at exit must not hold sys.stdin's lock.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while chunk := os.read(0, 65536):
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                put(lines)
            put([rest])
            put(None)

    threading.Thread(target=read, daemon=True).start()
    while (lines := await arrived.get()) is not None:
        for line in lines:
            yield line
        taken.release()
