"""A WebSocket that does what no library would: sends as fast as it can, never reads, leaves frames unfinished.

Plain blocking sockets, no thread: for tests, and for the processes of attackers and innocents (tests/bench/attacks).
"""

import json
import select
import socket
import struct
import time
import typing


def upgrade(connection, path):
    """Makes a WebSocket of a connection. What follows the server's answer is left to be read."""
    handshake(connection, path)
    return connection


def upgrade_request(path, fields=()):
    """`fields`: more lines of the head."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: 127.0.0.1", "Upgrade: websocket", "Connection: Upgrade",
                        "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", *fields,
                        "\r\n"]).encode()


def handshake(connection, path, fields=()):
    """The head of the server's answer, which is 101. What follows it is left to be read."""
    connection.sendall(upgrade_request(path, fields))
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        if not byte:
            raise ConnectionError(f"no answer to an upgrade but {head}")
        head += byte
    if b" 101 " not in head.split(b"\r\n")[0]:
        raise ConnectionError(head.split(b"\r\n")[0].decode())
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return head


class ServerFrame(typing.NamedTuple):
    opcode: int
    final: bool
    reserved: int  # the three bits behind FIN
    payload: bytes


class FrameReader:
    """A server's frames, one by one."""

    def __init__(self, connection):
        self._connection = connection
        self.buffer = b""

    def next(self):
        """(opcode, whether it ends its message, payload)"""
        frame = self.next_frame()
        return frame.opcode, frame.final, frame.payload

    def next_frame(self):
        first, length = self._take(2)
        assert length < 128, "servers do not mask"
        if length >= 126:
            least = 126 if length == 126 else 65536
            length = int.from_bytes(self._take(2 if length == 126 else 8), "big")
            assert length >= least, f"{length} is written in more bytes than it takes"
        return ServerFrame(first & 15, bool(first & 128), first >> 4 & 7, self._take(length))

    def _take(self, size):
        if len(self.buffer) < size:
            blocks, missing = [self.buffer], size - len(self.buffer)
            while missing > 0:
                blocks.append(self._connection.recv(1 << 20))
                if not blocks[-1]:
                    raise ConnectionError("the other side has gone")
                missing -= len(blocks[-1])
            self.buffer = b"".join(blocks)
        taken, self.buffer = self.buffer[:size], self.buffer[size:]
        return taken


class Raw:
    def __init__(self, port, path, small_window=False, timeout=30):
        """`small_window`: takes little before it has to be read."""
        self.sock = socket.socket()
        if small_window:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(timeout)
        self.sock.connect(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._frames = FrameReader(upgrade(self.sock, path))

    def send(self, frame):
        """A dictionary as JSON; bytes as they are."""
        self.sock.sendall(text_frame(frame))

    def receive(self):
        """The next message, parsed; a close is (code, reason)."""
        while True:
            opcode, payload = self._message()
            if opcode == 8:
                return struct.unpack("!H", payload[:2])[0] if len(payload) >= 2 else 1005, payload[2:].decode()
            if opcode in (0, 1):
                return json.loads(payload)

    def answer_to(self, frame, wait=30):
        """Sends it, and passes over what comes before its answer."""
        self.send(frame)
        deadline = time.monotonic() + wait
        while time.monotonic() < deadline:
            said = self.receive()
            if isinstance(said, tuple):
                raise ConnectionError(f"closed with {said}")
            # What one publishes to oneself correlates, too.
            if said.get("correlationId") == frame.get("id") and said["type"].startswith("hub:"):
                return said
        raise TimeoutError(f"no answer to {frame['type']}")

    def drain(self, seconds):
        """All that comes within so many seconds, parsed; a close ends it."""
        said, deadline = [], time.monotonic() + seconds
        try:
            while (left := deadline - time.monotonic()) > 0:
                if not self._frames.buffer and not select.select([self.sock], [], [], left)[0]:
                    break
                said.append(self.receive())
                if isinstance(said[-1], tuple):
                    break
        except (ConnectionError, TimeoutError) as error:
            said.append((1006, str(error)))
        return said

    def close(self):
        self.sock.close()

    def _message(self):
        """(opcode, payload) of a message, put together, or of a control frame."""
        whole, kind = b"", None
        while True:
            opcode, last, payload = self._frames.next()
            if opcode >= 8:
                return opcode, payload
            kind = opcode or kind
            whole += payload
            if last:
                return kind or 0, whole


def text_frame(frame):
    """A whole text message."""
    return masked(json.dumps(frame).encode() if isinstance(frame, dict) else frame)


def masked(payload, final=True, opcode=1):
    """A client's frame. The mask is zero: the payload is seen as it is."""
    return frame_head(len(payload), final, opcode) + payload


def frame_head(size, final=True, opcode=1, reserved=0, mask=bytes(4), length_bytes=None):
    """A client's. `length_bytes`: 0, 2 or 8 behind the second byte, by default as few as can be. No mask: as a
    server's."""
    if length_bytes is None:
        length_bytes = 0 if size < 126 else 2 if size < 65536 else 8
    short = {0: size, 2: 126, 8: 127}[length_bytes]
    return (bytes([(128 if final else 0) | reserved << 4 | opcode, (128 if mask else 0) | short]) +
            (size.to_bytes(length_bytes, "big") if length_bytes else b"") + (mask or b""))


def under_mask(payload, mask):
    """Masked where it is not, and the other way round."""
    size = len(payload)
    key = (mask * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(key, "big")).to_bytes(size, "big")


class Actor(Raw):
    """A client of class signal, in protocol 1.0, connected."""

    def __init__(self, port, hub, address, token=None, **options):
        super().__init__(port, f"/ws/{hub}", **options)
        self.address = address
        self._count = 0
        payload = {"version": "1.0", **({"jwt": token} if token else {})}
        self.connected = self.must("hub:connect", payload)

    def envelope(self, kind, payload, **fields):
        self._count += 1
        return {"id": f"{self.address}-{self._count}", "from": self.address, "to": "cloudflare/signal-hub",
                "type": kind, "payload": payload, "pattern": "ask", "metadata": {}, **fields}

    def ask(self, kind, payload, **fields):
        return self.answer_to(self.envelope(kind, payload, **fields))

    def must(self, kind, payload, **fields):
        """The answer's payload. Waits as long as a rate limit asks."""
        while True:
            answer = self.ask(kind, payload, **fields)
            if answer["type"] != "hub:error":
                return answer["payload"]
            if answer["payload"]["code"] != "rate_limited":
                raise AssertionError(answer["payload"])
            time.sleep(0.2)

    def register(self, address=None, capabilities=("test",), metadata=None):
        return self.must("hub:register", {"actorAddress": address or self.address, "capabilities": list(capabilities),
                                          "metadata": metadata or {}})
