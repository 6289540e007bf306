#!/usr/bin/env python3
"""Interactive terminal client of Dormouse's echo hubs.

Type a line to send it as a message, `ping` for a pong, `quit` to leave. Sends heartbeats, and connects again
when the connection is lost. With a pipe as standard input it sends the lines, waits for the answers and exits:
0 when every frame was answered, 1 when not.
"""

import argparse
import asyncio
import os
import signal
import sys
import time
from contextlib import suppress

try:
    import dormouse
except ImportError as missing:
    sys.exit(str(missing))
from dormouse import echo
from dormouse.heartbeat import Heartbeat, HeartbeatLost
from dormouse.tasks import race
from dormouse.terminal import Screen, input_lines

DEFAULT_HEARTBEAT = 20.0  # seconds; until the hub's welcome says otherwise
STABLE_AFTER = 5.0  # seconds that a connection must last for the back-off to start over
OUTBOX_LIMIT = 1000  # lines kept while there is no connection
REPLIES = ("echo", "pong", "error")


class Client:
    """One echo hub, over as many connections as it takes."""

    def __init__(self, url, screen, heartbeat=None, patience=10.0, interactive=False, backoff=None):
        self._url = url
        self._screen = screen
        self._fixed_heartbeat = heartbeat  # seconds, 0 = none, None = as the hub says
        self._patience = patience
        self._interactive = interactive
        self._backoff = backoff or dormouse.Backoff()
        self._connected = False
        self._outbox = asyncio.Queue(OUTBOX_LIMIT)
        self._next = None  # taken from the outbox, not yet sent
        self._unanswered = 0  # sent on this connection, no reply yet
        self._failed = False  # a frame will never be answered, or was answered with an error
        self._progress = asyncio.Event()

    async def run(self, lines, stop):
        """Until `lines` (asynchronous) are at their end and answered, or `stop` is set. Returns the exit status."""

        async def stopped():
            await stop.wait()
            return 130

        return await race(stopped(), self._converse(lines), self._stay_connected())

    async def _converse(self, lines):
        async for line in lines:
            text = line.strip()
            if not text:
                continue
            if text == "quit":
                if self._interactive:
                    return 0
                break
            if not self._connected and self._interactive:
                self._screen.show("status", "not connected; will be sent as soon as it is")
            await self._outbox.put(echo.ping() if text == "ping" else echo.message(text))
        return await self._last_replies()

    async def _last_replies(self):
        while self._next or self._unanswered or not self._outbox.empty():
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), self._patience)
            except asyncio.TimeoutError:
                missing = self._outbox.qsize() + self._unanswered + (self._next is not None)
                self._screen.show("error", f"{missing} frames without an answer after {self._patience:g} s")
                return 1
        return 1 if self._failed else 0

    async def _stay_connected(self):
        """Returns (an exit status) only when trying again cannot help."""
        while True:
            try:
                socket = await dormouse.open_socket(self._url)
            except dormouse.ConnectError as error:
                self._screen.show("error", str(error))
                if not error.retryable:
                    return 1
            else:
                opened = time.monotonic()
                await self._use(socket)
                if time.monotonic() - opened >= STABLE_AFTER:
                    self._backoff.reset()
            delay = self._backoff.next_delay()
            self._screen.show("status", f"next try in {delay:.1f} s")
            await asyncio.sleep(delay)

    async def _use(self, socket):
        """Talks on one connection until it is lost, or the caller is cancelled."""
        self._connected = True
        self._screen.show("status", f"connected to {self._url}")
        welcomed = asyncio.get_running_loop().create_future()  # the heartbeat interval that the hub asks for
        heartbeat = Heartbeat(dormouse.Clock(), lambda: socket.send(dormouse.encode(echo.heartbeat())))
        try:
            await race(
                self._read(socket, welcomed, heartbeat), self._write(socket), self._beat(heartbeat, welcomed)
            )
        except dormouse.ConnectionClosed as error:
            code, reason = dormouse.close_info(error)
            self._screen.show("closed", f"by the server: {code} {reason}".rstrip())
        except HeartbeatLost as error:
            self._screen.show("closed", str(error))
        finally:
            self._connected = False
            await socket.close(1000)
            if self._unanswered:
                self._screen.show("error", f"{self._unanswered} frames were sent but not answered")
                self._unanswered = 0
                self._failed = True
                self._progress.set()

    async def _write(self, socket):
        while True:
            # A frame that meets a closed socket stays here for the next connection.
            if self._next is None:
                self._next = await self._outbox.get()
            self._unanswered += 1
            try:
                await socket.send(dormouse.encode(self._next))
            except dormouse.ConnectionClosed:
                self._unanswered -= 1
                raise
            self._screen.show("sent", self._next.get("message", self._next["type"]))
            self._next = None

    async def _read(self, socket, welcomed, heartbeat):
        while True:
            data = await socket.recv()
            heartbeat.heard()
            frame = dormouse.decode(data)
            kind = frame.get("type") if frame else None
            if kind == "welcome":
                interval = frame.get("heartbeatInterval")
                if not welcomed.done():
                    welcomed.set_result(interval / 1000 if isinstance(interval, (int, float)) else None)
                text = f"{frame.get('message', '')} (connection {frame.get('connectionId')})"
                self._screen.show("welcome", text)
            elif kind == "heartbeat_ack":
                self._screen.show("heartbeat", f"acknowledged after {heartbeat.age_ms():.1f} ms")
            elif kind == "echo":
                self._screen.show("echo", f"{frame.get('message')} (connections: {frame.get('connections')})")
            elif kind == "pong":
                self._screen.show("pong", f"{frame.get('timestamp')}")
            else:
                is_error = kind is not None and "error" in kind
                self._failed |= is_error
                kind = "error" if is_error else "other"
                self._screen.show(kind, data if isinstance(data, str) else repr(data))
            if kind in REPLIES:
                self._unanswered = max(0, self._unanswered - 1)
                self._progress.set()

    async def _beat(self, heartbeat, welcomed):
        interval = self._fixed_heartbeat
        if interval is None:
            with suppress(asyncio.TimeoutError):
                interval = await asyncio.wait_for(welcomed, DEFAULT_HEARTBEAT)
            interval = interval or DEFAULT_HEARTBEAT
        if not interval:
            await asyncio.Event().wait()  # none, and the connection goes on
        await heartbeat.run(interval)


async def talk(arguments):
    interactive = sys.stdin.isatty()
    screen = Screen()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if interactive:
        screen.show("status", "type a message; ping; quit")
    client = Client(arguments.url, screen, arguments.heartbeat, arguments.patience, interactive)
    return await client.run(input_lines(), stop)


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument(
        "--url",
        default="ws://127.0.0.1:8080/websocket",
        help="ws:// or wss:// address of an echo hub, /websocket/NAME (default: %(default)s)",
    )
    parser.add_argument(
        "--heartbeat",
        type=float,
        metavar="SECONDS",
        help="time between heartbeats, 0 for none (default: what the hub asks for, 20)",
    )
    parser.add_argument(
        "--patience",
        type=float,
        metavar="SECONDS",
        default=10.0,
        help="after the end of the input: how long to wait for the next answer (default: %(default)g)",
    )
    arguments = parser.parse_args()
    if arguments.heartbeat is not None and arguments.heartbeat < 0:
        parser.error("--heartbeat must not be negative")
    try:
        return asyncio.run(talk(arguments))
    except BrokenPipeError:  # the reader of our output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141


if __name__ == "__main__":
    sys.exit(main())
