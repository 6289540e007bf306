"""A wall clock that can be moved while a process runs (libfaketime). The steady clock is left alone: it cannot jump."""

import glob
import os

_LIBRARY = "/usr/lib/*/faketime/libfaketimeMT.so.1"


class WallClock:
    """For one process: `process.environment.update(clock.environment)` before it starts."""

    def __init__(self, path):
        found = glob.glob(_LIBRARY)
        assert found, "there is no libfaketime: install the package faketime (deploy/install test)"
        self._path = path
        self.jump(0)
        # The offset is read again once a second.
        self.environment = {"LD_PRELOAD": found[0], "FAKETIME_TIMESTAMP_FILE": path, "FAKETIME_CACHE_DURATION": "1",
                            "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def jump(self, seconds):
        """From within a second on, the clock is that far ahead of the true time."""
        partial = self._path + ".new"
        with open(partial, "w", encoding="ascii") as file:
            file.write(f"{seconds:+d}s\n")
        os.replace(partial, self._path)
