"""The time of day as the statekeeper has it, which a test's cluster may have moved: DORMOUSE_TEST_CLOCK names a file with
the milliseconds that it is ahead (common/test_clock.h)."""

import mmap
import os
import struct
import time


def _test_clock() -> "mmap.mmap | None":
    path = os.environ.get("DORMOUSE_TEST_CLOCK")
    if not path:
        return None
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), struct.calcsize("=q"), access=mmap.ACCESS_READ)


_AHEAD = _test_clock()


def now_ms() -> int:
    ahead: int = struct.unpack_from("=q", _AHEAD)[0] if _AHEAD is not None else 0
    return round(time.time() * 1000) + ahead
