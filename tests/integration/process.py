"""A process of a test: started again and again with the same command line, paused, ended, asked whether it is ready.

It dies with the test process, however that ends. Start it from the main thread: Linux ties "die with the parent" to
the thread that started the process.
"""

import asyncio
import ctypes
import http.client
import inspect
import os
import resource
import signal
import subprocess
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("DORMOUSE_BIN") or os.path.join(REPOSITORY, "build", "release", "bin")
# How much longer things may take than in a release build.
SLOWNESS = 5 if os.path.basename(os.path.dirname(BIN)) in ("asan", "tsan") else 1
# Bytes by which a process may be larger than in a release build: a sanitizer keeps what was freed for a while.
KEPT_FREED = 0 if SLOWNESS == 1 else 512 << 20

_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def die_with_parent():
    """For preexec_fn."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def wait_until(condition, what, timeout=10.0):
    """Polls until condition() is true and returns its value; fails with `what` after `timeout` seconds of a release
    build."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {timeout * SLOWNESS:g} s: {what}"
        time.sleep(0.01)
    return value


async def until(condition, what, timeout=10.0):
    """wait_until for coroutines: others run between two looks, and `condition` may be one itself."""
    deadline = time.monotonic() + timeout * SLOWNESS
    while True:
        value = condition()
        if inspect.isawaitable(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout * SLOWNESS:g} s: {what}"
        await asyncio.sleep(0.01)


def http_get(port, path, headers=None, timeout=5, host="127.0.0.1"):
    """(status, body, headers) of a GET."""
    connection = http.client.HTTPConnection(host, port, timeout=timeout * SLOWNESS)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


def open_to_others(directory):
    """What of it other users could read, write or get into; the directory itself is "."."""
    paths = [directory, *(os.path.join(parent, name) for parent, directories, files in os.walk(directory)
                          for name in (*directories, *files))]
    return {os.path.relpath(path, directory) for path in paths if os.lstat(path).st_mode & 0o077}


class Process:
    """`admin`: its admin port, at `host`. `prefix`: words before its command that end by executing it (`nsenter ...`).
    What is put into `environment` holds from the next start on."""

    def __init__(self, name, command, directory, admin=None, host="127.0.0.1", prefix=()):
        self.name = name
        self.command = command
        self.admin = admin
        self.host = host
        self.prefix = list(prefix)
        self.environment = {}
        self.log = os.path.join(directory, name + ".log")
        self._popen = None
        self._expected_end = True
        self._stopping = False

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def has_ended_by_itself(self):
        return not self._expected_end and not self._stopping and not self.running()

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen([*self.prefix, *self.command], stdin=subprocess.DEVNULL, stdout=log,
                                           stderr=log, start_new_session=True, preexec_fn=die_with_parent,
                                           env={**os.environ, **self.environment})
        self._expected_end = self._stopping = False

    def start_successor(self, *words, prefix=()):
        """Of a gateway: another process with the same command line, and `words`, that is to take over from this one. A
        Popen, to be given to `succeed` or waited for."""
        with open(self.log, "ab") as log:
            return subprocess.Popen([*self.prefix, *prefix, *self.command, *words, "--take-over"],
                                    stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                                    preexec_fn=die_with_parent, env={**os.environ, **self.environment})

    def succeed(self, successor, timeout=10):
        """It has taken over, and is this process from here on. Waits until the one before has left by itself."""
        status = self._popen.wait(timeout * SLOWNESS)
        assert status == 0, f"{self.name} has left with {status}"
        self._popen = successor

    def replaced_by(self, successor):
        """The same where the one before was killed."""
        self._popen.wait(10 * SLOWNESS)
        self._popen = successor

    def take_over(self, *words):
        """Replaces it without closing a socket; returns when the successor serves and the one before has left."""
        self.succeed(self.start_successor(*words))

    def is_ready(self):
        assert self.running(), f"{self.name} ended with {self._popen.returncode} instead of getting ready"
        try:
            return http_get(self.admin, "/readyz", timeout=2, host=self.host)[0] == 200
        except (OSError, http.client.HTTPException):
            return False

    def send_signal(self, number):
        os.kill(self._popen.pid, number)

    def pause(self):
        """SIGSTOP; returns when no thread of it runs any more."""
        self.send_signal(signal.SIGSTOP)
        wait_until(self._is_stopped, f"{self.name} has stopped")

    def resume(self):
        self.send_signal(signal.SIGCONT)

    def _is_stopped(self):
        for thread in os.listdir(f"/proc/{self.pid}/task"):
            with open(f"/proc/{self.pid}/task/{thread}/stat", "rb") as file:
                if file.read().rpartition(b")")[2].split()[0] != b"T":
                    return False
        return True

    def end(self, number=signal.SIGKILL, timeout=20):
        """Sends the signal and waits for the end; returns the exit status. Fails when it does not end."""
        self.send_signal(number)
        return self.await_end(timeout)

    def await_end(self, timeout=20):
        """Waits for the end that something else brings about; returns the exit status."""
        self._expected_end = True
        try:
            return self._popen.wait(timeout * SLOWNESS)
        except subprocess.TimeoutExpired:
            self.send_signal(signal.SIGKILL)
            self._popen.wait(5)
            raise AssertionError(f"{self.name} did not end within {timeout * SLOWNESS} s") from None

    def begin_to_stop(self):
        """Sends SIGTERM where it runs and is to run; stop_finally() waits."""
        if not self._expected_end and self.running():
            self.resume()
            self.send_signal(signal.SIGTERM)
            self._stopping = True

    def stop_finally(self):
        """Stops it where it runs; returns what was wrong with it, or nothing."""
        if self._popen is None or self._expected_end:
            return ""
        if not self.running() and not self._stopping:
            return f"{self.name} ended with {self._popen.returncode}, and not by the test's doing"
        try:
            if not self._stopping:
                self.begin_to_stop()
            status = self.await_end()
        except AssertionError as error:
            return str(error)
        return f"{self.name} ended with {status} after SIGTERM" if status != 0 else ""

    def rss(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * resource.getpagesize()

    def cpu_seconds(self):
        with open(f"/proc/{self.pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def log_text(self):
        with open(self.log, encoding="utf-8", errors="replace") as file:
            return file.read()
