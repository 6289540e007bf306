"""A statekeeper as far as a worker process sees one: it keeps rows, sockets and alarms of hubs, applies turns, and can do to
objects and to the process what happens to them in life: forget them, kill it, send again what was not done."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable

HOST = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, HOST)
from dormouse_hubs.host import worker_pb2 as wire  # noqa: E402
from dormouse_hubs.host.frames import Frames, framed  # noqa: E402

WAIT = 20  # seconds for what is to happen soon


class Refused(Exception):
    """An open, or a call, has failed."""


class FakeClient:
    """The client's end of a socket at a hub."""

    def __init__(self, hub: FakeHub, key: bytes) -> None:
        self.hub, self.key = hub, key
        self.tags: list[str] = []
        self.attachment = b""
        self.auto_response: tuple[bytes, bytes] | None = None
        self.closing: tuple[int, str] | None = None
        self.frames: asyncio.Queue[str | bytes] = asyncio.Queue()

    async def send(self, data: str | bytes) -> str:
        """Returns when the event is done: the failure, or ''."""
        return await self.hub.message(self, data)

    async def close(self, code: int = 1000, reason: str = "") -> str:
        event = wire.Event(close=wire.Close(connection=self.key, code=code, reason=reason, by_client=True))
        self.hub.clients.pop(self.key)
        return await self.hub.happen(event)

    async def next(self) -> str | bytes:
        return await asyncio.wait_for(self.frames.get(), WAIT)

    def heard(self) -> list[str | bytes]:
        """What has come."""
        return [self.frames.get_nowait() for _ in range(self.frames.qsize())]


class FakeHub:
    """What is durable of a hub, and its events that are not done."""

    def __init__(self, keeper: FakeStatekeeper, hub_class: str, name: str) -> None:
        self.keeper, self.hub_class, self.name = keeper, hub_class, name
        self.object = 0  # 0: asleep
        self.held = False
        self.rows: dict[bytes, bytes] = {}
        self.clients: dict[bytes, FakeClient] = {}
        self.alarm_ms = 0
        self.timers: dict[str, int] = {}  # ms by name
        self.turns: list[wire.Turn] = []
        self.paused = False              # turns are not durable any more
        self._kept: list[Callable[[], None]] = []
        self._number = 0
        self._under_way: dict[int, tuple[wire.Event, asyncio.Future[bytes]]] = {}

    @property
    def busy(self) -> bool:
        return bool(self._under_way) or self.held

    async def open(self, path: str = "/", query: str = "", headers: dict[str, str] | None = None,
                   identity: bytes = b"") -> FakeClient:
        """Raises Refused."""
        client = FakeClient(self, self.keeper.new_key())
        self.clients[client.key] = self.keeper.clients[client.key] = client
        event = wire.Event(open=wire.Open(connection=client.key, path=path, query=query, remote_address="127.0.0.1",
                                          identity=identity))
        for name, value in (headers or {}).items():
            event.open.headers.add(name=name, value=value)
        if failure := await self.happen(event):
            self.clients.pop(client.key, None)
            raise Refused(failure)
        return client

    async def message(self, client: FakeClient, data: str | bytes) -> str:
        return await self.happen(wire.Event(message=wire.Message(
            connection=client.key, data=data.encode() if isinstance(data, str) else data, binary=isinstance(data, bytes))))

    async def alarm(self, attempt: int = 0) -> str:
        self.alarm_ms = 0
        return await self.happen(wire.Event(alarm=wire.Alarm(attempt=attempt)))

    async def timer(self, name: str, attempt: int = 0) -> str:
        self.timers.pop(name, None)
        return await self.happen(wire.Event(timer=wire.Timer(name=name, attempt=attempt)))

    async def request(self, payload: bytes) -> bytes:
        """The reply. Raises Refused."""
        return await asyncio.wait_for(self._begin(wire.Event(request=wire.Request(payload=payload))), WAIT)

    async def call(self, method: str, *args: object) -> object:
        reply = json.loads(await self.request(json.dumps({"method": method, "args": args}).encode()))
        if "error" in reply:
            raise Refused(f"{reply['error']['type']}: {reply['error']['message']}")
        return reply["value"]

    async def happen(self, event: wire.Event) -> str:
        try:
            await asyncio.wait_for(self._begin(event), WAIT)
        except Refused as refused:
            return str(refused)
        return ""

    def _begin(self, event: wire.Event) -> asyncio.Future[bytes]:
        outcome: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._send(event, outcome)
        return outcome

    def _send(self, event: wire.Event, outcome: asyncio.Future[bytes]) -> None:
        if self.object == 0:
            self._number = 0
            self.object = self.keeper.new_object(self)
            self._wake(event)
        self._number += 1
        event.object, event.number, event.now_ms = self.object, self._number, self.keeper.now_ms()
        self._under_way[self._number] = event, outcome
        self.keeper.send(wire.ToWorker(events=[event]))

    def _wake(self, event: wire.Event) -> None:
        rows = sorted(self.rows.items())
        wake = event.wake
        wake.hub_class, wake.hub_name, wake.alarm_ms = self.hub_class, self.name, self.alarm_ms
        wake.max_timers = self.keeper.max_timers
        for name, due_ms in self.timers.items():
            wake.timers.add(name=name, due_ms=due_ms)
        wake.complete = len(rows) <= self.keeper.largest_wake
        for key, value in rows[:self.keeper.largest_wake]:
            wake.rows.add(key=key, value=value)
        closing = [event.close.connection] if event.HasField("close") else []
        for key in sorted([*self.clients, *closing]):
            client = self.clients.get(key) or self.keeper.clients[key]
            wake.sockets.add(connection=key, attachment=client.attachment, tags=client.tags)

    def forget(self, replay: bool = True) -> None:
        """The object is no more; what it has not done comes again, to the next one."""
        self.keeper.objects.pop(self.object, None)
        self.object, self.held = 0, False
        again = list(self._under_way.values())
        self._under_way.clear()
        self._kept.clear()
        for event, outcome in again:
            if event.HasField("request") or not replay:
                outcome.set_exception(Refused("The hub's object was lost before it had answered"))
            else:
                event.repeated_ = True
                self._send(event, outcome)

    def resume(self) -> None:
        self.paused = False
        kept, self._kept = self._kept, []
        for happen in kept:
            happen()

    def apply(self, turn: wire.Turn) -> None:
        self.turns.append(turn)
        self.held = turn.hold
        for effect in turn.effects:
            self._write(effect)
        under_way = self._under_way.get(turn.event)
        if turn.done:
            assert under_way is not None, f"event {turn.event} is done that is not under way"
            del self._under_way[turn.event]

        def happen() -> None:
            reply = b""
            for effect in turn.effects:
                if effect.WhichOneof("kind") == "reply":
                    reply = effect.reply
                self._show(effect)
            if turn.number:
                self.keeper.send(wire.ToWorker(durable=[wire.Durable(object=turn.object, turn=turn.number)]))
            if turn.done and under_way is not None:
                if turn.failure:
                    under_way[1].set_exception(Refused(turn.failure))
                else:
                    under_way[1].set_result(reply)

        if self.paused:
            self._kept.append(happen)
        else:
            happen()

    def read(self, read: wire.Read, largest: int) -> wire.ReadAnswer:
        rows = sorted(self.rows.items())
        if read.keys:
            rows = [row for row in rows if row[0] in read.keys]
        else:
            rows = [row for row in rows if row[0] >= read.start and (not read.end or row[0] < read.end)]
            if read.reverse:
                rows.reverse()
        most = len(rows) if read.keys else largest
        answer = wire.ReadAnswer(object=read.object, number=read.number, more=len(rows) > most)
        for key, value in rows[:most]:
            answer.rows.add(key=key, value=value)
        return answer

    def _write(self, effect: wire.Effect) -> None:
        """Rows change at once, as reads after the turn are to see them."""
        kind = effect.WhichOneof("kind")
        if kind == "put":
            self.rows[effect.put.key] = effect.put.value
        elif kind == "delete":
            self.rows.pop(effect.delete, None)
        elif kind == "delete_prefix":
            self.rows = {key: value for key, value in self.rows.items() if not key.startswith(effect.delete_prefix)}
        elif kind == "alarm_ms":
            self.alarm_ms = effect.alarm_ms
        elif kind == "timer" and effect.timer.due_ms:
            self.timers[effect.timer.name] = effect.timer.due_ms
        elif kind == "timer":
            self.timers.pop(effect.timer.name, None)

    def _show(self, effect: wire.Effect) -> None:
        kind = effect.WhichOneof("kind")
        if kind == "broadcast":
            said = effect.broadcast
            for key, client in self.clients.items():
                if (not said.tag or said.tag in client.tags) and key != getattr(said, "except"):
                    client.frames.put_nowait(said.data if said.binary else said.data.decode())
        elif kind in ("send", "close", "attachment", "tags", "auto_response"):
            said = getattr(effect, kind)
            client = self.clients.get(said.connection)
            if client is None:
                return
            if kind == "send":
                client.frames.put_nowait(said.data if said.binary else said.data.decode())
            elif kind == "close":
                client.closing = said.code, said.reason
                del self.clients[said.connection]
            elif kind == "attachment":
                client.attachment = said.attachment
            elif kind == "tags":
                client.tags = list(said.tags)
            else:
                client.auto_response = said.request, said.reply


class FakeStatekeeper:
    def __init__(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="dormouse-py-")
        self.largest_wake = 1 << 30  # rows that come with a wake
        self.largest_read = 1 << 30  # rows of one answer
        self.max_timers = 100        # of a hub; 0: of a version that has none
        self.reads = 0
        self.frames = 0
        self.logs: list[wire.Log] = []
        self.objects: dict[int, FakeHub] = {}
        self.clients: dict[bytes, FakeClient] = {}
        self.hubs: dict[tuple[str, str], FakeHub] = {}
        self.fail_calls = ""
        self.http_ended = asyncio.Event()
        self.traceparents: list[str] = []  # of calls
        self._keys = self._objects = 0
        self._pongs: dict[int, asyncio.Future[None]] = {}
        self._server: asyncio.AbstractServer | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def http_socket(self) -> str:
        return os.path.join(self.directory, "app-http")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def hub(self, hub_class: str, name: str) -> FakeHub:
        if (hub_class, name) not in self.hubs:
            self.hubs[hub_class, name] = FakeHub(self, hub_class, name)
        return self.hubs[hub_class, name]

    def now_ms(self) -> int:
        return round(time.time() * 1000)

    def new_key(self) -> bytes:
        self._keys += 1
        return self._keys.to_bytes(16, "big")

    def new_object(self, hub: FakeHub) -> int:
        self._objects += 1
        self.objects[self._objects] = hub
        return self._objects

    def send(self, message: wire.ToWorker) -> None:
        if self._writer is not None:
            self._writer.write(framed(message.SerializeToString()))

    def drop(self, hub: FakeHub, replay: bool = False) -> None:
        if hub.object:
            number = hub.object
            self.send(wire.ToWorker(drops=[number]))
            hub.forget(replay)

    def sleep(self, hub: FakeHub) -> bool:
        """Whether it may."""
        if hub.busy:
            return False
        self.drop(hub)
        return True

    async def settled(self) -> None:
        """Until the worker has dealt with all that was sent before."""
        number = len(self._pongs) + 1
        self._pongs[number] = asyncio.get_running_loop().create_future()
        self.send(wire.ToWorker(ping=number))
        await asyncio.wait_for(self._pongs[number], WAIT)

    async def until(self, condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + WAIT
        while not condition():
            assert time.monotonic() < deadline, "it does not come to pass"
            await asyncio.sleep(0.005)

    async def kill_worker(self) -> None:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):  # it has ended by itself
            self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self.until(lambda: self._writer is None)
        await self.start_worker()
        for hub in self.hubs.values():
            if hub.object:
                hub.forget()

    async def terminate_worker(self) -> int:
        assert self._process is not None
        self._process.terminate()
        return await asyncio.wait_for(self._process.wait(), WAIT)

    async def http(self, path: str, method: str = "GET", body: bytes | None = None,
                   headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        return await asyncio.to_thread(self._http, path, method, body, headers or {})

    def _http(self, path: str, method: str, body: bytes | None,
              headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
        connection = http.client.HTTPConnection("hubs.example")
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.http_socket)
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()

    async def start_worker(self) -> None:
        self._connected.clear()
        environment = {**os.environ, "DORMOUSE_WORKER_SOCKETS": self.directory, "DORMOUSE_WORKER_LANES": "1"}
        with open(os.path.join(self.directory, "workers.json"), encoding="utf-8") as file:
            if json.load(file)["http"]:
                environment["DORMOUSE_WORKER_HTTP"] = self.http_socket
        self._process = await asyncio.create_subprocess_exec(
            "/usr/bin/python3", "-B", os.path.join(HOST, "host.py"), cwd=self.directory, env=environment,
            stdin=asyncio.subprocess.DEVNULL)
        ended = asyncio.ensure_future(self._process.wait())
        connected = asyncio.ensure_future(self._connected.wait())
        await asyncio.wait((ended, connected), timeout=WAIT, return_when=asyncio.FIRST_COMPLETED)
        assert connected.done() and not ended.done(), "the worker does not come up"

    async def _start(self, source: str, classes: dict[str, dict[str, object]]) -> None:
        os.mkdir(os.path.join(self.directory, "code"))
        with open(os.path.join(self.directory, "code", "hubs.py"), "w", encoding="utf-8") as file:
            file.write(source)
        with open(os.path.join(self.directory, "workers.json"), "w", encoding="utf-8") as file:
            json.dump({"name": "test", "version": "1", "code": "code", "main": "hubs.py", "source": "/the/project",
                       "http": any("http" in each for each in classes.values()),
                       "classes": [{"name": name, **more} for name, more in classes.items()]}, file)
        self._server = await asyncio.start_unix_server(self._accept, os.path.join(self.directory, "lane-0"))
        await self.start_worker()

    async def _stop(self) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
        if self._server is not None:
            self._server.close()
        shutil.rmtree(self.directory)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        frames = Frames()
        try:
            while chunk := await reader.read(1 << 18):
                for frame in frames.take(chunk):
                    self.frames += 1
                    self._take(wire.FromWorker.FromString(frame), writer)
        except ConnectionError:
            pass
        if self._writer is writer:
            self._writer = None
        writer.close()

    def _take(self, message: wire.FromWorker, writer: asyncio.StreamWriter) -> None:
        if message.HasField("hello"):
            assert (message.hello.protocol, message.hello.lane, message.hello.version) == (1, 0, "1")
            self._writer = writer
            self._connected.set()
        if message.pong:
            self._pongs[message.pong].set_result(None)
        if message.http_ended:
            self.http_ended.set()
        self.logs += message.logs
        for turn in message.turns:
            if hub := self.objects.get(turn.object):
                hub.apply(turn)
        for read in message.reads:
            self.reads += 1
            if hub := self.objects.get(read.object):
                self.send(wire.ToWorker(reads=[hub.read(read, self.largest_read)]))
        for call in message.calls:
            task = asyncio.ensure_future(self._call(call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _call(self, call: wire.Call) -> None:
        answer = wire.CallAnswer(number=call.number)
        self.traceparents.append(call.traceparent)
        try:
            if self.fail_calls:
                raise Refused(self.fail_calls)
            answer.payload = await self.hub(call.hub_class, call.hub_name).request(call.payload)
        except Refused as refused:
            answer.failure, answer.retryable = str(refused), True
        self.send(wire.ToWorker(calls=[answer]))


@contextlib.asynccontextmanager
async def statekeeper(source: str, **classes: dict[str, object]) -> AsyncIterator[FakeStatekeeper]:
    """With a worker that runs `source`; `classes`: what the manifest has of each."""
    fake = FakeStatekeeper()
    try:
        await fake._start("from dormouse_hubs import *\n" + source, classes)
        yield fake
    finally:
        await fake._stop()
