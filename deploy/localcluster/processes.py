"""Processes that somebody else may have started: is it still the one that was recorded, and how to stop it.

A recorded pid is believed only while the process with that pid was started at the recorded moment and names the
data directory in its command line: pids are used again.
"""

import os
import signal
import time


def start_time(pid):
    """When the process started, in clock ticks since boot; None: there is none, or it has ended (a zombie)."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


def is_alive(pid, started, data):
    if not pid or start_time(pid) != started:
        return False
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return os.fsencode(data) in file.read()
    except (FileNotFoundError, ProcessLookupError):
        return False


def stop(entries, data, timeout, hurry=lambda: False):
    """Sends SIGTERM to the recorded processes and waits; SIGKILL after `timeout` seconds or when `hurry` says so.
    Returns the names of those that had to be killed."""

    def alive():
        return [entry for entry in entries if is_alive(entry["pid"], entry["started"], data)]

    for number, limit in ((signal.SIGTERM, timeout), (signal.SIGKILL, 5)):
        left = alive()
        for entry in left:
            try:
                os.kill(entry["pid"], number)
            except ProcessLookupError:
                pass
        deadline = time.monotonic() + limit
        while alive() and time.monotonic() < deadline and not (number == signal.SIGTERM and hurry()):
            time.sleep(0.02)
        if not alive():
            break
    return [entry["name"] for entry in left] if number == signal.SIGKILL else []
