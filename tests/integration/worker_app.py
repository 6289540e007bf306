"""A cluster that runs the project of worker_project/, or the same one in another language, and the worker processes of its
statekeepers."""

import contextlib
import http.client
import os
import shutil
import signal
import sys
import tempfile

from cluster import REPOSITORY, Cluster, wait_until
from process import http_get

sys.path.insert(0, os.path.join(REPOSITORY, "deploy", "apps"))
from builder import CURRENT  # noqa: E402  # pylint: disable=wrong-import-position
from kinds import builder_for  # noqa: E402  # pylint: disable=wrong-import-position

_HERE = os.path.dirname(os.path.abspath(__file__))
# Where the project is in each language, and how its code says which version it is.
_PROJECTS = {"js": ("worker_project", "src/counter.js", "export const VERSION = {};"),
             "python": ("worker_project_python", "counter.py", "VERSION = {}\n")}
LANGUAGES = tuple(_PROJECTS)
PROJECT = os.path.join(_HERE, _PROJECTS["js"][0])
PYTHON_PROJECT = os.path.join(_HERE, _PROJECTS["python"][0])


class AppCluster(Cluster):
    """`project`: a copy, which a test may change. The rest as of Cluster."""

    def __init__(self, options=None, language="js", **more):
        directory = tempfile.mkdtemp(prefix="dormouse-test-")
        self.project = os.path.join(directory, "project")
        folder, self._versioned, self._version = _PROJECTS[language]
        shutil.copytree(os.path.join(_HERE, folder), self.project)
        os.mkdir(os.path.join(directory, "app"))
        self._builder = builder_for(self.project, os.path.join(directory, "app"))
        self._builder.build()
        super().__init__(directory=directory, options={"app": os.path.join(directory, "app", CURRENT),
                                                       "rate-limit": "0", **(options or {})}, **more)

    def deploy(self, version):
        """Changes the version that the project's code names, from the one before, and has the statekeepers run it; does not
        wait."""
        path = os.path.join(self.project, self._versioned)
        with open(path, encoding="utf-8") as opened:
            text = opened.read()
        before = self._version.format(version - 1)
        assert before in text
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text.replace(before, self._version.format(version)))
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

    def ask(self, method, path, headers=None):
        """The same of any request."""
        with contextlib.closing(http.client.HTTPConnection(self.gateways[0].host, self.port(), timeout=60)) as connection:
            connection.request(method, path, headers=headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()


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
