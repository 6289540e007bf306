"""One session over as many sockets as it takes."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .backoff import Backoff
from .clock import Clock
from .envelope import Envelope, decode, encode, new_envelope
from .errors import ConnectError, DormouseError
from .events import Events
from .exchange import Exchange
from .heartbeat import Heartbeat, HeartbeatLost
from .inbox import Inbox
from .outbox import Hold
from .registrations import Ask
from .session import Session
from .tasks import Notice, race
from .transport import ConnectionClosed, Transports, abandon, close_info

STABLE_AFTER = 5.0  # seconds that a connection must last for the back-off to start over
REPLY_TIMEOUT = 10.0  # seconds for each answer while a connection is new
_COMING_BACK = 4000  # close code; to a hub, 1000 means that the session is over
_TOKEN_USE = 0.8  # of a token's lifetime, until a new one is asked for
_TOKEN_RETRY = 5.0  # seconds, at least, between two attempts to get one
DEFAULT_HEARTBEAT = 30.0  # seconds, where the hub does not say

# Trying again cannot help: the same would come.
_FINAL = frozenset({"unauthorized", "invalid_token", "version_mismatch", "duplicate_connection"})


@dataclasses.dataclass
class Connected:
    """What the hub said to hub:connect; `payload` is all of it."""

    session_id: str | None
    resumed: bool
    missed: int | None  # messages for this session that the hub could not keep; None: it did not say
    payload: Mapping[str, Any]


class Link:
    """Connects, keeps the connection, and connects again when it is lost."""

    def __init__(
        self,
        url: str,
        session: Session,
        exchange: Exchange,
        inbox: Inbox,
        events: Events,
        clock: Clock,
        backoff: Backoff,
        restore: Callable[[Ask], Awaitable[None]],
        receive: Callable[[Envelope], None],
        awaited_since: Callable[[], float | None],
        transports: Transports,
    ) -> None:
        """`restore` brings a new session to where the last one was; `receive` gets each frame of the hub;
        `awaited_since`: of what waits for an answer, when the oldest was asked."""
        self._url = url
        self._session = session
        self._exchange = exchange
        self._inbox = inbox
        self._events = events
        self._clock = clock
        self._backoff = backoff
        self._restore = restore
        self._receive = receive
        self._awaited_since = awaited_since
        self._transports = transports
        self._final: DormouseError | None = None
        self._online = False
        self._socket: Any = None
        self.leaving = False  # the end of this connection is the end of the session, as was asked for

    def give_up(self, error: DormouseError) -> None:
        """When the connection ends, which it is about to: no other one."""
        self._final = error

    def hurry(self) -> None:
        """Whoever waits for the end of this connection has no time for goodbyes, which a silent peer would not answer."""
        if self._socket is not None:
            abandon(self._socket)

    async def run(self, on_ready: Callable[[], None], on_trouble: Callable[[DormouseError], None]) -> None:
        """Until trying again cannot help (DormouseError), or the loss that was asked for. `on_ready` is called each
        time that the session is up, `on_trouble` with each failure to get there."""
        attempt = 0
        while True:
            opened = self._clock.now()
            try:
                code, reason = await self._one_connection(on_ready)
            except DormouseError as error:
                if not error.retryable:
                    raise
                on_trouble(error)
                code, reason = 1006, str(error)
            except asyncio.CancelledError:
                if self._online:
                    self._events.emit("disconnected", 1000, "left")
                raise
            if self._online:
                self._online = False
                self._events.emit("disconnected", code, reason)
            if self._final:
                raise self._final
            if self.leaving:
                return
            if self._clock.now() - opened >= STABLE_AFTER:
                self._backoff.reset()
                attempt = 0
            attempt += 1
            delay = self._backoff.next_delay()
            self._events.emit("reconnecting", attempt, delay, reason)
            await self._clock.sleep(delay)

    async def _one_connection(self, on_ready: Callable[[], None]) -> tuple[int, str]:
        """Code and reason of its end."""
        try:
            await self._session.fetch_token()
        except DormouseError:
            raise
        except Exception as error:  # pylint: disable=broad-except
            raise ConnectError(f"no token: {error!r}", True) from error
        socket = self._socket = await self._transports.open(self._url, self._session.headers)
        heard = False

        async def beat() -> None:
            await socket.send(encode(self._request("hub:heartbeat", {"timestamp": self._clock.wall_ms()})))

        heartbeat = Heartbeat(self._clock, beat, self._awaited_since)
        def on_heard() -> None:
            nonlocal heard
            heard = True
            self._transports.heard()

        reason = "closed by this client"
        try:
            # A refusal says more than the close that follows it.
            await race(self._talk(socket, heartbeat, on_ready), self._read(socket, heartbeat, on_heard))
            raise AssertionError("neither ends by itself")
        except ConnectionClosed as error:
            code, reason = close_info(error)
            if not heard and code != 1000:
                self._transports.died()
            return code, reason
        except HeartbeatLost as error:
            reason = str(error)
            abandon(socket)
            return 1006, reason
        finally:
            self._exchange.connection_lost(reason)
            await socket.close(1000 if self.leaving else _COMING_BACK)
            self._socket = None

    async def _talk(self, socket: Any, heartbeat: Heartbeat, on_ready: Callable[[], None]) -> None:
        payload = await self._connect(socket)
        resumed = self._session.connected(payload)
        if not resumed:
            self._inbox.last_forwarded = None  # of a session that the hub has forgotten

            async def ask(kind: str, request: dict[str, Any]) -> Envelope:
                return await self._exchange.ask_on(socket, self._request(kind, request), REPLY_TIMEOUT)

            await self._restore(ask)
        missed = payload.get("missed")
        details = Connected(self._session.id, resumed, missed if isinstance(missed, int) else None, payload)
        self._online = True
        self._events.emit("resumed" if resumed else "connected", details)
        self._exchange.outbox.release(Hold.OFFLINE)
        on_ready()
        interval = payload.get("heartbeatInterval")
        interval = interval / 1000 if isinstance(interval, (int, float)) and interval > 0 else DEFAULT_HEARTBEAT
        await race(self._exchange.write(socket), heartbeat.run(interval), self._keep_token(socket))

    async def _keep_token(self, socket: Any) -> None:
        """A session may do nothing once its token has expired: it gets a new one in time."""
        while (left := self._session.token_lifetime(self._clock.wall_ms())) is not None:
            await self._clock.sleep(max(left * _TOKEN_USE, _TOKEN_RETRY))
            try:
                await self._replace_token(socket)
            except DormouseError as error:
                self._events.emit("error", error)
                if not error.retryable:
                    break
            except ConnectionClosed:
                raise
            except Exception as error:  # pylint: disable=broad-except
                self._events.emit("error", ConnectError(f"no token: {error!r}", True))
        await Notice().wait()  # for ever: nothing more can be done, and the connection goes on

    async def _replace_token(self, socket: Any) -> None:
        if self._session.has_token_source:
            await self._session.fetch_token()
            envelope = self._session.reconnect_envelope(self._clock.wall_ms())
            self._session.connected_again((await self._exchange.ask_on(socket, envelope, REPLY_TIMEOUT))["payload"])
        else:
            envelope = self._request("hub:refresh_token", {"token": self._session.current_token})
            reply = await self._exchange.ask_on(socket, envelope, REPLY_TIMEOUT)
            self._session.replace_token(reply["payload"]["token"])

    async def _connect(self, socket: Any) -> Mapping[str, Any]:
        envelope = self._session.connect_envelope(self._clock.wall_ms(), self._inbox.last_forwarded)
        try:
            reply = await self._exchange.ask_on(socket, envelope, REPLY_TIMEOUT)
        except DormouseError as error:
            # What the hub refuses for another reason (it is busy, its store is away) it may grant later.
            error.retryable = error.code not in _FINAL
            raise
        payload = reply.get("payload")
        payload = payload if isinstance(payload, dict) else {}
        size = payload.get("maxMessageSize")
        self._exchange.max_frame = size if isinstance(size, int) and size > 0 else None
        return payload

    async def _read(self, socket: Any, heartbeat: Heartbeat, on_heard: Callable[[], None]) -> None:
        first = True
        while True:
            frame = decode(await socket.recv())
            heartbeat.heard()
            if first:
                on_heard()
                first = False
            if frame is not None:
                self._receive(frame)

    def _request(self, kind: str, payload: dict[str, Any]) -> Envelope:
        return new_envelope(self._session.actor, self._session.hub, kind, payload, self._clock.wall_ms(), ask=True)
