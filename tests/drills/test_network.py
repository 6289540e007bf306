"""network.py and relay.py: what is cut is cut, what is slow is slow, and healing heals."""

import os
import socket
import subprocess
import sys
import tempfile
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))

import cluster  # noqa: E402,F401  # makes ports.py importable
from network import Network  # noqa: E402
from process import Process, wait_until  # noqa: E402
from relay import Link, hardware_address  # noqa: E402

OWN, ALICE, BOB = (hardware_address(f"02:77:00:00:00:{number:02x}") for number in (1, 2, 3))
A, B = socket.inet_aton("10.77.0.10"), socket.inet_aton("10.77.0.11")


def _frame(target=OWN, to=B, body=b"", kind=b"\x08\x00"):
    return target + ALICE + kind + b"\x45" + bytes(15) + to + body


def _link(delay=0.2, loss=0.0, seed=1):
    return Link(OWN, {A: ALICE, B: BOB}, delay, loss, seed)


def test_link_passes_frames_on_later_and_in_order():
    link = _link()
    link.take(_frame(body=b"one"), now=10)
    link.take(_frame(body=b"two"), now=10.1)
    assert link.due(10.19) == []
    assert round(link.wait(10.1), 6) == 0.1
    assert link.due(10.2) == [BOB + OWN + _frame(body=b"one")[12:]]
    assert link.due(11) == [BOB + OWN + _frame(body=b"two")[12:]]
    assert link.wait(11) is None


def test_link_leaves_alone_what_is_not_for_it():
    link = _link(delay=0)
    link.take(_frame(target=BOB), now=1)
    link.take(_frame(kind=b"\x08\x06"), now=1)
    link.take(_frame(to=socket.inet_aton("10.77.0.99")), now=1)
    link.take(OWN, now=1)
    assert link.due(2) == []


def test_link_loses_its_share_and_the_same_with_the_same_seed():
    def passed(seed):
        link = _link(delay=0, loss=0.05, seed=seed)
        for number in range(10000):
            link.take(_frame(body=str(number).encode()), now=number)
        return link.due(10000)
    assert 9400 < len(passed(1)) < 9600
    assert passed(1) == passed(1) != passed(2)


def namespaces_are_refused():
    """Why there can be no network on this machine; nothing: there can."""
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(["unshare", "--net", *user, "unshare", "--net", "--mount", "true"], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    return f"no network namespaces here: {done.stdout.decode().strip()}" if done.returncode else ""


def test_network():
    """This file as a program, in a namespace of its own."""
    if why := namespaces_are_refused():
        pytest.skip(why)
    user = [] if os.geteuid() == 0 else ["--map-root-user"]
    done = subprocess.run(["unshare", "--net", *user, sys.executable, os.path.abspath(__file__)], timeout=60,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()


_SERVE = """import socket
server = socket.create_server(("0.0.0.0", 7000))
while True:
    server.accept()[0].send(b"hello")
"""
_ASK = "import socket, sys; socket.create_connection((sys.argv[1], 7000), timeout=float(sys.argv[2])).recv(5)"


def _seconds(host, peer, patience=1.5):
    """How long an answer takes; none: nobody says anything. "refused": the system says at once that it cannot be."""
    began = time.monotonic()
    asked = subprocess.run([*host.prefix, sys.executable, "-c", _ASK, peer.address, str(patience)],
                           stderr=subprocess.PIPE, check=False)
    took = time.monotonic() - began
    if asked.returncode == 0:
        return took
    return None if b"timed out" in asked.stderr else "refused"


def _check(directory):
    private = os.path.join(directory, "private")
    os.mkdir(private)
    network = Network(private, directory)
    one, two, three = (network.host(name) for name in ("one", "two", "three"))
    server = Process("server", [sys.executable, "-c", _SERVE], directory, host=two.address, prefix=two.prefix)
    server.start()
    wait_until(lambda: isinstance(_seconds(one, two), float), "the server answers")

    one.run("touch", os.path.join(private, "mine"))
    assert os.listdir(private) == [] and subprocess.run([*two.prefix, "ls", private], stdout=subprocess.PIPE,
                                                        check=True).stdout == b"", "files of a host are its own"
    network.cut(one, two)
    assert _seconds(one, two) is None, "a cut is silent"
    assert _seconds(three, two) is not None, "others are not cut off"
    network.mend(one, two)
    assert _seconds(one, two) < 1, "mended"
    network.unplug(one)
    assert _seconds(one, two) == "refused", "an unplugged host knows"
    network.heal()
    wait_until(lambda: isinstance(_seconds(one, two), float), "healed", 5)
    for _ in range(2):  # a second relay in the place of the first
        network.slow(one, two, delay=0.3, loss=0)
        assert 1.2 < _seconds(one, two, 5), "there and back, twice"
        assert _seconds(three, two) < 1, "others are not slow"
        network.heal()
        assert _seconds(one, two) < 1, "healed"
    server.end()
    network.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as made:
        _check(made)
