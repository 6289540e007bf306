"""Reading the processes' logs: all there is in order of time, or what is being added."""

import heapq
import os
import re

_ROTATE_AT = 64 << 20  # bytes; one older file of that size is kept
_TIME = re.compile(r'(?:\{"time":")?(\d{4}-\d\d-\d\dT[\d:.]+)')  # of text and of JSON


def names(layout):
    try:
        return sorted(name[:-4] for name in os.listdir(layout.logs) if name.endswith(".log"))
    except FileNotFoundError:
        return []


def label(name, line):
    return f"{name:<14}| {line}"


def merged(layout):
    """All lines of the present logs, labelled. A line without a time (of Redis, say) goes with the line before it."""

    def lines(name):
        time = ""
        with open(layout.log(name), encoding="utf-8", errors="replace") as file:
            for number, line in enumerate(file):
                match = _TIME.match(line)
                time = match[1] if match else time
                yield (time, name, number, line.rstrip("\n"))

    for _, name, _, line in heapq.merge(*(lines(name) for name in names(layout))):
        yield label(name, line)


def tail(path, count):
    """The last `count` lines of a file, from its last 64 KiB."""
    try:
        with open(path, "rb") as file:
            file.seek(max(0, os.path.getsize(path) - (64 << 10)))
            return file.read().decode("utf-8", "replace").splitlines()[-count:]
    except FileNotFoundError:
        return []


def begin(path):
    """A new log: the one before becomes NAME.log.1. Returns the file to write to, opened for appending."""
    if os.path.exists(path):
        os.replace(path, path + ".1")
    return open(path, "ab", buffering=0)


def rotate_if_large(path):
    """Moves a large log's content to NAME.log.1; whoever writes to it keeps its open file. (Lines written at that
    moment may get lost, as with logrotate's copytruncate.)"""
    if os.path.getsize(path) < _ROTATE_AT:
        return
    with open(path, "rb") as source, open(path + ".1", "wb") as target:
        while block := source.read(1 << 20):
            target.write(block)
    os.truncate(path, 0)


class Follower:
    """Gives the lines that are added to the logs from now on, after the last `lines_before` of each."""

    def __init__(self, layout, lines_before=0):
        self._layout = layout
        self._open = {}     # name -> file, opened where reading has got to
        self._partial = {}  # name -> the beginning of a line
        self._before = lines_before
        self._waiting = self._take()

    def new_lines(self):
        """Complete lines added since the last call, labelled."""
        out, self._waiting = self._waiting + self._take(), []
        return out

    def _take(self):
        out = []
        for name in names(self._layout):
            path = self._layout.log(name)
            if name not in self._open:
                out += [label(name, line) for line in tail(path, self._before)] if self._before else []
                self._open[name] = open(path, "rb")
                self._open[name].seek(0, os.SEEK_END)
                self._partial[name] = b""
            file = self._open[name]
            if self._replaced(file, path):
                out += self._read(name, file)
                file.close()
                file = self._open[name] = open(path, "rb")
            elif os.fstat(file.fileno()).st_size < file.tell():
                file.seek(0)
            out += self._read(name, file)
        return out

    @staticmethod
    def _replaced(file, path):
        return os.fstat(file.fileno()).st_ino != os.stat(path).st_ino

    def _read(self, name, file):
        *lines, self._partial[name] = (self._partial[name] + file.read()).split(b"\n")
        return [label(name, line.decode("utf-8", "replace")) for line in lines]
