#!/usr/bin/env python3
"""Interactive terminal client of Dormouse's echo hubs.

Type a line to send it as a message, `ping` for a pong, `quit` to leave. Sends heartbeats, and connects again
when the connection is lost. With a pipe as standard input it sends the lines, waits for the answers and exits:
0 when every frame was answered, 1 when not.
"""

import argparse
import asyncio
import codecs
import datetime
import os
import signal
import sys
import threading
import time
from contextlib import suppress

import dormouse

DEFAULT_HEARTBEAT = 20.0  # seconds; until the hub's welcome says otherwise
MISSED_LIMIT = 2  # heartbeats in a row without any frame from the server: the connection is dead
STABLE_AFTER = 5.0  # seconds that a connection must last for the back-off to start over
OUTBOX_LIMIT = 1000  # lines kept while there is no connection
REPLIES = ("echo", "pong", "error")


class Screen:
    """One line per event. Kinds differ by mark and name, and on a terminal by colour."""

    _LOOKS = {  # kind: mark, colour
        "status": ("·", "90"),
        "sent": (">", "36"),
        "welcome": ("<", "32"),
        "echo": ("<", "1"),
        "heartbeat": ("♥", "90"),
        "pong": ("<", "35"),
        "error": ("!", "31"),
        "closed": ("x", "33"),
    }

    def __init__(self, out=None):
        self._out = out or sys.stdout
        self._colours = self._out.isatty() and "NO_COLOR" not in os.environ

    def show(self, kind, text):
        mark, colour = self._LOOKS.get(kind, ("<", "0"))
        clock = datetime.datetime.now().strftime("%H:%M:%S.%f")[:-3]
        # What a peer sends must not steer the terminal.
        text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
        line = f"{clock} {mark} {kind:<9} {text}"
        if self._colours:
            line = f"\x1b[90m{clock}\x1b[0m \x1b[{colour}m{mark} {kind:<9} {text}\x1b[0m"
        print(line, file=self._out, flush=True)


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
        connection = asyncio.create_task(self._stay_connected())
        conversation = asyncio.create_task(self._converse(lines))
        stopped = asyncio.create_task(stop.wait())
        tasks = (connection, conversation, stopped)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if stopped.done():
                return 130
            finished = conversation if conversation.done() else connection
            return finished.result()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

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
            await self._outbox.put(dormouse.ping() if text == "ping" else dormouse.message(text))
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
        beats = _Beats()
        tasks = [
            asyncio.create_task(self._read(socket, welcomed, beats)),
            asyncio.create_task(self._write(socket)),
            asyncio.create_task(self._beat(socket, welcomed, beats)),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
            for task in done:
                task.result()
        except dormouse.ConnectionClosed as error:
            code, reason = dormouse.close_info(error)
            self._screen.show("closed", f"by the server: {code} {reason}".rstrip())
        except _HeartbeatLost:
            self._screen.show("closed", f"no answer to {MISSED_LIMIT} heartbeats")
        finally:
            self._connected = False
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
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

    async def _read(self, socket, welcomed, beats):
        while True:
            data = await socket.recv()
            beats.missed = 0
            frame = dormouse.decode(data)
            kind = frame.get("type") if frame else None
            if kind == "welcome":
                interval = frame.get("heartbeatInterval")
                if not welcomed.done():
                    welcomed.set_result(interval / 1000 if isinstance(interval, (int, float)) else None)
                text = f"{frame.get('message', '')} (connection {frame.get('connectionId')})"
                self._screen.show("welcome", text)
            elif kind == "heartbeat_ack":
                self._screen.show("heartbeat", f"acknowledged after {beats.age_ms():.1f} ms")
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

    async def _beat(self, socket, welcomed, beats):
        interval = self._fixed_heartbeat
        if interval is None:
            with suppress(asyncio.TimeoutError):
                interval = await asyncio.wait_for(welcomed, DEFAULT_HEARTBEAT)
            interval = interval or DEFAULT_HEARTBEAT
        if not interval:
            return
        while True:
            await asyncio.sleep(interval)
            if beats.missed == MISSED_LIMIT:
                raise _HeartbeatLost
            beats.missed += 1
            beats.sent_at = time.monotonic()
            await socket.send(dormouse.encode(dormouse.heartbeat()))


class _HeartbeatLost(Exception):
    pass


class _Beats:
    missed = 0  # heartbeats since the last frame from the server
    sent_at = 0.0  # of the last heartbeat, monotonic

    def age_ms(self):
        return (time.monotonic() - self.sent_at) * 1000


async def input_lines():
    """Lines of standard input: a terminal, a pipe or a file."""
    arrived = asyncio.Queue()  # lists of lines; None at the end
    taken = threading.Semaphore(1)  # so that a long file is read as fast as it is sent
    loop = asyncio.get_running_loop()

    def put(lines):
        taken.acquire()
        loop.call_soon_threadsafe(arrived.put_nowait, lines)

    def read():
        # From the descriptor: a thread that still reads at exit must not hold sys.stdin's lock.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        rest = ""
        with suppress(RuntimeError):  # the loop is closed: nobody listens any more
            while chunk := os.read(0, 65536):
                *lines, rest = (rest + decoder.decode(chunk)).split("\n")
                put(lines)
            put([rest])
            put(None)

    threading.Thread(target=read, daemon=True).start()
    while (lines := await arrived.get()) is not None:
        for line in lines:
            yield line
        taken.release()


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
