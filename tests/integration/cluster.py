"""A cluster of real processes for a test, in a directory of its own, on ports of its own.

    with Cluster(gateways=2, store="redis", options={"hibernate-after": "200ms"}) as cluster:
        ...  cluster.ws_url("/websocket/room", gateway=1)  ...
        cluster.kill_statekeeper()
        cluster.start_statekeeper()

The processes die with the test process, however that ends. Leaving the block stops them as an operator would, and
fails the test if one of them does not stop, ends with another exit status than 0 (a sanitizer's finding, say), or
has ended before without the test's doing. After a failure the ends of their logs are printed.

Call everything from the main thread: Linux ties "die with the parent" to the thread that started the process.
"""

import asyncio
import ctypes
import http.client
import inspect
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("DORMOUSE_BIN") or os.path.join(REPOSITORY, "build", "release", "bin")
# How much longer things may take than in a release build.
SLOWNESS = 5 if os.path.basename(os.path.dirname(BIN)) in ("asan", "tsan") else 1

sys.path.insert(0, os.path.join(REPOSITORY, "deploy", "localcluster"))
import ports  # noqa: E402  # pylint: disable=wrong-import-position

_soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (_hard, _hard))

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1


def wait_until(condition, what, timeout=10.0):
    """Polls until condition() is true and returns its value; fails with `what` after `timeout` release-build seconds."""
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


def http_get(port, path, headers=None, timeout=5):
    """(status, body, headers) of a GET on 127.0.0.1."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout * SLOWNESS)
    try:
        connection.request("GET", path, headers=headers or {})
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    finally:
        connection.close()


class Process:
    """One process of the cluster, startable again and again with the same command line."""

    def __init__(self, name, command, directory, admin=None):
        self.name = name
        self.command = command
        self.admin = admin
        self.log = os.path.join(directory, name + ".log")
        self._popen = None
        self._expected_end = True

    @property
    def pid(self):
        return self._popen.pid

    def running(self):
        return self._popen is not None and self._popen.poll() is None

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        with open(self.log, "ab") as log:
            self._popen = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                           start_new_session=True, preexec_fn=_die_with_parent)
        self._expected_end = False

    def is_ready(self):
        assert self.running(), f"{self.name} ended with {self._popen.returncode} instead of getting ready"
        try:
            return http_get(self.admin, "/readyz", timeout=2)[0] == 200
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

    def stop_finally(self):
        """Stops it where it runs; returns what was wrong with it, or nothing."""
        if self._popen is None or self._expected_end:
            return ""
        if not self.running():
            return f"{self.name} ended with {self._popen.returncode}, and not by the test's doing"
        self.send_signal(signal.SIGCONT)
        try:
            status = self.end(signal.SIGTERM)
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


class Redis(Process):
    """A redis-server that survives being killed: each write is in its file before it is answered. (Not on the disk: that
    would matter to a machine that stops, and cost seconds on one whose disk is busy.)"""

    def __init__(self, directory):
        self.socket = os.path.join(directory, "redis.sock")
        os.makedirs(os.path.join(directory, "redis"))
        super().__init__("redis", [
            os.path.join(REPOSITORY, "deploy", "bin", "redis-server"), "--port", "0", "--unixsocket", self.socket,
            "--dir", os.path.join(directory, "redis"), "--appendonly", "yes", "--appendfsync", "no", "--save", "",
            # To stop at SIGTERM, whatever clients there are.
            "--shutdown-timeout", "0"], directory)

    @property
    def url(self):
        return "redis+unix://" + self.socket

    def is_ready(self):
        assert self.running(), "redis-server ended instead of getting ready"
        return self.command_answer("PING") == "+PONG"

    def command_answer(self, line):
        """The first line of the answer to an inline command; None: no connection."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2 * SLOWNESS)
                connection.connect(self.socket)
                connection.sendall(line.encode() + b"\r\n")
                return connection.recv(10000).decode().split("\r\n")[0]
        except OSError:
            return None

    def start(self, wait=True):  # pylint: disable=arguments-differ
        super().start()
        if wait:
            wait_until(self.is_ready, "redis-server answers")


class Cluster:
    def __init__(self, gateways=1, store="file", options=None, start=True):
        """`store`: "file" or "redis" (a server of its own), or the URL of another. `options`: NAME -> VALUE for all
        processes. Without `start` entering the block starts Redis only."""
        self.directory = tempfile.mkdtemp(prefix="dormouse-test-")
        self.data = os.path.join(self.directory, "data")
        os.mkdir(self.data)
        self.options = {"drain-window": "100ms", **(options or {})}
        self.redis = Redis(self.directory) if store == "redis" else None
        self._store = self.redis.url if self.redis else store
        self._start = start

        self._link = self._port()
        self.admin_statekeeper = self._port()
        self.statekeeper = Process("statekeeper", self.statekeeper_command(), self.directory, self.admin_statekeeper)
        self.gateways = []
        self._gateway_ports = []
        for number in range(gateways):
            port, admin = self._port(), self._port()
            self._gateway_ports.append(port)
            self.gateways.append(Process(f"gateway-{number}", [
                os.path.join(BIN, "dormouse-gateway"), "--data", self.data, "--listen", f"127.0.0.1:{port}",
                "--statekeepers", f"127.0.0.1:{self._link}", "--admin", f"127.0.0.1:{admin}", *self._settings()],
                self.directory, admin))

    def statekeeper_command(self, **changes):
        """The statekeeper's command line; `changes` replace options: store="file", shards="7" (underscores for -)."""
        flags = {"data": self.data, "store": self._store, "listen": f"127.0.0.1:{self._link}",
                 "admin": f"127.0.0.1:{self.admin_statekeeper}"}
        settings = dict(self.options)
        for name, value in changes.items():
            name = name.replace("_", "-")
            (flags if name in flags else settings)[name] = value
        return [os.path.join(BIN, "dormouse-statekeeper"), *(word for name, value in flags.items()
                                                             for word in ("--" + name, value)),
                *(word for name, value in settings.items() for word in ("--set", f"{name}={value}"))]

    def another_statekeeper_command(self, **changes):
        """Of a second statekeeper beside the first: other ports, the same data directory and store."""
        return self.statekeeper_command(listen=f"127.0.0.1:{self._port()}", admin=f"127.0.0.1:{self._port()}", **changes)

    def run_to_end(self, command, timeout=20):
        """Runs a command that is expected to end by itself: (exit status, all it said)."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout * SLOWNESS, preexec_fn=_die_with_parent, check=False)
        return done.returncode, done.stdout.decode()

    def _settings(self):
        return [word for name, value in self.options.items() for word in ("--set", f"{name}={value}")]

    def _port(self):
        return ports.choose(None, self.directory)

    # --- addresses

    def port(self, gateway=0):
        return self._gateway_ports[gateway]

    @property
    def http_url(self):
        return f"http://127.0.0.1:{self.port()}"

    def ws_url(self, path, gateway=0):
        return f"ws://127.0.0.1:{self.port(gateway)}{path}"

    # --- life

    def __enter__(self):
        try:
            if self.redis:
                self.redis.start()
            if self._start:
                self.start()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def start(self):
        """Starts the statekeeper and the gateways and waits until they are ready."""
        self.statekeeper.start()
        for gateway in self.gateways:
            gateway.start()
        self.wait_ready()

    def wait_ready(self):
        for process in (self.statekeeper, *self.gateways):
            if process.running():
                wait_until(process.is_ready, f"{process.name} is ready", timeout=20)

    def __exit__(self, kind, error, trace):
        wrong = [process.stop_finally() for process in (*self.gateways, self.statekeeper)]
        if self.redis:
            wrong.append(self.redis.stop_finally())
        wrong = [text for text in wrong if text]
        if kind is not None or wrong:
            self._print_logs()
        shutil.rmtree(self.directory, ignore_errors=True)
        if kind is None:
            assert not wrong, "; ".join(wrong)

    def _print_logs(self):
        for name in sorted(os.listdir(self.directory)):
            if name.endswith(".log"):
                with open(os.path.join(self.directory, name), encoding="utf-8", errors="replace") as file:
                    lines = file.read().splitlines()
                print(f"--- {name}, last {min(len(lines), 60)} of {len(lines)} lines")
                print("\n".join(lines[-60:]))

    def kill_statekeeper(self, number=signal.SIGKILL):
        return self.statekeeper.end(number)

    def start_statekeeper(self, wait=True):
        self.statekeeper.start()
        if wait:
            self.wait_ready()

    def kill_gateway(self, gateway, number=signal.SIGKILL):
        return self.gateways[gateway].end(number)

    def start_gateway(self, gateway, wait=True):
        self.gateways[gateway].start()
        if wait:
            self.wait_ready()

    def pause(self, process):
        process.pause()

    def resume(self, process):
        process.resume()

    # --- what they say of themselves

    def metrics(self, process):
        """Name -> value, summed over labels; and 'name{labels}' -> value for each."""
        status, text, _ = http_get(process.admin, "/metrics")
        assert status == 200
        values = {}
        for line in text.splitlines():
            if line and not line.startswith("#"):
                key, _, value = line.rpartition(" ")
                values[key] = float(value)
                if "{" in key:
                    name = key.partition("{")[0]
                    values[name] = values.get(name, 0) + float(value)
        return values

    def hubs_awake(self):
        return self.metrics(self.statekeeper)["dormouse_hubs_awake"]

    def hub_wakes(self):
        """How many times hubs were rebuilt in memory since the statekeeper started."""
        return self.metrics(self.statekeeper).get("dormouse_hub_wakes_total", 0)

    def wait_asleep(self, hubs=0, timeout=10):
        """Until no more than `hubs` hubs are in the statekeeper's memory."""
        wait_until(lambda: self.hubs_awake() <= hubs, f"at most {hubs} hubs awake", timeout)

    async def asleep(self, hubs=0, timeout=10):
        """wait_asleep for coroutines."""
        await until(lambda: self.hubs_awake() <= hubs, f"at most {hubs} hubs awake", timeout)


def _die_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
