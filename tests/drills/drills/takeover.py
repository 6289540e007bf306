"""gateways are upgraded in place: under load, asleep, with messages half there, and somebody killed or stopped in the midst"""

import contextlib
import json
import os
import random
import re
import signal
import socket
import struct
import time

from process import SLOWNESS, wait_until
from raw import masked, upgrade

# A seed plays one of them, so that as many seeds in a row play all.
KINDS = ("load", "asleep", "slow_reader", "half_message", "refused", "kill_old", "kill_new", "stop_old", "stop_new")
TOOK_OVER = "gateway info taken over: "


def play(stage):
    kind = KINDS[(stage.seed - 1) % len(KINDS)]
    stage.note(kind)
    # Who kills a gateway in the wrong moment closes its sockets, as ever; what is counted then says whether it was one.
    violent = kind.startswith(("kill", "stop"))
    with stage.play_on() as cluster:
        with stage.traffic(on_close="resume" if violent else "none", asleep=0.9 if kind == "asleep" else 0.33) as traffic:
            globals()["_" + kind](stage, cluster, traffic)
        report = stage.reports[-1]
        if not violent:
            stage.promise(report["reconnects"] == 0 and not report["closes"], f"sockets were closed: {report['closes']}")
        stage.check_shards()


# --- in peace

def _load(stage, cluster, traffic):
    for number in range(3):
        for gateway in cluster.gateways:
            traffic.mark(f"{gateway.name}-{number}")
            _take_over(stage, gateway)
            stage.wait(0.3, 0.8)


def _asleep(stage, cluster, traffic):
    stage.wait(2, 2.5)  # hibernate-after is a second
    _load(stage, cluster, traffic)


def _slow_reader(stage, cluster, traffic):
    """Sockets that do not read, so that their output waits in the gateway, a frame of it half sent."""
    numbers = range(40)
    sockets = [_open(cluster, stage, small=True) for _ in range(5)]
    for connection in sockets:
        connection.sendall(b"".join(masked(_numbered(number)) for number in numbers))
    stage.wait(0.5, 1)
    _load(stage, cluster, traffic)
    for connection in sockets:
        said = [_echoed(connection) for _ in numbers]
        stage.promise(said == [_numbered(number).decode() for number in numbers], "a slow reader misses something")
        connection.close()


def _half_message(stage, cluster, traffic):
    """Messages that have come in part: cut in a header, in a character, between two frames."""
    text = "".join(f"{number} \N{EURO SIGN} " for number in range(2000)).encode()
    sockets = {_open(cluster, stage): stage.random.randrange(1, len(text)) for _ in range(20)}
    frames = {connection: masked(text[:cut], final=False) + masked(text[cut:], opcode=0) if number % 2 else masked(text)
              for number, (connection, cut) in enumerate(sockets.items())}
    for gateway in cluster.gateways * 3:
        for connection, frame in frames.items():
            size = stage.random.choice((1, 3, len(frame) // 3, len(frame) - 1))
            connection.sendall(frame[:size])
            frames[connection] = frame[size:] if size < len(frame) else b""
        stage.wait(0.05, 0.2)
        traffic.mark("half")
        _take_over(stage, gateway)
    for connection, frame in frames.items():
        connection.sendall(frame)
        stage.promise(_echoed(connection) == text.decode(), "a message that came in part is not what was sent")
        connection.close()


def _refused(stage, cluster, traffic):
    """Successors that cannot be, of several kinds: the gateway goes on."""
    gateway = stage.random.choice(cluster.gateways)
    few = ["prlimit", f"--nofile={max(stage.connections // 4, 80)}"]
    for why, words, prefix in (("the new one 127.0.0.1:1", ["--listen", "127.0.0.1:1"], []),
                               ("there is no gateway", ["--data", stage.directory], []),
                               ("open descriptors", [], few)):
        traffic.mark("refused")
        at = len(gateway.log_text())
        status = gateway.start_successor(*words, prefix=prefix).wait(20 * SLOWNESS)
        said = gateway.log_text()[at:]
        stage.promise(status != 0, f"a successor that cannot be ({why}) ended with 0")
        stage.promise(why in said, f"it is not said why: {said}")
        stage.promise(gateway.running(), "the gateway has gone")
    _load(stage, cluster, traffic)


# --- in the midst of it

def _kill_old(stage, cluster, traffic):
    for _ in range(3):
        gateway = stage.random.choice(cluster.gateways)
        traffic.mark("kill-old")
        at = len(gateway.log_text())
        successor = _begin(stage, gateway)
        gateway.send_signal(signal.SIGKILL)
        gateway._popen.wait(10 * SLOWNESS)  # pylint: disable=protected-access
        _settle(stage, cluster, gateway, successor, at)


def _kill_new(stage, cluster, traffic):
    for _ in range(3):
        gateway = stage.random.choice(cluster.gateways)
        traffic.mark("kill-new")
        at = len(gateway.log_text())
        successor = _begin(stage, gateway)
        successor.kill()
        successor.wait()
        _settle(stage, cluster, gateway, successor, at)


def _stop_old(stage, cluster, traffic):
    _stop(stage, cluster, traffic, old=True)


def _stop_new(stage, cluster, traffic):
    _stop(stage, cluster, traffic, old=False)


def _stop(stage, cluster, traffic, old):
    """Whoever is stopped goes on later, when the other has decided."""
    for _ in range(2):
        gateway = stage.random.choice(cluster.gateways)
        traffic.mark("stop")
        at = len(gateway.log_text())
        successor = _begin(stage, gateway)
        stopped = gateway.pid if old else successor.pid
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGSTOP)
        stage.wait(3, 4.5)  # either has lost its patience by then
        with contextlib.suppress(ProcessLookupError):
            os.kill(stopped, signal.SIGCONT)
        _settle(stage, cluster, gateway, successor, at)


def _begin(stage, gateway):
    """A successor, and some time, by the dice: most often in the midst of its taking over."""
    at = len(gateway.log_text())
    successor = gateway.start_successor()
    if stage.random.random() < 0.7:  # it has begun when it has the identity; nothing says so but its socket
        deadline = time.monotonic() + 10 * SLOWNESS
        while successor.poll() is None and not _is_asking(gateway.pid, successor.pid) and time.monotonic() < deadline:
            if TOOK_OVER in gateway.log_text()[at:]:
                break
    time.sleep(stage.random.choice((0, 0.001, 0.005, 0.02, 0.05, 0.2)) * stage.random.random())
    return successor


def _is_asking(old, new):
    """Whether the successor has descriptors of clients' sockets by now."""
    try:
        return len(os.listdir(f"/proc/{new}/fd")) > 60 or not os.path.exists(f"/proc/{old}/fd")
    except OSError:
        return True


def _settle(stage, cluster, gateway, successor, at):
    """One of the two serves, or (where one was killed that had everything) neither: never both."""
    deadline = time.monotonic() + 15 * SLOWNESS
    old = gateway._popen  # pylint: disable=protected-access

    def has_taken_over():
        return TOOK_OVER in gateway.log_text()[at:]

    while successor.poll() is None and not (old.poll() is not None and has_taken_over()) and time.monotonic() < deadline:
        time.sleep(0.02)
    stage.promise(old.poll() is not None or successor.poll() is not None, "both gateways live")
    took_over = has_taken_over()
    if successor.poll() is None:
        stage.promise(took_over, "a successor lives that has not taken over")
        gateway.replaced_by(successor)
        stage.note("the new one serves")
    elif old.poll() is None:
        stage.promise(not took_over, "the old one lives although it was replaced")
        stage.note("the old one serves")
    else:
        stage.note("neither serves")
        gateway.await_end()
        gateway.start()
    cluster.wait_ready()
    stage.wait(0.5, 1)


def _take_over(stage, gateway):
    before, at = gateway.pid, len(gateway.log_text())
    gateway.take_over()
    # The one before may have left before the successor says so.
    match = wait_until(lambda: re.search(TOOK_OVER + r"(\d+) sockets, .* for (\d+)ms", gateway.log_text()[at:]),
                       "the successor says that it has taken over", 5)
    stage.promise(gateway.pid != before, "it is the same process")
    stage.note(f"{match[1]} sockets in {match[2]} ms")


# --- sockets of this drill's own

def _open(cluster, stage, small=False):
    """A WebSocket of class echo, whose welcome was read."""
    connection = socket.socket()
    if small:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(30 * SLOWNESS)
    connection.connect(("127.0.0.1", cluster.port(stage.random.randrange(len(cluster.gateways)))))
    upgrade(connection, "/websocket/takeover")
    _read_message(connection)
    return connection


def _numbered(number):
    return f"{number} {random.Random(number).randbytes(10_000).hex()}".encode()


def _exactly(connection, size):
    data = bytearray()
    while len(data) < size:
        block = connection.recv(size - len(data))
        if not block:
            raise ConnectionError("the socket was closed")
        data += block
    return bytes(data)


def _read_message(connection):
    message = b""
    while True:
        first, second = _exactly(connection, 2)
        size = second & 0x7F
        if size > 125:
            size = struct.unpack(">H" if size == 126 else ">Q", _exactly(connection, 2 if size == 126 else 8))[0]
        payload = _exactly(connection, size)
        if first & 0x0F == 8:
            raise ConnectionError(f"the socket was closed: {payload}")
        if first & 0x08:
            continue
        message += payload
        if first & 0x80:
            return message


def _echoed(connection):
    return json.loads(_read_message(connection))["message"]
