"""A cluster of real processes for a test, in a directory of its own, on ports of its own.

    with Cluster(gateways=2, store="redis", options={"hibernate-after": "200ms"}) as cluster:
        ...  cluster.ws_url("/websocket/room", gateway=1)  ...
        cluster.kill_statekeeper()
        cluster.start_statekeeper()

    with Cluster(gateways=2, statekeepers=3, store="redis") as cluster:
        cluster.kill_statekeeper(statekeeper=1)
        cluster.add_statekeeper()

The processes trust each other by a secret, or by certificates: Cluster(trust="tls"), or DORMOUSE_TEST_TRUST=tls in the
environment for all clusters that say nothing else. With certificates gateways do not find the statekeepers' unix
sockets: links go over TCP.

The processes die with the test process, however that ends. Leaving the block stops them as an operator would, and
fails the test if one of them does not stop, ends with another exit status than 0 (a sanitizer's finding, say), or
has ended before without the test's doing. After a failure the ends of their logs are printed.

Call everything from the main thread: Linux ties "die with the parent" to the thread that started the process.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "deploy", "localcluster"))
import ports  # noqa: E402  # pylint: disable=wrong-import-position
from process import (BIN, KEPT_FREED, REPOSITORY, SLOWNESS, Process, die_with_parent, http_get,  # noqa: E402,F401
                     until, wait_until)
from stores import Redis, TlsRedis  # noqa: E402
import client_tls  # noqa: E402
import trust as trusts  # noqa: E402


class _Loopback:
    """Where processes run that are in no network of their own: all on 127.0.0.1."""

    address = "127.0.0.1"
    prefix = ()


def _flags(options):
    return [word for name, value in options.items() for word in ("--" + name, value)]


def _sets(options):
    return [word for name, value in options.items() if value is not None
            for word in ("--set", f"{name}={value}")]


class Cluster:
    def __init__(self, gateways=1, store="file", options=None, start=True, statekeepers=1, hosts=None, directory=None,
                 trust=None, statekeeper_program="dormouse-statekeeper", tls=None):
        """`store`: "file", "redis" or "rediss" (a server of its own), the URL of another, or one of stores.py, made below
        `directory` (which is then the cluster's, to be removed with it). `options`: NAME -> VALUE for all processes.
        Without `start` entering the block starts Redis only. `hosts`: called with the name of each process for the
        host that it runs on (address, prefix), by default this one. `trust`: "secret" or "tls".
        `tls`: options of the gateways' TLS, {} for a certificate of client_tls.py: then port() is for TLS, and the plain one
        is plain_port(). `statekeeper_program`: such as "dormouse-crash-statekeeper" (tests/classes)."""
        self.directory = directory or tempfile.mkdtemp(prefix="dormouse-test-")
        self.data = os.path.join(self.directory, "data")
        os.makedirs(self.data, exist_ok=True)
        self.options = {"drain-window": "100ms", **(options or {})}
        if SLOWNESS > 1:  # what a message may cost is meant for a release build
            self.options.setdefault("connection-cpu", "500ms")
        kinds = {"redis": Redis, "rediss": TlsRedis}
        self.redis = kinds[store](self.directory) if store in kinds else None if isinstance(store, str) else store
        self._store = self.redis.url if self.redis else store
        self._start = start
        self._statekeeper_program = statekeeper_program
        self._host_of = hosts or (lambda name: _Loopback)

        self.admin_key = os.path.join(self.directory, "admin-key")
        trusts.write(self.admin_key, secrets.token_hex(32))
        kind = trust or os.environ.get("DORMOUSE_TEST_TRUST", "secret")
        self.trust = trusts.make(kind, self.directory, self.admin_key)
        # By a name that means something else to every process.
        self._chdir, self._statekeeper_data = (["env", "-C", self.data], "/proc/self/cwd") if kind == "tls" else (
            [], self.data)
        self.links = []  # addresses of the statekeepers
        self.statekeepers = []
        for _ in range(statekeepers):
            self._new_statekeeper()
        self.gateways = []
        self._gateway_ports = []
        self._plain_ports = []
        self.is_tls = tls is not None or client_tls.by_tls()
        for number in range(gateways):
            port, admin = self._port(), self._port()
            name = f"gateway-{number}"
            host = self._host_of(name)
            self._gateway_ports.append(port)
            encrypted = {}
            if self.is_tls:
                encrypted = {**client_tls.options(port, host=host.address), **(tls or {})}
                port = self._port()
            self._plain_ports.append(port)
            self.gateways.append(Process(name, [
                os.path.join(BIN, "dormouse-gateway"), "--data", self.data,
                "--listen", "" if self.is_tls and tls is None else f"{host.address}:{port}", *_flags(encrypted),
                "--statekeepers", ",".join(self.links), "--admin", f"{host.address}:{admin}",
                *_flags(self.trust.options("dormouse-gateway")), *self._settings()],
                self.directory, admin, host.address, host.prefix))

    def _new_statekeeper(self):
        number = len(self.statekeepers)
        # The first has had its name since there was only one.
        name = f"statekeeper-{number}" if number else "statekeeper"
        host = self._host_of(name)
        admin = self._port()
        self.links.append(f"{host.address}:{self._port()}")
        process = Process(name, [], self.directory, admin, host.address, host.prefix)
        self.statekeepers.append(process)
        process.command = self.statekeeper_command(number)
        return process

    def statekeeper_command(self, number=0, **changes):
        """A statekeeper's command line; `changes` replace options: store="file", shards="7" (underscores for -); None
        leaves one out."""
        process = self.statekeepers[number]
        flags = {"data": self._statekeeper_data, "store": self._store, "listen": self.links[number],
                 "admin": f"{process.host}:{process.admin}", "admin-key": self.admin_key,
                 **self.trust.options("dormouse-statekeeper")}
        settings = {**self.options, **(self.redis.options if self.redis else {})}
        for name, value in changes.items():
            name = name.replace("_", "-")
            (flags if name in flags else settings)[name] = value
        return [*self._chdir, os.path.join(BIN, self._statekeeper_program), *_flags(flags), *_sets(settings)]

    def another_statekeeper_command(self, **changes):
        """Of a statekeeper that is not of the cluster: other ports, the same data directory and store."""
        return self.statekeeper_command(listen=f"127.0.0.1:{self._port()}", admin=f"127.0.0.1:{self._port()}", **changes)

    def run_to_end(self, command, timeout=20):
        """Runs a command that is expected to end by itself: (exit status, all it said)."""
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout * SLOWNESS, preexec_fn=die_with_parent, check=False)
        return done.returncode, done.stdout.decode()

    def ctl_command(self, *words, statekeeper=None):
        """The command line of dormousectl, over TCP: `statekeeper`: an address, by default any of them."""
        asked = statekeeper or ",".join(self.links)
        return [os.path.join(BIN, "dormousectl"), "--statekeeper", asked, *self.trust.operator(), *words]

    def _settings(self):
        return _sets(self.options)

    def _port(self):
        return ports.choose(None, self.directory)

    # --- addresses

    @property
    def statekeeper(self):
        """The first, in clusters of one the only."""
        return self.statekeepers[0]

    @property
    def admin_statekeeper(self):
        return self.statekeeper.admin

    def port(self, gateway=0):
        return self._gateway_ports[gateway]

    def plain_port(self, gateway=0):
        return self._plain_ports[gateway]

    @property
    def http_url(self):
        return f"http{'s' if self.is_tls else ''}://{self.gateways[0].host}:{self.port()}"

    def ws_url(self, path, gateway=0):
        return f"ws{'s' if self.is_tls else ''}://{self.gateways[gateway].host}:{self.port(gateway)}{path}"

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
        """Starts the statekeepers and the gateways and waits until they are ready."""
        for process in (*self.statekeepers, *self.gateways):
            process.start()
        self.wait_ready()

    def wait_ready(self):
        for process in (*self.statekeepers, *self.gateways):
            if process.running():
                wait_until(process.is_ready, f"{process.name} is ready", timeout=20)

    def __exit__(self, kind, error, trace):
        wrong = [process.stop_finally() for process in self.gateways]
        # At once, as operators stop a cluster: one after the other, each would hand everything to those that are left.
        for process in self.statekeepers:
            process.begin_to_stop()
        wrong += [process.stop_finally() for process in self.statekeepers]
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

    def kill_statekeeper(self, number=signal.SIGKILL, statekeeper=0):
        return self.statekeepers[statekeeper].end(number)

    def start_statekeeper(self, wait=True, statekeeper=0):
        self.statekeepers[statekeeper].start()
        if wait:
            self.wait_ready()

    def restart_dead_statekeepers(self):
        """As a supervisor does; returns how many had ended by themselves since the last call."""
        dead = [process for process in self.statekeepers if process.has_ended_by_itself()]
        for process in dead:
            process.start()
        return len(dead)

    def add_statekeeper(self, wait=True):
        """One more, that the gateways have not been told of; returns its number."""
        number = len(self.statekeepers)
        self._new_statekeeper()
        self.start_statekeeper(wait, number)
        return number

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
        status, text, _ = http_get(process.admin, "/metrics", host=process.host)
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

    def _of_statekeepers(self, name):
        return sum(self.metrics(process).get(name, 0) for process in self.statekeepers if process.running())

    def hubs_awake(self):
        return self._of_statekeepers("dormouse_hubs_awake")

    def hub_wakes(self):
        """How many times hubs were rebuilt in memory since the statekeepers started."""
        return self._of_statekeepers("dormouse_hub_wakes_total")

    def wait_asleep(self, hubs=0, timeout=10):
        """Until no more than `hubs` hubs are in the statekeepers' memory."""
        wait_until(lambda: self.hubs_awake() <= hubs, f"at most {hubs} hubs awake", timeout)

    async def asleep(self, hubs=0, timeout=10):
        """wait_asleep for coroutines."""
        await until(lambda: self.hubs_awake() <= hubs, f"at most {hubs} hubs awake", timeout)
