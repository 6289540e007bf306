"""Puts the clients' folder on the path, and runs servers for them to talk to."""

import contextlib
import pathlib
import sys

import pytest
import websockets

CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "clients" / "python"
sys.path.insert(0, str(CLIENTS))

# pylint: disable=wrong-import-position
import dormouse  # noqa: E402
import manual_clock  # noqa: E402

EVENTS = ("connected", "resumed", "disconnected", "reconnecting", "paused", "unpaused", "error")


@pytest.fixture
def serve():
    """`async with serve(handler) as url`: a WebSocket server on a free port."""

    @contextlib.asynccontextmanager
    async def running(handler, **settings):
        async with websockets.serve(handler, "127.0.0.1", 0, **settings) as server:
            yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/websocket"

    return running


@pytest.fixture
def clock():
    return manual_clock.ManualClock()


@pytest.fixture
def make_client(clock):
    """make_client(hub, **settings): a Client of a FakeHub on the test's clock, with exact delays between attempts.
    client.seen holds what happened, as (event, arguments...)."""

    def make(hub, **settings):
        settings.setdefault("actor", "browser/me")
        backoff = dormouse.Backoff(uniform=lambda low, high: 1.0)
        client = dormouse.Client(hub.url, clock=clock, backoff=backoff, **settings)
        client.seen = []
        for event in EVENTS:
            client.on(event, lambda *details, event=event: client.seen.append((event, *details)))
        return client

    return make
