"""Puts the clients' folder on the path, and runs servers for them to talk to."""

import contextlib
import pathlib
import sys

import pytest
import websockets

CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"
sys.path.insert(0, str(CLIENTS))


@pytest.fixture
def serve():
    """`async with serve(handler) as url`: a WebSocket server on a free port."""

    @contextlib.asynccontextmanager
    async def running(handler, **settings):
        async with websockets.serve(handler, "127.0.0.1", 0, **settings) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/websocket"

    return running
