"""What one client costs the others: those who say more than their share, or only half of what they begin, are slowed
down, refused or closed, and nobody else notices."""

import asyncio
import contextlib
import re
import socket
import threading
import time

import pytest
from attack import bystander, close_code, raw_websocket
from cluster import SLOWNESS, Cluster, http_get, until
from raw import masked
from ws import WAIT, Actor, connect, echo


class Flooder:
    """An echo client that sends numbers as fast as it can, on a thread, and reads what comes, on another."""

    def __init__(self, cluster, path, count):
        self._socket = raw_websocket(cluster, path)
        self._said = b"".join(masked(b'{"message":[%d]}' % number) for number in range(count))
        self._last = b'"message":[%d],' % (count - 1)
        self._heard = b""
        self._threads = [threading.Thread(target=work) for work in (self._send, self._read)]

    def start(self):
        for thread in self._threads:
            thread.start()

    def _send(self):
        with contextlib.suppress(OSError):
            self._socket.sendall(self._said)

    def _read(self):
        heard = bytearray()
        while self._last not in heard[-300_000:] and (block := self._socket.recv(1 << 18)):
            heard += block
        self._heard = bytes(heard)

    @property
    def running(self):
        return any(thread.is_alive() for thread in self._threads)

    def close(self):
        """The numbers that came back."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()
        return [int(it) for it in re.findall(rb'"type":"echo","message":\[(\d+)\],', self._heard)]


async def test_flooders_wait_for_themselves():
    """Four clients that send without a pause take a lane all of its time; one beside them waits for a window of each,
    and not for all that they have to say. They lose nothing."""
    count = 100_000
    with Cluster(options={"lanes": "1"}) as cluster:
        async with echo(cluster.ws_url("/websocket/beside")) as client:
            flooders = [Flooder(cluster, f"/websocket/flood-{number}", count) for number in range(4)]
            waits = []
            try:
                for flooder in flooders:
                    flooder.start()
                began = time.monotonic()
                while any(flooder.running for flooder in flooders):
                    asked = time.monotonic()
                    assert (await client.ask("beside"))["message"] == "beside"
                    waits.append(time.monotonic() - asked)
                took = time.monotonic() - began
            finally:
                heard = [flooder.close() for flooder in flooders]
        for numbers in heard:
            assert numbers == list(range(count)), "nothing is lost"
        assert cluster.metrics(cluster.gateways[0])["dormouse_connection_windows_full_total"] > 0
        assert len(waits) >= 10 and max(waits) < max(took / 3, 0.25), (len(waits), max(waits), took)


async def test_who_repeats_hub_connect_is_refused():
    with Cluster(options={"lanes": "1"}) as cluster:
        async with bystander(cluster) as beside, connect(cluster.ws_url("/ws/again")) as client:
            again = Actor(client.protocol, "test/a").envelope("hub:connect", {"version": "1.0"})
            for _ in range(2_000):
                await client.send(again)
            assert (await beside.ask("beside"))["message"] == "beside"

            def metrics():
                return cluster.metrics(cluster.gateways[0])

            await until(lambda: metrics()["dormouse_rate_limited_total"] > 1_500, "they are refused")
            assert metrics()["dormouse_edge_answers_dropped_total"] > 1_000


async def test_who_goes_on_far_over_its_limit_is_closed():
    with Cluster() as cluster:
        async with bystander(cluster), connect(cluster.ws_url("/ws/deaf")) as client:
            request = Actor(client.protocol, "test/a").envelope("hub:list_actors", {"limit": 0})
            began = time.monotonic()

            async def flood():
                while client.is_open:
                    for _ in range(40):
                        await client.send(request)
                    await asyncio.sleep(0.1)

            flooding = asyncio.create_task(flood())
            assert await client.closed(timeout=30 * SLOWNESS) == (1008, "Far over the rate limit")
            assert time.monotonic() - began >= 10
            await asyncio.wait([flooding])
        assert cluster.metrics(cluster.gateways[0])['dormouse_closes_total{reason="rate_limit"}'] == 1


@pytest.mark.parametrize("count, size, trickles", [(40, 700_000, False), (1_500, 25_000, False), (1_500, 25_000, True)])
def test_unfinished_messages_are_no_innocents_loss(count, size, trickles):
    """Sockets that begin messages and do not end them use up the memory for such; who sends a message without
    dawdling is served all the same."""
    message = b'{"message":"' + b"i" * 200_000 + b'"}'
    options = {"inbound-buffer": "8MiB", "connection-cpu": "0"}  # this is about memory: its messages are large
    with Cluster(options=options) as cluster, contextlib.ExitStack() as stack:
        innocent = stack.enter_context(raw_websocket(cluster, "/websocket/innocent"))
        hoarders = []
        for number in range(count):
            hoarders.append(stack.enter_context(raw_websocket(cluster, f"/ws/hoard-{number % 10}")))
            with contextlib.suppress(OSError):
                hoarders[-1].sendall(masked(b"x" * size, final=False, opcode=2))
            if number % (count // 20) != 0:
                continue
            for hoarder in hoarders if trickles else ():
                with contextlib.suppress(OSError):
                    hoarder.sendall(masked(b"y", final=False, opcode=0))
            innocent.sendall(masked(message))
            heard = b""
            while len(heard) < len(message) or not heard.endswith(b'"}'):
                block = innocent.recv(1 << 18)
                assert block and heard[:1] != b"\x88", (number, heard[:200])
                heard += block
        closes = cluster.metrics(cluster.gateways[0])['dormouse_closes_total{reason="partials_full"}']
        assert closes > count / 2
        assert close_code(hoarders[0]) in (1013, None)


@pytest.mark.parametrize("said", [
    pytest.param(b"", id="silent"), pytest.param(b"GET /metrics HTTP/1.1\r\nHost:", id="half"),
    pytest.param(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", id="unread"), pytest.param(b"\xff" * 3000, id="garbage")])
def test_probes_wait_for_nobody(said):
    with Cluster() as cluster, contextlib.ExitStack() as stack:
        for process in (*cluster.gateways, *cluster.statekeepers):
            for _ in range(300):
                visitor = stack.enter_context(socket.create_connection(("127.0.0.1", process.admin), timeout=WAIT))
                with contextlib.suppress(OSError):
                    visitor.sendall(said)
            for path in ("/healthz", "/readyz", "/metrics"):
                asked = time.monotonic()
                assert http_get(process.admin, path)[0] == 200
                assert time.monotonic() - asked < 2 * SLOWNESS, path
