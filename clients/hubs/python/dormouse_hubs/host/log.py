"""What the project's code says, for the statekeeper's log: print, the module logging, and what was raised. With the hub
and, in events of a socket, the connection."""

from __future__ import annotations

import contextvars
import io
import logging
import traceback
from collections.abc import Callable

DEBUG, INFO, WARN, ERROR = range(4)
_MOST = 16 << 10  # characters of an entry

# "CLASS/NAME" and connection of whose code runs, or nothing.
origin: contextvars.ContextVar[tuple[str, bytes]] = contextvars.ContextVar("dormouse_origin", default=("", b""))
# Log(level, text, hub, connection)
Log = Callable[[int, str, str, bytes], None]

_shown_as: list[tuple[str, str]] = []  # directories, and where their author has them


def show_as(directory: str, source: str) -> None:
    _shown_as.append((directory, source))


def explain(error: BaseException) -> str:
    """With the lines of the project's code, and without those of the host."""
    frames = traceback.TracebackException.from_exception(error)
    here = __file__.rpartition("/")[0] + "/"
    each: traceback.TracebackException | None = frames
    while each is not None:
        own = [frame for frame in each.stack if not frame.filename.startswith(here)]
        if own:
            each.stack = traceback.StackSummary.from_list(own)
        each = each.__cause__ or each.__context__
    text = "".join(frames.format()).rstrip()
    for directory, source in _shown_as:
        text = text.replace(directory, source)
    return text if len(text) <= _MOST else f"{text[:_MOST // 2]}\n...\n{text[-_MOST // 2:]}"


class LogHandler(logging.Handler):
    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._emit(record)
        except Exception:  # pylint: disable=broad-exception-caught  # as all handlers do
            self.handleError(record)

    def _emit(self, record: logging.LogRecord) -> None:
        level = (ERROR if record.levelno >= logging.ERROR else WARN if record.levelno >= logging.WARNING
                 else INFO if record.levelno >= logging.INFO else DEBUG)
        text = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            text += "\n" + explain(record.exc_info[1])
        self._log(level, text[:_MOST], *origin.get())


class LogStream(io.TextIOBase):
    """In the place of standard output: each line is an entry."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._line = ""

    def writable(self) -> bool:
        return True

    def write(self, text: str) -> int:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            if line.strip():
                self._log(INFO, line[:_MOST], *origin.get())
        if len(self._line) > _MOST:
            self._log(INFO, self._line[:_MOST], *origin.get())
            self._line = ""
        return len(text)
