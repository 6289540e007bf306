"""What a client without a WebSocket costs and waits, beside one that has it, in one run: an echo over a WebSocket, over an
event stream and POSTs, over long polling and POSTs; and the memory of a gateway for clients that are silent.

Clients write by hand, as little as they can, one after the other, and wait for each answer. The three ways take turns, so
that they have the same machine."""

import http.client
import json
import socket
import time

from cluster import Cluster, wait_until
from raw import FrameReader, masked, upgrade

_MESSAGE = b'{"type":"message","message":"a body of some forty bytes"}'
_POSTED = b"text %d\n%s" % (len(_MESSAGE), _MESSAGE)


_FRAME = masked(_MESSAGE)


def _size_of(frame):
    """Of one with its header, of less than 64 KiB."""
    return 4 + int.from_bytes(frame[2:4], "big") if frame[1] == 126 else 2 + frame[1]


def show(name, value, unit):
    print(f"{name:<44} {value:12.2f} {unit}", flush=True)


class _WebSocket:
    name = "websocket"

    def __init__(self, port, path):
        self._socket = upgrade(_connect(port), path)
        self._reader = FrameReader(self._socket)
        self._reader.next()

    def echo(self):
        self._socket.sendall(_FRAME)
        answer = self._socket.recv(4096)
        while len(answer) < 4 or len(answer) < _size_of(answer):
            answer += self._socket.recv(4096)


class _Fallback:
    def __init__(self, port, path):
        self._path = f"{path}/@fallback"
        self._up = http.client.HTTPConnection("127.0.0.1", port)
        self._up.connect()
        self._up.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._id = json.loads(self._ask("POST", self._path))["id"]
        self._sent = 0
        self._got = 0

    def _ask(self, method, target, body=b""):
        self._up.request(method, target, body)
        answer = self._up.getresponse()
        text = answer.read()
        assert answer.status in (200, 201), text
        return text

    def _target(self, call):
        return f"{self._path}/{call}?id={self._id}&after={self._got}"

    def _send(self):
        self._sent += 1
        self._begin_to_send()

    def _begin_to_send(self):
        head = (f"POST {self._target('send')}&from={self._sent} HTTP/1.1\r\nHost: h\r\n"
                f"Content-Length: {len(_POSTED)}\r\n\r\n").encode()
        self._up.sock.sendall(head + _POSTED)

    def _sent_answer(self):
        answer = b""
        while b"}\n" not in answer:
            answer += self._up.sock.recv(4096)
        assert answer.startswith(b"HTTP/1.1 200 "), answer


class _Stream(_Fallback):
    name = "event stream"

    def __init__(self, port, path):
        super().__init__(port, path)
        self._down = _connect(port)
        self._down.sendall(f"GET {self._target('events')} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        self._unread = b""
        self._event()

    def _event(self):
        """The next message."""
        while True:
            end = self._unread.find(b"\n\n")
            if end >= 0:
                event, self._unread = self._unread[:end], self._unread[end + 2:]
                at = event.find(b"id: ")
                if at >= 0:
                    self._got = int(event[at + 4:event.index(b"\n", at)])
                    return
                continue
            self._unread += self._down.recv(65536)

    def echo(self):
        self._send()
        self._event()
        self._sent_answer()


class _Polls(_Fallback):
    name = "long polling"

    def __init__(self, port, path):
        super().__init__(port, path)
        self._down = _connect(port)
        self._poll()
        self._polled()

    def _poll(self):
        self._down.sendall(f"GET {self._target('poll')} HTTP/1.1\r\nHost: h\r\n\r\n".encode())

    def _polled(self):
        answer = b""
        while not answer.endswith(b"\n\n") or b"data: " not in answer:
            answer += self._down.recv(65536)
        at = answer.rindex(b"id: ")
        self._got = int(answer[at + 4:answer.index(b"\n", at)])

    def echo(self):
        self._poll()
        self._send()
        self._polled()
        self._sent_answer()


def _connect(port):
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def measure(store, echoes, idle, rounds=5):
    with Cluster(store=store, options={"rate-limit": "0", "connection-cpu": "0", "idle-timeout": "0",
                                       "fallback-connections": "10000", "fallback-window": "1m"}) as cluster:
        times = {kind: [] for kind in (_WebSocket, _Stream, _Polls)}
        for turn in range(rounds):
            for kind, found in times.items():
                client = kind(cluster.port(), f"/websocket/{kind.name.replace(' ', '-')}-{turn}")
                for number in range(echoes // rounds + 20):
                    began = time.perf_counter()
                    client.echo()
                    if number >= 20:
                        found.append((time.perf_counter() - began) * 1e6)
        first = None
        for kind, found in times.items():
            found.sort()
            median = found[len(found) // 2]
            first = first or median
            show(f"echo, {kind.name}, p50", median, "us")
            show(f"echo, {kind.name}, p50 of a WebSocket's", median / first, "times")
            show(f"echo, {kind.name}, p99", found[len(found) * 99 // 100], "us")
        for kind in (_WebSocket, _Stream):
            before = cluster.gateways[0].rss()
            clients = [kind(cluster.port(), f"/websocket/idle-{number % 10}") for number in range(idle)]
            wait_until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_connections"] >= idle, "they are open")
            show(f"memory of a gateway, {kind.name}, silent", (cluster.gateways[0].rss() - before) / idle, "bytes/client")
            del clients
