"""The process that keeps one cluster for a test: lines of JSON come in and go out, and when nothing can come any more,
or the test process is gone, however it ended, the cluster is stopped and its files are removed.

    in    {"id": 1, "call": "start", "with": {"store": "redis"}}
    out   {"id": 1, "value": {...}}    or    {"id": 1, "error": "what is wrong, and what to do"}

The kits of all languages speak to it (clients/testing/js, clients/testing/python), so that what they do is here, once.
Calls run beside each other.
"""

import contextlib
import json
import os
import select
import signal
import sys
import threading

from failure import Failure
from kept_cluster import KeptCluster

_LOOK_EVERY = 1  # seconds, at whether the test process is there: a child of it may hold our pipe open


class _Answers:
    """Of calls that run beside each other."""

    def __init__(self):
        self._lock = threading.Lock()

    def call(self, message, function, options):
        self.guard(message, lambda: self._say(message, value=function(**options)), {})

    def guard(self, message, function, options):
        """Whether it went well; what is wrong is the answer."""
        try:
            function(**options)
            return True
        except Failure as failure:
            self._say(message, error=str(failure))
        except Exception as error:  # pylint: disable=broad-except  # one call is no reason to leave the others alone
            self._say(message, error=f"{message['call']} went wrong: {error!r}")
        return False

    def _say(self, message, **said):
        with self._lock:
            try:
                sys.stdout.write(json.dumps({"id": message["id"], **said}) + "\n")
                sys.stdout.flush()
            except OSError:  # nobody listens; standard input says so, too
                pass


def _lines(parent):
    """What comes in, until nothing can come any more."""
    held = b""
    while os.getppid() == parent:
        if not select.select([0], [], [], _LOOK_EVERY)[0]:
            continue
        some = os.read(0, 1 << 16)
        if not some:
            return
        *lines, held = (held + some).split(b"\n")
        yield from lines


def main():
    parent = os.getppid()
    # A Ctrl-C is for the test; what follows from it is that our input ends.
    with contextlib.suppress(PermissionError):  # it has a session of its own already
        os.setsid()
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)

    def end(*_):
        raise SystemExit

    signal.signal(signal.SIGTERM, end)
    said = _Answers()
    cluster = KeptCluster()
    try:
        for line in _lines(parent):
            message = json.loads(line)
            options = message.get("with", {})
            if message["call"] == "start":  # what is started is to end with this thread
                if not said.guard(message, cluster.launch, options):
                    continue
                options = {}
            threading.Thread(target=said.call, args=(message, cluster.calls[message["call"]], options), daemon=True).start()
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        cluster.stop()
    os._exit(0)  # calls that wait are of no use to anybody


if __name__ == "__main__":
    main()
