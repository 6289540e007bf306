"""Redis as clusters of tests use it: one server, one with replicas and sentinels, or a Redis Cluster.

Each has `url`, `options` of the statekeepers (NAME -> VALUE), start() and stop_finally(), as a Process has. `durable`: with appendfsync always; else a write is in
the server's file before it is answered, but not on the disk: that matters to a machine that stops, and costs seconds
on one whose disk is busy.
"""

import os
import secrets
import socket
import subprocess

import ports
from process import REPOSITORY, SLOWNESS, Process, wait_until

_SERVER = os.path.join(REPOSITORY, "deploy", "bin", "redis-server")
SLOTS = 16384
_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")


def ask(connection, line):
    """The first line of a server's answer to an inline command."""
    connection.settimeout(2 * SLOWNESS)
    connection.sendall(line.encode() + b"\r\n")
    return connection.recv(100000).decode().split("\r\n")[0]


class Redis(Process):
    """A redis-server that survives being killed, on a unix socket; at HOST:PORT where a port is given."""

    options = {}

    def __init__(self, directory, name="redis", durable=False, port=0, host="127.0.0.1", prefix=(), more=()):
        self.port = port
        self.socket = os.path.join(directory, name + ".sock")
        os.makedirs(os.path.join(directory, name))
        super().__init__(name, [
            _SERVER, "--port", str(port), "--bind", host, "--unixsocket", self.socket,
            "--dir", os.path.join(directory, name), "--appendonly", "yes",
            "--appendfsync", "always" if durable else "no", "--save", "", "--protected-mode", "no",
            # To stop at SIGTERM, whatever clients there are.
            "--shutdown-timeout", "0", *more], directory, host=host, prefix=prefix)

    @property
    def address(self):
        return f"{self.host}:{self.port}"

    @property
    def url(self):
        return f"redis://{self.address}" if self.port else "redis+unix://" + self.socket

    def is_ready(self):
        assert self.running(), f"{self.name} ended instead of getting ready"
        return self.command_answer("PING") == "+PONG"

    def command_answer(self, line):
        """The first line of the answer to an inline command; None: no connection."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2 * SLOWNESS)
                connection.connect(self.socket)
                return ask(connection, line)
        except OSError:
            return None

    def start(self, wait=True):  # pylint: disable=arguments-differ
        super().start()
        if wait:
            wait_until(self.is_ready, f"{self.name} answers")


class _Sentinel(Process):
    def __init__(self, number, directory, service, master):
        self.port = ports.choose(None, f"{directory} sentinel {number}")
        path = os.path.join(directory, f"sentinel-{number}.conf")  # it rewrites that
        with open(path, "w", encoding="ascii") as file:
            file.write(f"port {self.port}\nbind 127.0.0.1\nprotected-mode no\ndir {directory}\n"
                       f"sentinel monitor {service} 127.0.0.1 {master.port} 2\n"
                       f"sentinel down-after-milliseconds {service} 1000\n"
                       f"sentinel failover-timeout {service} 10000\n")
        super().__init__(f"sentinel-{number}", [_SERVER, path, "--sentinel"], directory)

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def ask(self, line):
        """The lines of the answer; none: no connection."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2 * SLOWNESS) as connection:
                connection.sendall(line.encode() + b"\r\n")
                return connection.recv(100000).decode().split("\r\n")
        except OSError:
            return []


class TlsRedis(Redis):
    """A Redis at a port that speaks TLS only, with clients that show certificates, and a password in a file."""

    def __init__(self, directory):
        self._tls = os.path.join(directory, "tls")
        os.makedirs(self._tls)
        self._openssl("req", "-x509", "-subj", "/CN=Test authority", "-keyout", self.file("ca.key"), "-out", self.file("ca.pem"),
                      *_NEW_KEY)
        with open(self.file("hosts"), "w", encoding="ascii") as file:
            file.write("subjectAltName=IP:127.0.0.1")
        for name in ("redis", "dormouse"):
            self._openssl("req", "-subj", f"/CN={name}", "-keyout", self.file(name + ".key"), "-out", self.file(name + ".csr"),
                          *_NEW_KEY)
            self._openssl("x509", "-req", "-in", self.file(name + ".csr"), "-CA", self.file("ca.pem"), "-CAkey",
                          self.file("ca.key"), "-extfile", self.file("hosts"), "-out", self.file(name + ".pem"))
        self.password = secrets.token_hex(16)
        with open(self.file("password"), "w", encoding="ascii") as file:
            file.write(self.password + "\n")
        self.options = {"store-ca": self.file("ca.pem"), "store-certificate": self.file("dormouse.pem"),
                        "store-key": self.file("dormouse.key"), "store-password-file": self.file("password")}
        super().__init__(directory, "redis", more=[
            "--tls-port", str(ports.choose(None, f"{directory} redis")), "--requirepass", self.password,
            "--tls-ca-cert-file", self.file("ca.pem"), "--tls-cert-file", self.file("redis.pem"),
            "--tls-key-file", self.file("redis.key")])

    def file(self, name):
        return os.path.join(self._tls, name)

    @property
    def address(self):
        return f"{self.host}:{self.command[self.command.index('--tls-port') + 1]}"

    @property
    def url(self):
        return "rediss://" + self.address

    def command_answer(self, line):
        """As of Redis, logged in."""
        try:
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(2 * SLOWNESS)
                connection.connect(self.socket)
                ask(connection, "AUTH " + self.password)
                return ask(connection, line)
        except OSError:
            return None

    @staticmethod
    def _openssl(*words):
        done = subprocess.run(["openssl", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=20 * SLOWNESS, check=False)
        assert done.returncode == 0, done.stdout.decode()


class SentinelRedis:
    """A master, two replicas and three sentinels that watch them."""

    options = {}
    SERVICE = "dormouse"

    def __init__(self, directory):
        self.servers = []
        for number in range(3):
            more = ["--repl-diskless-sync-delay", "0"]
            if number:
                more += ["--replicaof", f"127.0.0.1 {self.servers[0].port}"]
            self.servers.append(Redis(directory, f"redis-{number}", durable=True, more=more,
                                      port=ports.choose(None, f"{directory} redis {number}")))
        self.sentinels = [_Sentinel(number, directory, self.SERVICE, self.servers[0]) for number in range(3)]

    @property
    def url(self):
        # What the master alone has when it is killed is lost; sentinels choose the replica that has most.
        sentinels = ",".join(sentinel.address for sentinel in self.sentinels)
        return f"redis+sentinel://{sentinels}/{self.SERVICE}?wait-replicas=1"

    def start(self):
        for server in self.servers:
            server.start()
        wait_until(lambda: all(server.command_answer("WAIT 2 100") == ":2" for server in self.servers[:1]),
                   "both replicas follow the master")
        for sentinel in self.sentinels:
            sentinel.start()
        wait_until(lambda: all(self._is_complete(sentinel) for sentinel in self.sentinels),
                   "the sentinels know each other and the replicas", timeout=30)

    def _is_complete(self, sentinel):
        lines = sentinel.ask(f"SENTINEL master {self.SERVICE}")
        return all(name in lines and lines[lines.index(name) + 2] == "2"
                   for name in ("num-slaves", "num-other-sentinels"))

    def master(self):
        """The server that the sentinels name; None while they do not answer."""
        lines = self.sentinels[0].ask(f"SENTINEL get-master-addr-by-name {self.SERVICE}")
        return next((server for server in self.servers if str(server.port) in lines), None)

    def give_way(self):
        """A planned failover. The master is told to hold writes back first: else it would go on confirming some that
        another replica has than the one that the sentinels have promoted."""
        self.master().command_answer("CLIENT PAUSE 5000 WRITE")
        return self.sentinels[0].ask(f"SENTINEL failover {self.SERVICE}")[0] == "+OK"

    def stop_finally(self):
        return "; ".join(filter(None, (process.stop_finally() for process in (*self.sentinels, *self.servers))))


class ClusterRedis:
    """A Redis Cluster of three masters, each with a third of the slots."""

    options = {}

    def __init__(self, directory):
        self.servers = []
        for number in range(3):
            # The cluster bus has a port of its own; by default 10,000 above, where nobody has looked.
            port, bus = (ports.choose(None, f"{directory} {what} {number}") for what in ("redis", "bus"))
            self.servers.append(Redis(directory, f"redis-{number}", durable=True, port=port, more=[
                "--cluster-enabled", "yes", "--cluster-port", str(bus), "--cluster-node-timeout", "2000",
                "--cluster-require-full-coverage", "no"]))

    @property
    def url(self):
        return "redis+cluster://" + ",".join(server.address for server in self.servers)

    def start(self):
        for server in self.servers:
            server.start()
        self._cli("create", *(server.address for server in self.servers))
        wait_until(lambda: all(self._knows_all(server) for server in self.servers), "the Redis Cluster agrees")

    def _knows_all(self, server):
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
            connection.sendall(b"CLUSTER INFO\r\n")
            said = connection.recv(10000).decode()
        return "cluster_state:ok" in said and f"cluster_slots_ok:{SLOTS}" in said and "cluster_known_nodes:3" in said

    def migrate_slots(self, source, target, count):
        """Moves `count` slots with their keys from one server to another, slot after slot, while both serve."""
        names = [self._node_id(self.servers[number]) for number in (source, target)]
        self._cli("reshard", self.servers[source].address, "--cluster-from", names[0], "--cluster-to", names[1],
                  "--cluster-slots", str(count))

    @staticmethod
    def _node_id(server):
        with socket.create_connection(("127.0.0.1", server.port), timeout=2) as connection:
            connection.sendall(b"CLUSTER MYID\r\n")
            return connection.recv(1000).decode().split("\r\n")[1]

    @staticmethod
    def _cli(command, *words):
        done = subprocess.run(["redis-cli", "--cluster", command, *words, "--cluster-yes"], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120 * SLOWNESS, check=False)
        assert done.returncode == 0, done.stdout.decode()

    def stop_finally(self):
        return "; ".join(filter(None, (server.stop_finally() for server in self.servers)))
