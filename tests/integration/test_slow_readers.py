"""Clients that do not read, and what is sent to many at once: the gateway stays within its memory, and who has nothing
to do with it is answered meanwhile."""

import asyncio
import contextlib
import json
import multiprocessing
import re
import selectors
import socket
import threading
import time

import pytest
from cluster import KEPT_FREED, SLOWNESS, Cluster, http_get, wait_until
from raw import Actor, masked, text_frame, upgrade
from ws import HUB, WAIT, actor

MIB = 1 << 20


def envelope(kind, payload, sender):
    return text_frame(json.dumps({"id": "1", "from": sender, "to": HUB, "type": kind, "payload": payload,
                                  "pattern": "ask", "correlationId": None, "metadata": {}}).encode())


def reluctant(cluster, path):
    """A WebSocket for which the kernel keeps little on either side, so that what is not read waits in the gateway."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
    connection.settimeout(WAIT)
    connection.connect(("127.0.0.1", cluster.port()))
    return upgrade(connection, path)


def plain(cluster, path):
    return upgrade(socket.create_connection(("127.0.0.1", cluster.port()), timeout=WAIT), path)


def read_until(connection, word):
    said = b""
    while word not in said:
        block = connection.recv(65536)
        assert block, said[-300:]
        said += block


def registered(connections, name):
    """The sockets of actors that have connected and registered, as test/NAME-0, test/NAME-1, ..."""
    for i, connection in enumerate(connections):
        address = f"test/{name}-{i}"
        connection.sendall(envelope("hub:connect", {"version": "1.0"}, address) +
                           envelope("hub:register", {"actorAddress": address, "capabilities": ["test"]}, address))
    for connection in connections:
        read_until(connection, b'"hub:registered"')
    return connections


def broadcast(sender, size):
    sender.sendall(envelope("hub:broadcast", {"type": "bulk", "data": "x" * size}, "test/sender-0"))
    sender.settimeout(6 * WAIT)
    read_until(sender, b'"hub:delivery_ack"')


class Watch:
    """What others notice while something goes on: a client of another hub asks all along, in a process of its own; how
    long it waits for answers, and the most memory that the gateway takes, are in `waits` and `grown` afterwards."""

    def __init__(self, cluster):
        self._gateway = cluster.gateways[0]
        self._connection = plain(cluster, "/websocket/bystander")
        self._stop = threading.Event()

    def __enter__(self):
        context = multiprocessing.get_context("fork")
        self._ours, theirs = context.Pipe()
        self._asker = context.Process(target=_ask, args=(self._connection, theirs), daemon=True)
        self._asker.start()
        self._before = self._most = self._gateway.rss()
        self._looker = threading.Thread(target=self._look)
        self._looker.start()
        return self

    def _look(self):
        while not self._stop.wait(0.01):
            self._most = max(self._most, self._gateway.rss())

    def __exit__(self, kind, error, trace):
        self._ours.send("enough")
        self.waits = self._ours.recv() if self._ours.poll(2 * WAIT) else None
        self._asker.kill()
        self._asker.join()
        self._stop.set()
        self._looker.join()
        self._connection.close()
        self.grown = self._most - self._before
        if self.waits:
            p99 = sorted(self.waits)[len(self.waits) * 99 // 100]
            print(f"gateway +{self.grown / MIB:.0f} MiB, others wait at most {max(self.waits):.3f} s, p99 {p99:.3f} s")


def _ask(connection, pipe):
    waits = []
    while not pipe.poll(0.01):
        asked = time.monotonic()
        connection.sendall(text_frame(b"still served?"))
        read_until(connection, b"still served?")
        waits.append(time.monotonic() - asked)
    pipe.send(waits)


@contextlib.contextmanager
def drained(connections):
    """What comes is read, in a process of its own. Gives a function that waits until each has had so many bytes."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    reader = context.Process(target=_drain, args=(connections, theirs), daemon=True)
    reader.start()

    def await_bytes(each):
        ours.send(each)
        assert ours.poll(6 * WAIT), "not everything has come"

    try:
        yield await_bytes
    finally:
        reader.kill()
        reader.join()


def _drain(connections, pipe):
    selector = selectors.DefaultSelector()
    counts = dict.fromkeys(connections, 0)
    for connection in connections:
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ)
    block = bytearray(MIB)
    awaited = None
    while True:
        for key, _ in selector.select(0.01):
            with contextlib.suppress(BlockingIOError):
                counts[key.fileobj] += key.fileobj.recv_into(block)
        if awaited is None and pipe.poll():
            awaited = pipe.recv()
        if awaited is not None and min(counts.values()) >= awaited:
            pipe.send("done")
            return


def metric(cluster, name, reason):
    text = http_get(cluster.gateways[0].admin, "/metrics")[1]
    return float(re.search(rf'^{name}{{reason="{reason}"}} (\S+)$', text, re.MULTILINE).group(1))


def close_all(connections):
    for connection in connections:
        connection.close()


def test_what_waits_for_many_readers_is_kept_once():
    with Cluster(options={"rate-limit": "0", "connection-cpu": "0", "outbound-limit": "32MiB",
                          "max-message-size": "1MiB"}) as cluster:
        slow = registered([reluctant(cluster, "/ws/room") for _ in range(100)], "slow")
        [sender] = registered([plain(cluster, "/ws/room")], "sender")
        with Watch(cluster) as watch:
            for _ in range(16):
                broadcast(sender, 900_000)
        assert watch.grown < 128 * MIB
        assert max(watch.waits) < 2 * SLOWNESS
        close_all([*slow, sender])


def test_what_goes_back_from_closed_readers_is_kept_once():
    """They are over the limit together, and each message of a session that can be resumed returns to its hub."""
    with Cluster(options={"rate-limit": "0", "connection-cpu": "0", "outbound-limit": "2MiB", "outbound-pause": "1MiB",
                          "max-message-size": "1MiB"}) as cluster:
        slow = registered([reluctant(cluster, "/ws/room") for _ in range(40)], "slow")
        [sender] = registered([plain(cluster, "/ws/room")], "sender")
        with Watch(cluster) as watch:
            sender.settimeout(6 * WAIT)  # its hub has much to take back
            for _ in range(4):
                broadcast(sender, 900_000)
            wait_until(lambda: metric(cluster, "dormouse_closes_total", "slow_consumer") == 40, "all are closed")
        assert watch.grown < 48 * MIB + KEPT_FREED
        close_all([*slow, sender])


def test_what_waits_for_all_readers_is_bounded():
    with Cluster(options={"outbound-buffer": "24MiB", "max-message-size": "1MiB"}) as cluster:
        silent = [reluctant(cluster, f"/websocket/silent-{i}") for i in range(40)]
        with Watch(cluster) as watch:
            for _ in range(20):
                for connection in silent:
                    # Who has been closed may hear of it while it sends.
                    with contextlib.suppress(OSError):
                        connection.sendall(text_frame(b"x" * 150_000))
            wait_until(lambda: metric(cluster, "dormouse_closes_total", "outbound_full") > 5, "some are closed")
        assert watch.grown < 72 * MIB + KEPT_FREED
        assert max(watch.waits) < 2 * SLOWNESS
        close_all(silent)


@pytest.mark.skipif(SLOWNESS > 1, reason="a sanitizer keeps what was freed for a while")
def test_what_waited_is_given_back_when_its_readers_have_gone():
    with Cluster(options={"rate-limit": "0", "connection-cpu": "0", "max-message-size": "1MiB"}) as cluster:
        gateway = cluster.gateways[0]
        before = gateway.rss()
        silent = [reluctant(cluster, f"/websocket/silent-{i}") for i in range(100)]
        for connection in silent * 6:
            with contextlib.suppress(OSError):  # who has been closed
                connection.settimeout(0.5)
                connection.sendall(text_frame(b"x" * 900_000))
        wait_until(lambda: cluster.metrics(gateway)["dormouse_outbound_queued_bytes"] > 150 * MIB, "much waits")
        grown = gateway.rss() - before
        close_all(silent)
        wait_until(lambda: gateway.rss() - before < grown / 3, "most of the memory is given back", timeout=20)


def test_a_large_fan_out_lets_others_be_answered():
    with Cluster(options={"rate-limit": "0", "connection-cpu": "0", "max-message-size": "2MiB",
                          "max-output": "2GiB"}) as cluster:
        crowd = registered([plain(cluster, "/ws/room") for _ in range(1200)], "one")
        [sender] = registered([plain(cluster, "/ws/room")], "sender")
        with drained(crowd) as await_bytes, Watch(cluster) as watch:
            began = time.monotonic()
            broadcast(sender, MIB)
            await_bytes(MIB)
            took = time.monotonic() - began
        assert watch.grown < 64 * MIB
        assert max(watch.waits) < took / 3, f"it took {took:.3f} s"
        close_all([*crowd, sender])


async def test_who_leaves_while_output_waits_has_left():
    """A reader for which megabytes wait says good-bye: it is answered, and its session is over before it has read."""
    with Cluster(options={"rate-limit": "0"}) as cluster:
        async with actor(cluster.ws_url("/ws/leave"), "test/sender") as sender:
            reader = await asyncio.to_thread(Actor, cluster.port(), "leave", "test/reader", small_window=True)
            await asyncio.to_thread(reader.register)
            for _ in range(12):
                await sender.must("hub:send", {"to": "test/reader", "type": "note", "data": "x" * 500_000})
            reader.sock.sendall(masked((1000).to_bytes(2, "big") + b"bye", opcode=8))
            await sender.addresses_become("test/sender")
            notes = 0
            while not isinstance(said := await asyncio.to_thread(reader.receive), tuple):
                notes += 1
            assert said[0] == 1000 and notes < 12
