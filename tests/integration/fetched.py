"""Directories of programs that several tests need and the first of them fetches."""

import contextlib
import fcntl
import os


@contextlib.contextmanager
def filling(directory):
    """Makes it, and lets in one process at a time: look again, inside, at what is missing."""
    os.makedirs(directory, exist_ok=True)
    with open(os.path.join(directory, ".lock"), "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
