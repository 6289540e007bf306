"""The connection to one lane of the statekeeper. What is said in one turn of the event loop leaves in one write."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Optional, Protocol, cast

from . import effects as effect_kinds
from . import worker_pb2 as wire
from .frames import Frames, framed

_PROTOCOL = 1
_FULL_FRAME = 1 << 20  # bytes, roughly: a frame this long leaves at once


class Sink(Protocol):
    """Who hears what lanes say."""

    def on_event(self, lane: Lane, event: wire.Event) -> None: ...
    def on_durable(self, number: int, turn: int) -> None: ...
    def on_drop(self, number: int) -> None: ...
    def on_end_http(self, lane: Lane) -> None: ...
    def on_end(self, error: Optional[BaseException]) -> None: ...


class Lane(asyncio.Protocol):
    def __init__(self, index: int, version: str, sink: Sink) -> None:
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._frames = Frames()
        self._transport: Optional[asyncio.WriteTransport] = None
        self._out = wire.FromWorker()
        self._size = 0           # of what is in it, roughly
        self._waiting = False    # for the end of the loop's turn
        self._number = 0         # of the last read or call
        self._answers: dict[int, asyncio.Future[Any]] = {}
        hello = self._out.hello
        hello.protocol, hello.lane, hello.version, hello.timers = _PROTOCOL, index, version, True

    # ---- what is said

    def turn(self, number: int, event: int, done: bool, effects: Sequence[effect_kinds.Effect], size: int,
             failure: str = "", hold: bool = False, wanted: int = 0) -> None:
        turn = self._out.turns.add()
        turn.object = number
        if event:
            turn.event = event
        if done:
            turn.done = True
        if failure:
            turn.failure = failure
        if hold:
            turn.hold = True
        if wanted:
            turn.number = wanted
        if effects:
            effect_kinds.write(turn, effects)
        self._said(size)

    async def read(self, number: int, keys: Sequence[bytes] = (), start: bytes = b"", end: bytes = b"",
                   reverse: bool = False) -> wire.ReadAnswer:
        read = self._out.reads.add()
        read.object = number
        read.keys.extend(keys)
        read.start, read.end, read.reverse = start, end, reverse
        return cast(wire.ReadAnswer, await self._answer(read, 0))

    async def call(self, hub_class: str, hub_name: str, payload: bytes, timeout: float = 0,
                   traceparent: str = "") -> wire.CallAnswer:
        call = self._out.calls.add()
        call.hub_class, call.hub_name, call.payload = hub_class, hub_name, payload
        call.timeout_ms, call.traceparent = round(timeout * 1000), traceparent
        return cast(wire.CallAnswer, await self._answer(call, len(payload)))

    def log(self, level: int, text: str, hub: str = "", connection: bytes = b"") -> None:
        log = self._out.logs.add()
        log.level, log.hub, log.connection, log.text = level, hub, connection, text
        self._said(len(text))

    def http_ended(self) -> None:
        self._out.http_ended = True
        self._said(1)

    def flush(self) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        message, self._out, self._size = self._out.SerializeToString(), wire.FromWorker(), 0
        if message:
            self._transport.write(framed(message))

    # ---- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)
        self.flush()

    def data_received(self, data: bytes) -> None:
        for frame in self._frames.take(data):
            self._take(wire.ToWorker.FromString(frame))
        self._flush_soon()

    def connection_lost(self, exc: Optional[BaseException]) -> None:
        self._sink.on_end(exc)

    # ---- inside

    def _take(self, message: wire.ToWorker) -> None:
        if message.ping:
            self._out.pong = message.ping
            self.flush()
        for event in message.events:
            self._sink.on_event(self, event)
        for read in message.reads:
            self._settle(read)
        for call in message.calls:
            self._settle(call)
        for durable in message.durable:
            self._sink.on_durable(durable.object, durable.turn)
        for number in message.drops:
            self._sink.on_drop(number)
        if message.end_http:
            self._sink.on_end_http(self)

    async def _answer(self, question: Any, size: int) -> Any:
        self._number += 1
        number = question.number = self._number
        answer = self._answers[number] = self._loop.create_future()
        self._said(size)
        try:
            return await answer
        finally:
            del self._answers[number]

    def _settle(self, answer: Any) -> None:
        waiting = self._answers.get(answer.number)
        if waiting is not None and not waiting.done():
            waiting.set_result(answer)

    def _said(self, size: int) -> None:
        self._size += size
        if self._size > _FULL_FRAME:
            self.flush()
        else:
            self._flush_soon()

    def _flush_soon(self) -> None:
        """Behind all that is about to run: of events that have just come, the handlers."""
        if not self._waiting:
            self._waiting = True
            self._loop.call_soon(self._end_of_turn)

    def _end_of_turn(self) -> None:
        self._waiting = False
        self.flush()
