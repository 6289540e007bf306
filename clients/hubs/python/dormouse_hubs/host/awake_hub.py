"""One awake hub, as the statekeeper knows it: rows, connections, events that wait, and what is to be said in its next
turn. Its code is an object of the project's class.

Handlers run one at a time. What one does is gathered, and said at its end in one turn, or taken back where it raises;
in between only where it cannot be helped: before a call leaves, and in sync(), which wait until it is durable.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Optional, Union

from ..connection import OPEN_TAG, Connection
from ..context import HubContext
from ..errors import CallCycle, CallFailed
from ..http import Headers, Identity, Opening, Request, response_of
from ..hub import RPC_MARK, AlarmInfo, Hub
from . import calls, clock, effects, link_pb2, log
from . import worker_pb2 as wire
from .own_events import OwnEvent, OwnEvents
from .rows import Rows

if TYPE_CHECKING:
    from .lane import Lane

_MOST_SAID = 32 << 20  # bytes of what one handler says: it has to fit into a frame
_LONGEST_TURN = 0.005  # seconds for which a hub's line goes on before others, and the statekeeper's pings, have their turn
_RETRIES = 6           # of a timer that fails
_BEHIND = b"\0"        # a key and this: the first key behind it

_Item = Union[wire.Event, OwnEvent]
# What is being handled, for the code that handles it and whatever that has begun.
_handled: contextvars.ContextVar[Optional[_Item]] = contextvars.ContextVar("dormouse_handled", default=None)


class AwakeHub:
    def __init__(self, lane: Lane, number: int, wake: wire.Wake, hub_class: Optional[type[Hub]]) -> None:
        self.class_name = wake.hub_class
        self.name = wake.hub_name
        self.rows = Rows([(row.key, row.value) for row in wake.rows], wake.complete)
        self.connections: dict[bytes, Connection] = {
            each.connection: Connection(self, each.connection, each.connected_ms, each.attachment,
                                        tuple(tag for tag in each.tags if tag != OPEN_TAG))
            for each in wake.sockets if OPEN_TAG in each.tags}
        self.alarm_ms = wake.alarm_ms  # 0: none
        self.timers = {each.name: each.due_ms for each in wake.timers}
        self.now_ms = 0
        self.repeated = False
        self.own = OwnEvents(self)
        self._loop = asyncio.get_running_loop()
        self._lane = lane
        self._number = number
        self._class = hub_class
        self._context = HubContext(self)
        self._object: Optional[Hub] = None
        self._waiting: deque[_Item] = deque()
        self._task: Optional[asyncio.Task[None]] = None  # which handles them
        self._item: Optional[_Item] = None               # that is being handled
        self._via: tuple[str, ...] = ()                  # hubs that wait for that
        self._dropped = False
        self._effects: list[effects.Effect] = []
        self._size = 0                                   # of these, in bytes
        self._undo: list[Callable[[], None]] = []
        self._max_timers = wake.max_timers               # 0: the statekeeper has none
        # What on_alarm has made of the alarm, or on_timer of the timer that it runs for, goes with the last turn.
        self._last_effect: Optional[effects.Effect] = None
        self._holds = 0
        self._said_hold = False
        self._turns = 0                                  # of which we want to hear that they are durable
        self._writes = 0                                 # turns that wrote
        self._durable_writes = 0
        self._askers: deque[tuple[int, int, asyncio.Future[None]]] = deque()  # turn, writes until then, who waits

    @property
    def title(self) -> str:
        return f"{self.class_name}/{self.name}"

    # ---- what the lane says

    def deliver(self, event: wire.Event) -> None:
        self._waiting.append(event)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    def confirm(self, turn: int) -> None:
        while self._askers and self._askers[0][0] <= turn:
            _, writes, asker = self._askers.popleft()
            self._durable_writes = max(self._durable_writes, writes)
            if not asker.done():
                asker.set_result(None)

    def drop(self) -> None:
        self._dropped = True
        self._waiting.clear()
        self.own.end()
        if self._task is not None:
            self._task.cancel()
        for _, _, asker in self._askers:
            asker.cancel()
        for connection in self.connections.values():
            connection._open = False  # pylint: disable=protected-access

    # ---- what handlers do

    def effect(self, effect: effects.Effect, size: int) -> None:
        self._check_handling()
        self._size += size
        if self._size > _MOST_SAID:
            raise ValueError(f"A handler writes and sends at most {_MOST_SAID >> 20} MiB.")
        self._effects.append(effect)

    def on_undo(self, undo: Callable[[], None]) -> None:
        self._undo.append(undo)

    def close_connection(self, connection: Connection) -> None:
        key = connection._key  # pylint: disable=protected-access
        connection._open = False  # pylint: disable=protected-access
        if self.connections.get(key) is not connection:
            return
        del self.connections[key]

        def undo() -> None:
            connection._open = True  # pylint: disable=protected-access
            self.connections[key] = connection
        self.on_undo(undo)

    def set_alarm(self, due_ms: int) -> None:
        self._check_handling()
        before = self.alarm_ms, self._last_effect
        if isinstance(self._item, wire.Event) and self._item.WhichOneof("kind") == "alarm":
            self._last_effect = (effects.ALARM, due_ms)
        else:
            self.effect((effects.ALARM, due_ms), 8)
        self.alarm_ms = due_ms

        def undo() -> None:
            self.alarm_ms, self._last_effect = before
        self.on_undo(undo)

    def set_timer(self, name: str, due_ms: int) -> None:
        self._check_handling()
        if due_ms:
            if self._class is not None and self._class.on_timer is Hub.on_timer:
                raise NotImplementedError(f"{self.class_name} has no on_timer.")
            if self._max_timers == 0:
                raise RuntimeError("The statekeeper is of a version that has no timers: upgrade it first.")
            if name not in self.timers and len(self.timers) >= self._max_timers:
                raise ValueError(f"A hub has at most {self._max_timers} timers.")
        before = self.timers, self._last_effect
        if isinstance(self._item, wire.Event) and self._item.timer.name == name:
            self._last_effect = (effects.TIMER, name, due_ms)
        elif self._max_timers > 0:
            self.effect((effects.TIMER, name, due_ms), 8 + len(name))
        self._keep_timer(name, due_ms)

        def undo() -> None:
            self.timers, self._last_effect = before
        self.on_undo(undo)

    def _keep_timer(self, name: str, due_ms: int) -> None:
        self.timers = {key: due for key, due in self.timers.items() if key != name}
        if due_ms:
            self.timers[name] = due_ms

    def stub(self, hub_class: str, name: str, timeout: float) -> Stub:
        return Stub(self, hub_class, name, timeout)

    async def call(self, hub_class: str, name: str, call: calls.MethodCall, timeout: float) -> Any:
        target = f"{hub_class}/{name}"
        if self.is_handling():
            call.via = (*self._via, self.title)
            if target in call.via:
                raise CallCycle(f"{target} waits for this handler ({' -> '.join((*call.via, target))}), and could never"
                                " answer. What does not have to be awaited can be asked in self.hub.background(...).")
        payload = calls.method_payload(call)
        await self.sync()
        answer = await self._lane.call(hub_class, name, payload, timeout)
        if answer.failure:
            raise CallFailed(f"{target} could not be called: {answer.failure}", answer.retryable)
        return calls.read_value(answer.payload)

    async def sync(self) -> None:
        if self.is_handling() and (self._effects or self._writes > self._durable_writes):
            self._undo.clear()
            await self._durable(_number_of(self._item), self._take_effects())
        elif self._writes > self._durable_writes:
            await self._durable(0, [])

    def is_handling(self) -> bool:
        """Whether the code that asks is of the handler that is running."""
        return self._item is not None and _handled.get() is self._item

    # ---- rows

    async def read_rows(self, keys: Sequence[bytes]) -> None:
        """Makes these known."""
        answer = await self._read(keys=keys)
        for row in answer.rows:
            self.rows.learn(row.key, row.value)
        for key in keys:
            self.rows.learn(key, None)

    async def read_range(self, start: bytes, end: bytes, limit: Optional[int], reverse: bool) -> None:
        """Makes rows known until there are `limit` from one end, or all."""
        low, high = start, end
        while True:
            answer = await self._read(start=low, end=high, reverse=reverse)
            for row in answer.rows:
                self.rows.learn(row.key, row.value)
            if not answer.more or not answer.rows:
                return
            if reverse:
                high = answer.rows[-1].key
            else:
                low = answer.rows[-1].key + _BEHIND
            # Some of those that came may be deleted here already.
            known = self.rows.keys(high, end) if reverse else self.rows.keys(start, low)
            if limit is not None and len(known) >= limit:
                return

    async def _read(self, **what: Any) -> wire.ReadAnswer:
        self._check_handling()
        answer = await self._lane.read(self._number, **what)
        if answer.failure:
            raise OSError(f"The storage cannot be read: {answer.failure}")
        return answer

    # ---- what is no event

    def enqueue(self, event: OwnEvent) -> None:
        if self._dropped:
            return
        self._waiting.append(event)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    def hold(self) -> None:
        self._holds += 1
        self._tell_hold()

    def release(self) -> None:
        self._holds -= 1
        self._tell_hold()

    def _tell_hold(self) -> None:
        """The turns of a handler say it anyway."""
        if self._task is None and not self._dropped and self._said_hold != (self._holds > 0):
            self._say(0, False, [])

    # ---- handling

    async def _run(self) -> None:
        until = self._loop.time() + _LONGEST_TURN
        try:
            while self._waiting:
                await self._handle(self._waiting.popleft())
                if self._loop.time() > until:
                    await asyncio.sleep(0)
                    until = self._loop.time() + _LONGEST_TURN
        finally:
            self._task = None
            self._item = None
        self._tell_hold()

    async def _handle(self, item: _Item) -> None:
        if isinstance(item, OwnEvent):
            return await self._handle_own(item)
        self._item = item
        _handled.set(item)
        self.now_ms = item.now_ms
        self.repeated = item.repeated_
        kind = item.WhichOneof("kind")
        log.origin.set((self.title, getattr(item, kind).connection if kind in _OF_CONNECTIONS else b""))
        failure = ""
        error: Optional[BaseException] = None
        try:
            if self._object is None:
                await self._make_object()
            await _HANDLERS[kind](self, item)
        except (Exception, asyncio.CancelledError) as raised:  # pylint: disable=broad-exception-caught
            if self._dropped:
                raise
            error = raised
            self._take_back()
        if error is not None:
            if kind == "request":
                self.report(error)
                self._effects.append((effects.REPLY, calls.error_reply(error)))
            elif kind == "open":  # its client may get to see the first line
                self.report(error)
                failure = f"{type(error).__name__}: {error}".split("\n", 1)[0]
            else:
                failure = log.explain(error)
        elif self._last_effect is not None:
            self._effects.append(self._last_effect)
        self._last_effect = None
        self._undo.clear()
        self._item = None
        self._say(item.number, True, self._take_effects(), failure)

    async def _handle_own(self, item: OwnEvent) -> None:
        self._item = item
        _handled.set(item)
        self.now_ms = clock.now_ms()
        self.repeated = False
        log.origin.set((self.title, b""))
        try:
            if self._object is None:
                await self._make_object()
            result = await item.handler(*item.arguments)
        except (Exception, asyncio.CancelledError) as error:  # pylint: disable=broad-exception-caught
            if self._dropped:
                raise
            self._take_back()
            if item.outcome is None or item.outcome.done():
                self.report(error)
            else:
                item.outcome.set_exception(error)
        else:
            if item.outcome is not None and not item.outcome.done():
                item.outcome.set_result(result)
        self._undo.clear()
        self._item = None
        if self._effects:
            self._say(0, False, self._take_effects())
        self.release()

    async def _make_object(self) -> None:
        if self._class is None:
            raise LookupError(f"The project has no class {self.class_name}.")
        made = self._class(self._context)
        if getattr(made, "hub", None) is not self._context:
            raise TypeError(f"{self.class_name}.__init__ has to call super().__init__(hub).")
        await made.on_wake()
        self._object = made

    def _take_back(self) -> None:
        for undo in reversed(self._undo):
            undo()
        self._undo.clear()
        self._effects.clear()
        self._size = 0

    async def _open(self, event: wire.Event) -> None:
        opening = event.open
        key = opening.connection
        connection = Connection(self, key, event.now_ms, opening=_opening_of(opening))
        self.connections[key] = connection

        def undo() -> None:
            connection._open = False  # pylint: disable=protected-access
            self.connections.pop(key, None)
        self._undo.append(undo)
        self._effects.append((effects.TAGS, key, [OPEN_TAG]))
        assert self._object is not None
        try:
            await self._object.on_connect(connection)
        except BaseException:
            self.connections.pop(key, None)  # also where it cannot be undone any more
            raise
        finally:
            connection._opening = None  # pylint: disable=protected-access

    async def _message(self, event: wire.Event) -> None:
        message = event.message
        connection = self.connections.get(message.connection)
        if connection is None:
            return
        assert self._object is not None
        await self._object.on_message(connection, message.data if message.binary else message.data.decode())

    async def _close(self, event: wire.Event) -> None:
        connection = self.connections.pop(event.close.connection, None)
        if connection is None:
            return  # the hub has closed it itself
        connection._open = False  # pylint: disable=protected-access
        assert self._object is not None
        await self._object.on_close(connection, event.close.code, event.close.reason)

    async def _alarm(self, event: wire.Event) -> None:
        self.alarm_ms = 0
        assert self._object is not None
        if type(self._object).on_alarm is Hub.on_alarm:
            raise NotImplementedError(f"{self.class_name} has no on_alarm.")
        await self._object.on_alarm(AlarmInfo(event.alarm.attempt))

    async def _timer(self, event: wire.Event) -> None:
        name, attempt = event.timer.name, event.timer.attempt
        due_ms = self.timers.get(name, event.now_ms)
        self._keep_timer(name, 0)
        assert self._object is not None
        try:
            if type(self._object).on_timer is Hub.on_timer:
                raise NotImplementedError(f"{self.class_name} has no on_timer.")
            await self._object.on_timer(name, AlarmInfo(attempt))
        except BaseException:
            self._take_back()
            self._keep_timer(name, due_ms if attempt < _RETRIES else 0)  # it is set until it is given up
            raise

    async def _request(self, event: wire.Event) -> None:
        payload = event.request.payload
        if not payload:  # it only had to be here
            reply = b""
        else:
            call = calls.read_call(payload)
            if isinstance(call, Request):
                assert self._object is not None
                reply = calls.response_reply(response_of(await self._object.on_request(call)))
            else:
                self._via = call.via
                try:
                    reply = calls.value_reply(await self._method(call.method)(*call.args, **call.kwargs))
                finally:
                    self._via = ()
        self._effects.append((effects.REPLY, reply))

    def _method(self, name: str) -> Callable[..., Any]:
        method: Any = getattr(self._object, name, None)
        if not getattr(method, RPC_MARK, False):
            raise AttributeError(f"{self.class_name} has no method {name} that is marked with @rpc.")
        found: Callable[..., Any] = method
        return found

    async def _ignore(self, event: wire.Event) -> None:
        """Backpressure: the statekeeper bounds what waits by itself."""

    # ---- turns

    def _take_effects(self) -> list[effects.Effect]:
        taken, self._effects = self._effects, []
        return taken

    def _say(self, event: int, done: bool, said: list[effects.Effect], failure: str = "", wanted: int = 0) -> None:
        if self._dropped:
            return
        for effect in said:
            if effect[0] in effects.WRITES:
                self._writes += 1
                break
        size, self._size = self._size, 0
        self._said_hold = self._holds > 0
        self._lane.turn(self._number, event, done, said, size + 64 * len(said) + 32, failure, self._said_hold, wanted)

    async def _durable(self, event: int, said: list[effects.Effect]) -> None:
        self._turns += 1
        asker: asyncio.Future[None] = self._loop.create_future()
        self._say(event, False, said, wanted=self._turns)
        self._askers.append((self._turns, self._writes, asker))
        await asker

    def _check_handling(self) -> None:
        if not self.is_handling():
            raise RuntimeError(
                "This is for handlers of the hub, while they run. What runs beside them (self.hub.background, tasks of asyncio)"
                " gets there by `await self.hub.run(self.method, ...)`.")

    # ---- the log

    def report(self, error: BaseException) -> None:
        """What nobody else will hear of."""
        hub, connection = log.origin.get()
        self._lane.log(log.ERROR, log.explain(error), hub or self.title, connection)

    def log_context(self) -> contextvars.Context:
        """For what runs in the background: it is no handler."""
        context = contextvars.copy_context()
        context.run(_handled.set, None)
        return context


class Stub:
    """What `self.hub.other` returns."""

    def __init__(self, hub: AwakeHub, hub_class: str, name: str, timeout: float) -> None:
        self._of = hub, hub_class, name, timeout

    def __getattr__(self, method: str) -> Callable[..., Any]:
        if method.startswith("__"):
            raise AttributeError(method)
        hub, hub_class, name, timeout = self._of

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await hub.call(hub_class, name, calls.MethodCall(method, args, kwargs, ()), timeout)
        return call

    def __repr__(self) -> str:
        return f"<the hub {self._of[1]}/{self._of[2]}>"


_OF_CONNECTIONS = frozenset(("open", "message", "close"))
_HANDLERS = {
    "open": AwakeHub._open, "message": AwakeHub._message, "close": AwakeHub._close, "alarm": AwakeHub._alarm,
    "timer": AwakeHub._timer, "request": AwakeHub._request, "backpressure": AwakeHub._ignore, None: AwakeHub._ignore,
}


def _number_of(item: Optional[_Item]) -> int:
    return 0 if item is None or isinstance(item, OwnEvent) else item.number


def _opening_of(opening: wire.Open) -> Opening:
    identity = None
    if opening.identity:
        said = link_pb2.Identity.FromString(opening.identity)
        identity = Identity(said.actor, tuple(said.actors), tuple(said.capabilities), said.role, said.expires_ms / 1000)
    return Opening(opening.path, opening.query, Headers([(each.name, each.value) for each in opening.headers]),
                   opening.remote_address, opening.subprotocol, identity)
