"""Sockets that say what no library would, and the client beside them that must not notice."""

import contextlib
import socket
import time

from client_tls import by_tls, client_context
from cluster import SLOWNESS
from raw import FrameReader, upgrade
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
    return upgrade(raw_client(cluster), path)


def close_code(connection):
    """What the server closes with, after whatever else it says; None: it ends the connection without a word."""
    frames = FrameReader(connection)
    with contextlib.suppress(ConnectionError):
        while True:
            opcode, _, payload = frames.next()
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")
    return None


def raw_client(cluster, request=b"", address="127.0.0.1"):
    """A socket that has sent no more than this. `address`: its own, of 127.0.0.0/8."""
    connection = socket.create_connection(("127.0.0.1", cluster.port()), timeout=WAIT, source_address=(address, 0))
    if by_tls():
        connection = client_context().wrap_socket(connection, server_hostname="localhost")
    connection.sendall(request)
    return connection


def ends(connection):
    """Waits until the server ends the connection; returns what it said before."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while block := connection.recv(65536):
            said += block
    return said
