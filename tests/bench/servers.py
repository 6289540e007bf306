"""Servers that do the same job, each started afresh on a free port of loopback: ours, and those that one could take
instead. A server that cannot be had on this machine says why."""

import contextlib
import os
import shutil
import socket
import subprocess
import tempfile

import client_tls
from cluster import BIN, REPOSITORY, Cluster, ports, wait_until
from fetched import filling

_PEERS = os.path.join(REPOSITORY, "tests", "bench", "peers")
_PACKAGES = os.path.join(REPOSITORY, "build", "peers")
_ECHO_HEARTBEATS = ("--script", os.path.join(_PEERS, "heartbeat.script"))
_NPM = {"workerd": "1.20261117.1", "ws": "8.23.0"}


class Missing(Exception):
    """It cannot be had here; in words."""


class Server:
    """`talk`: what dormouse-load has to be told of it; `heartbeats`: that it may only send heartbeats (None: it has none).
    `pids`: name -> process, once it runs."""
    talk = ("--class", "raw")
    heartbeats = ("--script", os.path.join(_PEERS, "said_back.script"))
    can_pipeline = True  # several requests of a socket at a time
    sleeps = False
    usual = True  # measured when no server is named

    def __init__(self):
        self.url = ""
        self.pids = {}
        self.version = ""

    @contextlib.contextmanager
    def running(self, store):
        """Starts it, with `store` where it keeps something."""
        raise NotImplementedError

    def wake_words(self):
        """What dormouse-load wake has to know, to see its hubs asleep."""
        raise NotImplementedError


class Bare(Server):
    """a bare epoll echo (bare_echo.cc): what the sockets alone cost"""
    name = "bare"

    @contextlib.contextmanager
    def running(self, store):
        self.version = "of this tree"
        with self._saying_its_port([os.path.join(BIN, "dormouse_bare_echo")]):
            yield

    @contextlib.contextmanager
    def _saying_its_port(self, command):
        with _process(command, stdout=subprocess.PIPE) as process:
            self._is(process, int(process.stdout.readline()))
            yield

    @contextlib.contextmanager
    def _listening(self, command, port):
        with _process(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            _await_port(process, port)
            self._is(process, port)
            yield

    def _is(self, process, port):
        self.url = f"ws://127.0.0.1:{port}"
        self.pids = {self.name: process.pid}


class BareWss(Bare):
    """the same over OpenSSL: what TLS alone costs"""
    name = "bare-wss"
    talk = ("--class", "raw", "--insecure")
    heartbeats = (*Bare.heartbeats, "--insecure")
    usual = False

    @contextlib.contextmanager
    def running(self, store):
        self.version = "of this tree"
        with self._saying_its_port([os.path.join(BIN, "dormouse_bare_echo"), *client_tls.server_files()]):
            self.url = self.url.replace("ws:", "wss:")
            yield


class Dormouse(Server):
    """a gateway and a statekeeper, class echo"""
    name = "dormouse"
    talk = ("--class", "echo")
    heartbeats = _ECHO_HEARTBEATS
    sleeps = True
    trust = "secret"
    tls = None  # of the gateway: as Cluster has it

    @contextlib.contextmanager
    def running(self, store):
        self.version = "of this tree"
        with Cluster(store=store, trust=self.trust, tls=self.tls, options={"hibernate-after": "10s"}) as cluster:
            self.url = cluster.ws_url("")
            self.pids = {"gateway": cluster.gateways[0].pid, "statekeeper": cluster.statekeeper.pid}
            self._admin = cluster.admin_statekeeper
            yield

    def wake_words(self):
        return ("--metrics", f"127.0.0.1:{self._admin}")


class Tls(Dormouse):
    """the same, linked by mutual TLS over TCP rather than by unix sockets"""
    name = "tls"
    trust = "tls"
    usual = False


class Wss(Dormouse):
    """the same to clients that come by TLS"""
    name = "wss"
    talk = ("--class", "echo", "--insecure")
    heartbeats = (*Dormouse.heartbeats, "--insecure")
    tls = {}
    usual = False


class App(Dormouse):
    """the same with that Durable Object in a worker (peers/job.js)"""
    name = "app"

    @contextlib.contextmanager
    def running(self, store):
        self.version = "of this tree"
        with tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
            project, app = os.path.join(directory, "project"), os.path.join(directory, "app")
            os.mkdir(project)
            shutil.copy(os.path.join(_PEERS, "job.js"), project)
            with open(os.path.join(project, "wrangler.toml"), "w", encoding="utf-8") as out:
                out.write('name = "job"\nmain = "job.js"\ncompatibility_date = "2025-01-01"\n'
                          '[[durable_objects.bindings]]\nname = "ROOM"\nclass_name = "Room"\n'
                          '[[migrations]]\ntag = "v1"\nnew_classes = ["Room"]\n')
            subprocess.run([os.path.join(REPOSITORY, "deploy", "build-app"), project, app], check=True,
                           stdout=subprocess.DEVNULL)
            options = {"hibernate-after": "10s", "app": os.path.join(app, "current")}
            with Cluster(store=store, options=options) as cluster:
                self.url = cluster.ws_url("")
                keeper = cluster.statekeeper.pid
                with open(f"/proc/{keeper}/task/{keeper}/children", encoding="ascii") as children:
                    workers = children.read().split()
                if not workers:  # of the thread that has started it
                    workers = _output("pgrep", "-P", str(keeper)).split()
                self.pids = {"gateway": cluster.gateways[0].pid, "statekeeper": keeper, "worker": int(workers[0])}
                self._admin = cluster.admin_statekeeper
                yield


class Ws(Bare):
    """the package ws on Node: says back frames"""
    name = "ws"

    @contextlib.contextmanager
    def running(self, store):
        node = shutil.which("node") or shutil.which("nodejs")
        if node is None:
            raise Missing("there is no node")
        packages = _npm_package(self.name)
        self.version = f"{_NPM[self.name]}, node {_output(node, '--version')}"
        with self._saying_its_port([node, os.path.join(_PEERS, "echo.mjs"), packages]):
            yield


class Workerd(Bare):
    """workerd with a Durable Object that does what our class echo does (peers/job.js), hibernating"""
    name = "workerd"
    talk = ("--class", "echo")
    heartbeats = _ECHO_HEARTBEATS
    sleeps = True

    @classmethod
    def program(cls):
        return os.path.join(_npm_package(cls.name), "node_modules", "workerd", "bin", "workerd")

    @contextlib.contextmanager
    def running(self, store):
        program = self.program()
        self.version = _output(program, "--version").removeprefix("workerd ")
        port = _free_port()
        command = [program, "serve", os.path.join(_PEERS, "workerd.capnp"), "--socket-addr", f"http=127.0.0.1:{port}"]
        with self._listening(command, port):
            yield

    def wake_words(self):
        return ("--sleep", "15")  # it lets objects sleep after ten seconds


class Nats(Bare):
    """nats-server over WebSocket: clients that hear what they publish"""
    name = "nats"
    talk = ("--script", os.path.join(_PEERS, "nats.script"))
    heartbeats = None
    can_pipeline = False

    @contextlib.contextmanager
    def running(self, store):
        program = _debian_program("nats-server")
        self.version = _output(program, "--version").removeprefix("nats-server: v")
        port = _free_port()
        with tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
            config = os.path.join(directory, "nats.conf")
            with open(config, "w", encoding="ascii") as out:
                out.write(f'listen: "127.0.0.1:{_free_port()}"\n'
                          f'websocket {{ listen: "127.0.0.1:{port}", no_tls: true, compression: false }}\n')
            with self._listening([program, "-c", config], port):
                yield


ALL = (Bare, BareWss, Dormouse, Wss, Tls, App, Ws, Nats, Workerd)


@contextlib.contextmanager
def _process(command, **how):
    with subprocess.Popen(command, text=True, **how) as process:
        try:
            yield process
        finally:
            process.kill()


def _output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def _get(place, command):
    try:
        subprocess.run(command, cwd=place, check=True, capture_output=True, text=True, timeout=120)
    except subprocess.TimeoutExpired:
        raise Missing(f"{' '.join(command[:2])} took too long") from None
    except subprocess.CalledProcessError as error:
        said = (error.stderr.strip() or "it failed without a word").splitlines()
        raise Missing(f"{' '.join(command[:2])}: {said[0]}") from None


def _npm_package(name):
    """The directory whose node_modules has it."""
    wanted = f"{name}@{_NPM[name]}"
    place = os.path.join(_PACKAGES, wanted)
    with filling(place):
        if os.path.exists(os.path.join(place, "installed")):
            return place
        if shutil.which("npm") is None:
            raise Missing("there is no npm")
        _get(place, ["npm", "install", "--prefix", ".", "--no-audit", "--no-fund", "--loglevel=error", "--fetch-retries=1",
                     "--fetch-timeout=20000", wanted])
        with open(os.path.join(place, "installed"), "w", encoding="ascii"):
            pass
    return place


def _debian_program(name):
    """Of the package of that name: as it is, or unpacked without its service, which would start by itself."""
    place = os.path.join(_PACKAGES, name)
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", os.path.join(place, "usr", "sbin")])
    with filling(place):
        if (program := shutil.which(name, path=path)) is not None:
            return program
        _get(place, ["apt-get", "download", "-q", name])
        _get(place, ["sh", "-c", "dpkg-deb -x ./*.deb ."])
    if (program := shutil.which(name, path=path)) is None:
        raise Missing(f"there is no program {name} in the package")
    return program


def _free_port():
    return ports.choose(None, _PEERS)


def _await_port(process, port):
    def listens():
        if process.poll() is not None:
            raise Missing(f"it ended at once, with {process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        except OSError:
            return False

    try:
        wait_until(listens, "it listens", timeout=20)
    except AssertionError as why:
        raise Missing(str(why)) from None
