"""A network of hosts inside one process's own network namespace: a host for each process of a cluster, joined by a
bridge, whose links can be cut, slowed and healed one pair at a time.

    unshare --net python3 ...             # the namespace that all of it is in; 10.77.0.1 is this process there
    network = Network(private_directory)
    a, b = network.host("a"), network.host("b")
    Process(..., host=a.address, prefix=a.prefix)
    network.cut(a, b)                     # packets vanish, nobody is told: neither an error nor a reset
    network.unplug(a)                     # a's interface is down, and a's system knows it
    network.slow(a, b, delay=0.2, loss=0.05)
    network.heal()

Nothing has a name outside: namespaces last as long as a process in them, and those die with this one. So nothing is
left behind, however it ends.

A cut needs no packet filter: each of the two is told, as a permanent neighbour, a hardware address for the other that
nobody has. A slow link is the same with the address of a relay (relay.py), which passes the packets on.
"""

import os
import socket
import subprocess
import sys

from process import Process, die_with_parent, wait_until

_SUBNET = "10.77.0"
_NOBODY = "02:77:00:00:ff:ff"
_RELAY = "02:77:00:00:ff:01"
_RELAY_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "relay.py")


def _run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(words)}: {done.stdout.decode().strip()}")


class Host:
    """A network namespace with one interface, and a mount namespace in which `private` is a directory of its own: so
    that nobody finds the unix sockets of another host. An idle process keeps both."""

    def __init__(self, number, name, private):
        self.name = name
        self.address = f"{_SUBNET}.{number}"
        self.hardware = f"02:77:00:00:00:{number:02x}"
        self.port = f"port{number}"  # of the bridge
        self._keeper = subprocess.Popen(
            ["unshare", "--net", "--mount", "sh", "-c",
             'mount -t tmpfs tmpfs "$0" && ip link set lo up && echo up && exec sleep infinity', private],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent, start_new_session=True)
        if self._keeper.stdout.readline() != b"up\n":
            raise RuntimeError(f"no namespace for {name}: see the error above; it takes the right to make them")
        pid = str(self._keeper.pid)
        self.prefix = ["nsenter", f"--net=/proc/{pid}/ns/net", f"--mount=/proc/{pid}/ns/mnt"]
        _run("ip", "link", "add", self.port, "type", "veth", "peer", "name", "eth0", "address", self.hardware,
             "netns", pid)
        _run("ip", "link", "set", self.port, "master", "bridge", "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")

    def run(self, *words):
        _run(*self.prefix, *words)

    def close(self):
        self._keeper.kill()
        self._keeper.wait()
        self._keeper.stdout.close()


class Network:
    def __init__(self, private, directory):
        """`private`: a directory that exists, and is another, empty one on each host. `directory`: for the relay's
        log."""
        self._private = private
        self._directory = directory
        self.hosts = {}
        self._diverted = set()  # (host, other host)
        self._unplugged = set()
        self._relay = None
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", "bridge", "type", "bridge", "forward_delay", "0")
        _run("ip", "address", "add", f"{_SUBNET}.1/24", "dev", "bridge")
        _run("ip", "link", "set", "bridge", "up")

    def host(self, name):
        """A new host, or the one of that name."""
        if name not in self.hosts:
            self.hosts[name] = Host(10 + len(self.hosts), name, self._private)
        return self.hosts[name]

    def cut(self, one, other):
        """Silently, both ways. What flows between others goes on."""
        self._divert(one, other, _NOBODY)

    def slow(self, one, other, delay, loss, seed=0):
        """Each packet, both ways, comes `delay` seconds later, or with probability `loss` not at all. All slow links
        of a network at a time are equally slow."""
        if self._relay is None:
            hosts = [word for host in self.hosts.values() for word in ("--host", f"{host.address}={host.hardware}")]
            self._relay = Process("relay", [
                sys.executable, _RELAY_PROGRAM, "--device", "relay", "--hardware", _RELAY, "--delay", str(delay),
                "--loss", str(loss), "--seed", str(seed), *hosts], self._directory)
            self._relay.start()
            wait_until(lambda: "relay" in (name for _, name in socket.if_nameindex()), "the relay has its device")
            _run("ip", "link", "set", "relay", "master", "bridge", "up")
        self._divert(one, other, _RELAY)

    def _divert(self, one, other, hardware):
        for host, peer in ((one, other), (other, one)):
            host.run("ip", "neighbour", "replace", peer.address, "lladdr", hardware, "dev", "eth0", "nud", "permanent")
            self._diverted.add((host, peer))

    def unplug(self, host):
        """Its interface goes down: it has no route any more, what it sends fails at once; others notice nothing."""
        host.run("ip", "link", "set", "eth0", "down")
        self._unplugged.add(host)

    def mend(self, one, other):
        """Undoes a cut of this pair."""
        for host, peer in ((one, other), (other, one)):
            # To the real address, at once: forgetting it would leave the question who has it to chance and time.
            host.run("ip", "neighbour", "replace", peer.address, "lladdr", peer.hardware, "dev", "eth0", "nud",
                     "reachable")
            self._diverted.discard((host, peer))

    def heal(self):
        """All links are as they were in the beginning."""
        for host in self._unplugged:
            host.run("ip", "link", "set", "eth0", "up")
        self._unplugged.clear()
        for host, peer in list(self._diverted):
            self.mend(host, peer)
        if self._relay is not None:
            self._relay.end()
            self._relay = None

    def close(self):
        if self._relay is not None:
            self._relay.end()
        for host in self.hosts.values():
            host.close()
        _run("ip", "link", "delete", "bridge")
