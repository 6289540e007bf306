"""The interactive client, against real servers that behave and misbehave."""

import asyncio
import http
import io
import json
import os
import pathlib
import subprocess
import sys

import dormouse
import pytest
import websocket_client
import websockets
from dormouse import echo
from dormouse.terminal import Screen
from websocket_client import Client

SCRIPT = pathlib.Path(websocket_client.__file__)
WELCOME = '{"type": "welcome", "message": "hello", "connectionId": "c1", "heartbeatInterval": 20000}'
LIMIT = 20  # seconds for whatever is awaited


class Terminal:
    """Types lines into a client, and reads what it prints."""

    def __init__(self, url, **settings):
        self._printed = io.StringIO()
        self._typed = asyncio.Queue()
        self.stop = asyncio.Event()
        settings.setdefault("backoff", dormouse.Backoff(first=0.01, limit=0.02))
        settings.setdefault("heartbeat", 0)
        self._client = Client(url, Screen(self._printed), **settings)

    def type(self, *lines):
        for line in lines:
            self._typed.put_nowait(line)

    def end_input(self):
        self._typed.put_nowait(None)

    def printed(self):
        return self._printed.getvalue()

    async def run(self):
        async def lines():
            while (line := await self._typed.get()) is not None:
                yield line

        return await asyncio.wait_for(self._client.run(lines(), self.stop), LIMIT)


class Hub:
    """An echo hub that keeps the frames it got, connection by connection, and can be told to misbehave."""

    def __init__(self, welcome=WELCOME, answers=True):
        self.connections = []
        self._welcome = welcome
        self._answers = answers
        self._arrived = asyncio.Condition()

    async def __call__(self, socket):
        frames = []
        async with self._arrived:
            self.connections.append(frames)
            self._arrived.notify_all()
        await socket.send(self._welcome)
        await self.greet(socket, len(self.connections))
        async for data in socket:
            frame = json.loads(data)
            async with self._arrived:
                frames.append(frame)
                self._arrived.notify_all()
            if self._answers:
                await self.answer(socket, frame)

    async def greet(self, socket, number):
        """Called for each connection; the first one has number 1."""

    async def answer(self, socket, frame):
        kind = {"heartbeat": "heartbeat_ack", "ping": "pong"}.get(frame["type"], "echo")
        await socket.send(json.dumps({"type": kind, "message": frame.get("message"), "connections": 1}))

    async def until(self, condition):
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(condition), LIMIT)

    def got(self, kind):
        return [frame for frames in self.connections for frame in frames if frame["type"] == kind]


def test_piped_lines_are_sent_in_order_and_answered_before_the_end(serve):
    async def run():
        hub = Hub()
        async with serve(hub) as url:
            terminal = Terminal(url)
            terminal.type("one", "", "ping", "two", "quit", "never")
            assert await terminal.run() == 0
            sent = [(frame["type"], frame.get("message")) for frame in hub.connections[0]]
            assert sent == [("message", "one"), ("ping", None), ("message", "two")]
            assert " < welcome   hello (connection c1)" in terminal.printed()
            assert " < echo      two (connections: 1)" in terminal.printed()
            assert " < pong " in terminal.printed()

    asyncio.run(run())


def test_piped_input_without_answers_ends_with_1(serve):
    async def run():
        async with serve(Hub(answers=False)) as url:
            terminal = Terminal(url, patience=0.1)
            terminal.type("one")
            terminal.end_input()
            assert await terminal.run() == 1
            assert "1 frames without an answer" in terminal.printed()

    asyncio.run(run())


def test_error_frame_is_an_answer_but_a_failure(serve):
    class Refusing(Hub):
        async def answer(self, socket, frame):
            await socket.send(json.dumps({"type": "error", "message": "too fast"}))

    async def run():
        async with serve(Refusing()) as url:
            terminal = Terminal(url)
            terminal.type("one")
            terminal.end_input()
            assert await terminal.run() == 1
            assert "! error" in terminal.printed()

    asyncio.run(run())


def test_heartbeats_come_at_the_interval_of_the_welcome(serve):
    async def run():
        hub = Hub(welcome=json.dumps({"type": "welcome", "connectionId": "c1", "heartbeatInterval": 20}))
        async with serve(hub) as url:
            terminal = Terminal(url, heartbeat=None)
            running = asyncio.create_task(terminal.run())
            await hub.until(lambda: len(hub.got("heartbeat")) >= 3)
            terminal.stop.set()
            assert await running == 130
            assert "acknowledged after" in terminal.printed()
            assert len(hub.connections) == 1

    asyncio.run(run())


def test_heartbeat_option_overrides_the_welcome(serve):
    async def run():
        hub = Hub()
        async with serve(hub) as url:
            terminal = Terminal(url, heartbeat=0.02)
            running = asyncio.create_task(terminal.run())
            await hub.until(lambda: len(hub.got("heartbeat")) >= 2)
            terminal.stop.set()
            await running

    asyncio.run(run())


def test_unanswered_heartbeats_lead_to_a_new_connection(serve):
    async def run():
        hub = Hub(answers=False)
        async with serve(hub) as url:
            terminal = Terminal(url, heartbeat=0.02)
            running = asyncio.create_task(terminal.run())
            await hub.until(lambda: len(hub.connections) >= 2)
            terminal.stop.set()
            await running
            assert "no answer to 2 heartbeats" in terminal.printed()
            assert len(hub.connections[0]) == 2

    asyncio.run(run())


def test_connects_again_after_a_close_and_sends_what_was_typed_meanwhile(serve):
    class Restarting(Hub):
        async def greet(self, socket, number):
            if number == 1:
                terminal.type("typed while away")
                await socket.close(1001, "Going Away")

    async def run():
        nonlocal terminal
        hub = Restarting()
        async with serve(hub) as url:
            terminal = Terminal(url, interactive=True)
            running = asyncio.create_task(terminal.run())
            await hub.until(lambda: hub.got("message"))
            assert [len(frames) for frames in hub.connections] == [0, 1]
            terminal.type("quit")
            assert await running == 0
            assert "x closed    by the server: 1001 Going Away" in terminal.printed()
            assert "next try in" in terminal.printed()

    terminal = None
    asyncio.run(run())


def test_frame_lost_with_its_connection_is_reported(serve):
    class Forgetful(Hub):
        async def answer(self, socket, frame):
            if len(self.connections) == 1:
                await socket.close(1011, "lost it")

    async def run():
        async with serve(Forgetful()) as url:
            terminal = Terminal(url)
            terminal.type("one")
            running = asyncio.create_task(terminal.run())
            terminal.end_input()
            assert await running == 1
            assert "1 frames were sent but not answered" in terminal.printed()

    asyncio.run(run())


def test_backoff_grows_until_a_connection_was_stable(serve, monkeypatch):
    class Recorder(dormouse.Backoff):
        resets = 0

        def reset(self):
            self.resets += 1
            super().reset()

    class Closing(Hub):
        async def greet(self, socket, number):
            await socket.close(1001)

    async def run(stable_after):
        monkeypatch.setattr(websocket_client, "STABLE_AFTER", stable_after)
        backoff = Recorder(first=0.001, limit=0.002)
        hub = Closing()
        async with serve(hub) as url:
            terminal = Terminal(url, backoff=backoff)
            running = asyncio.create_task(terminal.run())
            await hub.until(lambda: len(hub.connections) >= 4)
            terminal.stop.set()
            await running
        return backoff.resets

    assert asyncio.run(run(stable_after=60.0)) == 0
    assert asyncio.run(run(stable_after=0.0)) >= 3


def test_waits_for_a_server_that_is_not_there_yet(serve):
    async def run():
        hub = Hub()
        async with serve(hub) as url:
            pass  # gives the port free again
        terminal = Terminal(url)
        terminal.type("early")
        running = asyncio.create_task(terminal.run())
        while "connection refused" not in terminal.printed():
            await asyncio.sleep(0.005)
        port = int(url.split(":")[2].split("/")[0])
        async with websockets.serve(hub, "127.0.0.1", port):
            terminal.end_input()
            assert await running == 0
        assert hub.got("message") == [echo.message("early")]

    asyncio.run(run())


def test_missing_path_ends_the_client(serve):
    async def refuse(_path, _headers):
        return http.HTTPStatus.NOT_FOUND, [], b""

    async def run():
        async with serve(None, process_request=refuse) as url:
            terminal = Terminal(url)
            assert await terminal.run() == 1
            assert "404 Not Found" in terminal.printed()

    asyncio.run(run())


def test_quit_at_a_terminal_does_not_wait():
    async def run():
        terminal = Terminal("ws://127.0.0.1:1/websocket", interactive=True)
        terminal.type("unsent", "quit")
        assert await terminal.run() == 0

    asyncio.run(run())


def test_peer_cannot_steer_the_terminal():
    printed = io.StringIO()
    Screen(printed).show("echo", "\x1b[2Jgone\r\nline")
    assert "\x1b" not in printed.getvalue()
    assert printed.getvalue().count("\n") == 1
    assert r"\x1b[2Jgone\r\nline" in printed.getvalue()


def test_colours_on_a_terminal_only(monkeypatch):
    class Tty(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.delenv("NO_COLOR", raising=False)
    tty, pipe = Tty(), io.StringIO()
    Screen(tty).show("echo", "text")
    Screen(pipe).show("echo", "text")
    assert "\x1b[" in tty.getvalue()
    assert "\x1b[" not in pipe.getvalue()


async def run_script(url, data, *arguments):
    script = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, "--url", url, *arguments,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(script.communicate(data), LIMIT)
    return script.returncode, out.decode(), err.decode()


def test_script_reads_a_pipe(serve):
    async def run():
        hub = Hub()
        async with serve(hub) as url:
            lines = [f"Zeile {number} ä" for number in range(3000)]
            status, out, err = await run_script(url, "\n".join(lines).encode())
        assert (status, err) == (0, "")
        assert [frame["message"] for frame in hub.got("message")] == lines
        assert out.count("< echo") == 3000

    asyncio.run(run())


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_script_stops_cleanly_at_a_signal(serve, number):
    closes = []

    async def hub(socket):
        await socket.send(WELCOME)
        try:
            await socket.recv()
        except dormouse.ConnectionClosed as error:
            closes.append(error.rcvd.code)

    async def run():
        async with serve(hub) as url:
            script = await asyncio.create_subprocess_exec(
                sys.executable, SCRIPT, "--url", url,
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )
            while b"welcome" not in await asyncio.wait_for(script.stdout.readline(), LIMIT):
                pass
            script.send_signal(getattr(websocket_client.signal, number))
            _, err = await asyncio.wait_for(script.communicate(), LIMIT)
            assert (script.returncode, err) == (130, b"")

    asyncio.run(run())
    assert closes == [1000]


@pytest.mark.parametrize("address", ["", "nonsense", "ws://127.0.0.1:70000/ws/a", "ws://127.0.0.1:1/ws/.."])
@pytest.mark.parametrize("program", [[SCRIPT, "--heartbeat", "0", "--url"], ["-m", "dormouse"]])
def test_address_that_is_none_ends_a_terminal_client_with_a_sentence(program, address):
    done = subprocess.run(
        [sys.executable, *program, address], env={**os.environ, "PYTHONPATH": os.path.dirname(SCRIPT)},
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT, check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "not a WebSocket address" in done.stdout + done.stderr or "is no name of a hub" in done.stdout + done.stderr


def test_missing_package_is_named(tmp_path):
    (tmp_path / "websockets.py").write_text("raise ImportError")
    script = subprocess.run(
        [sys.executable, SCRIPT],
        env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, timeout=LIMIT, check=False,
    )
    assert script.returncode == 1
    assert "apt-get install python3-websockets" in script.stderr
    assert "Traceback" not in script.stderr
