"""Sockets that say what no library would, and the client beside them that must not notice."""

import contextlib
import socket
import time

from cluster import SLOWNESS
from ws import WAIT, echo


@contextlib.asynccontextmanager
async def bystander(cluster):
    """A client that must not notice anything."""
    async with echo(cluster.ws_url("/websocket/bystander")) as client:
        yield client
        asked = time.monotonic()
        assert (await client.ask("still served"))["message"] == "still served"
        assert time.monotonic() - asked < 5 * SLOWNESS


def raw_websocket(cluster, path="/websocket/raw-socket"):
    """A socket after the handshake, for frames that no library would send."""
    return websocket_over(raw_client(cluster), path)


def websocket_over(connection, path):
    """The same of a connection that is there already."""
    request = (f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    connection.sendall(request.encode())
    head = b""
    while b"\r\n\r\n" not in head:
        block = connection.recv(4096)
        assert block, head
        head += block
    assert head.startswith(b"HTTP/1.1 101")
    assert b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in head
    return connection


def masked(payload, final=True, opcode=1):
    """A client's frame. The mask is zero: the payload is seen as it is."""
    size = len(payload)
    if size < 126:
        length = bytes([0x80 | size])
    elif size < 1 << 16:
        length = bytes([0x80 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([0x80 | 127]) + size.to_bytes(8, "big")
    return bytes([(0x80 if final else 0) | opcode]) + length + bytes(4) + payload


def _first_frame(said):
    """The payload of the first frame of a server, and the size of the frame; None: it is not all there."""
    if len(said) < 2:
        return None
    length_bytes = {126: 2, 127: 8}.get(said[1], 0)
    length = int.from_bytes(said[2:2 + length_bytes], "big") if length_bytes else said[1]
    size = 2 + length_bytes + length
    return (said[2 + length_bytes:size], size) if len(said) >= size else None


def close_code(connection):
    """What the server closes with, after whatever else it says; None: it ends the connection without a word."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            said += block
            while (frame := _first_frame(said)) is not None:
                payload, size = frame
                if said[0] == 0x88:
                    return int.from_bytes(payload[:2], "big")
                said = said[size:]
    return None


def raw_client(cluster, request=b"", address="127.0.0.1"):
    """A socket that has sent no more than this. `address`: its own, of 127.0.0.0/8."""
    connection = socket.create_connection(("127.0.0.1", cluster.port()), timeout=WAIT, source_address=(address, 0))
    connection.sendall(request)
    return connection


def ends(connection):
    """Waits until the server ends the connection; returns what it said before."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            said += block
    return said
