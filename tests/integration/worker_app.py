"""A cluster that runs the project of worker_project/, and the worker processes of its statekeepers."""

import contextlib
import os
import shutil
import signal
import sys
import tempfile

from cluster import REPOSITORY, Cluster, wait_until
from process import http_get

sys.path.insert(0, os.path.join(REPOSITORY, "deploy", "apps"))
from builder import CURRENT, Builder  # noqa: E402  # pylint: disable=wrong-import-position

PROJECT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "worker_project")


class AppCluster(Cluster):
    """`project`: a copy, which a test may change. The rest as of Cluster."""

    def __init__(self, options=None, **more):
        directory = tempfile.mkdtemp(prefix="dormouse-test-")
        self.project = os.path.join(directory, "project")
        shutil.copytree(PROJECT, self.project)
        self._builder = Builder(self.project, os.path.join(directory, "app"))
        self._builder.build()
        super().__init__(directory=directory, options={"app": os.path.join(directory, "app", CURRENT),
                                                       "rate-limit": "0", **(options or {})}, **more)

    def deploy(self, file, old, new):
        """Changes the project's code and has the statekeepers run it; does not wait."""
        path = os.path.join(self.project, "src", file)
        with open(path, encoding="utf-8") as opened:
            text = opened.read()
        assert old in text
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text.replace(old, new))
        assert self._builder.build().is_new
        for process in self.statekeepers:
            if process.running():
                process.send_signal(signal.SIGHUP)

    def workers(self, statekeeper=0):
        """Process ids; while a new version replaces another one there are two."""
        return children(self.statekeepers[statekeeper].pid)

    def worker(self, statekeeper=0):
        """The process id of the one that is there, once there is one."""
        return wait_until(lambda: self.workers(statekeeper), "a worker runs")[-1]

    def kill_workers(self, statekeeper=0):
        """Returns how many there were."""
        killed = 0
        for pid in self.workers(statekeeper):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                killed += 1
        return killed

    def get(self, path, gateway=0):
        """(status, body) of a GET that the project's code answers."""
        return http_get(self.port(gateway), path, host=self.gateways[gateway].host)[:2]


def children(pid):
    """Of all its threads, oldest first."""
    found = set()
    with contextlib.suppress(FileNotFoundError):
        for thread in os.listdir(f"/proc/{pid}/task"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                    found.update(map(int, file.read().split()))
    return sorted(found)


def rss(pid):
    """Resident bytes; 0: it is no more."""
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (FileNotFoundError, ProcessLookupError):
        return 0
