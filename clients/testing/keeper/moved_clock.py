"""The time of day of a test's cluster: a file that all its processes have mapped (common/test_clock.h)."""

import os
import struct
import threading

_AHEAD = struct.Struct("=q")


class MovedClock:
    def __init__(self, path):
        self.path = path
        self._ahead_ms = 0
        self._lock = threading.Lock()
        with open(path, "wb") as file:
            file.write(_AHEAD.pack(0))

    def advance(self, milliseconds):
        """At once and for all. Returns by how much the clock is ahead now."""
        with self._lock:
            self._ahead_ms += milliseconds
            file = os.open(self.path, os.O_WRONLY)
            try:
                os.pwrite(file, _AHEAD.pack(self._ahead_ms), 0)
            finally:
                os.close(file)
            return self._ahead_ms
