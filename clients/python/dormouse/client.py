"""The client of signal hubs."""

from __future__ import annotations

import asyncio
import contextlib
import ssl as ssl_module
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from .backlog import Backlog
from .backoff import Backoff
from .clock import Clock
from .dialogue import Dialogues
from .envelope import Envelope, Message, new_envelope
from .errors import DormouseError, error_of
from .events import Events, Handler
from .exchange import Exchange
from .inbox import Inbox
from .limits import checked_count, checked_time, checked_timeout
from .link import Link
from .names import checked_actor, checked_url
from .outbox import Hold, Lane
from .registrations import Registration, Registrations
from .session import Session, Token
from .stream import Stream
from .topics import Subscription, Topics
from .transport import Transports

ANSWER_WITHIN = 10.0  # seconds, where neither the client nor the call says
CONNECT_WITHIN = 30.0  # seconds, likewise
LEAVE_WITHIN = 2.0  # seconds for what is still to be sent, and again for the hub's goodbye
_PAGE = 100  # actors, the most that both dialects give at once


def _latest_key(latest: bool | str, *what: str) -> str | None:
    """By what a message is the later one of another."""
    if latest is False:
        return None
    return repr(what if latest is True else (latest,))


class Client:
    """An actor's connection to a signal hub (/ws/NAME), over as many sockets as it takes.

        async with Client("ws://127.0.0.1:8080/ws/kitchen", actor="browser/anna") as client:
            await client.register()
            await client.send("browser/bert", "chat", "hello")
            async for message in client.messages():
                print(message.sender, message.data)

    All failures are DormouseErrors. Times are seconds. Everything runs on the event loop of connect().
    """

    def __init__(
        self,
        url: str,
        *,
        actor: str,
        token: Token | None = None,
        capabilities: Iterable[str] = (),
        protocol: str = "1.0",
        upgrade_auth: bool = False,
        timeout: float | None = None,
        outbox_limit: int = 1000,
        inbox_limit: int = 1000,
        rate_limit_retries: int = 5,
        backlog_after: float = 0.5,
        ssl: ssl_module.SSLContext | None = None,
        transport: str = "auto",
        clock: Clock | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        """actor         "runtime/name" or "@(runtime/name)": who sends; answers come in the same form
        token         a string, or a function (it may be a coroutine's) that is asked before each connect
        capabilities  of this client; also what register() registers, where nothing else is said
        protocol      "1.0" or "0.1"
        upgrade_auth  send the token as "Authorization: Bearer" with the upgrade instead of in hub:connect
        timeout       for answers (10 where it is not given) and for connecting (30), where a call does not say
        outbox_limit  messages kept while there is no connection, or the hub asked for a pause
        inbox_limit   messages kept for each reader that is behind; then the oldest gives way
        rate_limit_retries  how often a message that the rate limit refused is sent again
        backlog_after  how long a message may wait to be sent before the event `backlog` says so
        ssl           of a wss:// address: whose certificates are believed, and which one is shown; where it is not given,
                      those of this machine's authorities are, and none is
        transport     "auto": a WebSocket, and where none gets through an event stream ("sse"), and where that is held
                      up on its way, long polling ("poll"); each of them, and "websocket", can be asked for alone
        """
        checked_url(url)
        self._timeout = ANSWER_WITHIN if timeout is None else checked_timeout(timeout)
        self._connect_timeout = CONNECT_WITHIN if timeout is None else timeout
        self._inbox_limit = checked_count(inbox_limit, "inbox_limit", least=1)
        self._clock = clock or Clock()
        self._events = Events(inbox_limit, self._inbox_full)
        self._session = Session(checked_actor(actor), token, tuple(capabilities), protocol, upgrade_auth)
        self._exchange = Exchange(
            self._clock,
            checked_count(outbox_limit, "outbox_limit"),
            checked_count(rate_limit_retries, "rate_limit_retries"),
            self._emit_error,
            checked_time(backlog_after, "backlog_after"),
            lambda backlog: self._events.emit("backlog", backlog),
        )
        self._registrations = Registrations(
            self._clock, self._registering, self._exchange.outbox.until_online, self._emit_error
        )
        self._topics = Topics(self._events, self._emit_error)
        self._dialogues = Dialogues(self._clock, self._events, self._reply)
        self._inbox = Inbox(self._dialogues, self._topics, self._events, inbox_limit, self._inbox_full)
        self._transports = Transports(self._clock, transport, ssl)
        self._link = Link(
            url,
            self._session,
            self._exchange,
            self._inbox,
            self._events,
            self._clock,
            backoff or Backoff(),
            self._restore,
            self._receive,
            self._awaited_since,
            self._transports,
        )
        self._running: asyncio.Task[None] | None = None
        self._calling: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[None] | None = None
        self._trouble: DormouseError | None = None  # the last failure to connect
        self._closed = False
        self._ended_by: DormouseError | None = None  # what nobody had asked for

    # --- coming and going

    @property
    def actor(self) -> str:
        return self._session.actor

    @property
    def session_id(self) -> str | None:
        """The hub's name for the session; None before the first one and after the last."""
        return self._session.id

    @property
    def connected(self) -> bool:
        """Whether there is a connection now."""
        return not self._exchange.outbox.held(Hold.OFFLINE)

    @property
    def transport(self) -> str | None:
        """How the last connection came about: "websocket", "sse" or "poll"; None: there was none yet."""
        return self._transports.current

    @property
    def backlog(self) -> Backlog:
        """What waits to be sent."""
        return self._exchange.backlog()

    async def __aenter__(self) -> Client:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.disconnect()

    async def connect(self, timeout: float | None = None) -> None:
        """Returns when the session is up. Tries again, as after a loss, for `timeout` seconds (the client's, where none
        is given); raises at once what trying again cannot help."""
        timeout = self._connect_timeout if timeout is None else checked_timeout(timeout)
        if self._closed or self._running:
            self._raise_ended_by()
            raise DormouseError("disconnected", "A client connects once.", "Make a new Client.")
        self._ready = asyncio.get_running_loop().create_future()
        self._calling = asyncio.create_task(self._events.run())
        self._running = asyncio.create_task(self._run())
        timer = self._clock.call_later(timeout, self._out_of_time, timeout)
        try:
            await asyncio.shield(self._ready)
        except BaseException as error:
            self._ready.cancel()
            self._link.hurry()
            await self._stop(error if isinstance(error, DormouseError) else None)
            raise
        finally:
            timer.cancel()

    async def disconnect(self) -> None:
        """Sends what is waiting, ends the session and closes the socket. Afterwards nothing comes any more."""
        if self._running and not self._running.done() and not self._closed:
            self._link.leaving = True
            if self.connected:
                with contextlib.suppress(TimeoutError):
                    await self._clock.within(LEAVE_WITHIN, self._exchange.outbox.until_empty())
                with contextlib.suppress(DormouseError):
                    await self._exchange.ask(self._envelope("hub:disconnect", {}), LEAVE_WITHIN)
        await self._stop(None)

    # --- registrations

    async def register(
        self,
        address: str | None = None,
        capabilities: Iterable[str] | None = None,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
    ) -> Registration:
        """Makes an address (the actor's own, where none is named) reachable. It is renewed before it expires and
        registered again in a new session, until unregister()."""
        registration = Registration(
            address or self.actor,
            list(self._session.capabilities if capabilities is None else capabilities),
            metadata or {},
            ttl,
        )
        self._open_exchange()
        await self._registrations.register(registration)
        return registration

    async def unregister(self, address: str | None = None) -> None:
        self._registrations.remove(address or self.actor)
        await self._ask_hub("hub:unregister", {"actorAddress": address or self.actor})

    async def discover(
        self,
        pattern: str = "*",
        *,
        capabilities: Iterable[str] = (),
        metadata: dict[str, Any] | None = None,
        limit: int = _PAGE,
        offset: int = 0,
    ) -> dict[str, Any]:
        """One page: `actors`, `count`, `hasMore`, `totalMatches`. All of the capabilities, and of the metadata's
        members, must match."""
        request: dict[str, Any] = {"pattern": pattern, "limit": limit, "offset": offset}
        if capabilities := list(capabilities):
            request["capabilities"] = capabilities
        if metadata:
            request["metadata"] = metadata
        return await self._ask_hub("hub:discover", request)

    async def discover_all(
        self, pattern: str = "*", *, capabilities: Iterable[str] = (), metadata: dict[str, Any] | None = None
    ) -> AsyncIterator[dict[str, Any]]:
        """Every actor that matches, page after page. One that registers meanwhile may be missing."""
        offset = 0
        capabilities = list(capabilities)
        while True:
            page = await self.discover(pattern, capabilities=capabilities, metadata=metadata, offset=offset)
            for actor in page["actors"]:
                yield actor
            offset += len(page["actors"])
            if not page["hasMore"] or not page["actors"]:
                return

    async def list_actors(self, offset: int = 0, limit: int = _PAGE) -> dict[str, Any]:
        """One page of all registrations: `actors`, `total`, `hasMore`."""
        return await self._ask_hub("hub:list_actors", {"offset": offset, "limit": limit})

    # --- messages to others; `sender` is another address that this client registered, `ttl` seconds.
    # `latest`: only the latest counts, as of a cursor's place. While the message waits to be sent, a later one with the
    # same `latest` takes its place; the call then returns {"superseded": True}. True: the same call to the same
    # receiver, capability or topic, of the same type. A text: of whatever has the same text.

    async def send(
        self,
        to: str,
        type: str,  # pylint: disable=redefined-builtin
        data: Any = None,
        *,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
        sender: str | None = None,
        latest: bool | str = False,
    ) -> None:
        """Tells, and returns when the message is queued. Nobody says whether it came; a failure that the hub
        reports is an event `error`."""
        payload = {"to": to, "type": type, "data": data}
        envelope = self._envelope("hub:send", payload, metadata, ttl, sender, ask=False)
        await self._open_exchange().tell(envelope, latest=_latest_key(latest, "send", to, type))

    async def ask(
        self,
        to: str,
        type: str,  # pylint: disable=redefined-builtin
        data: Any = None,
        *,
        timeout: float | None = None,
        idempotent: bool = False,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
        sender: str | None = None,
        latest: bool | str = False,
    ) -> dict[str, Any]:
        """Sends, and returns when the hub has delivered it: `messageId`, `deliveredAt`, `status`. Raises
        `unknown_actor` where nobody is registered. When the connection breaks before the answer, `connection_lost`;
        an idempotent one is sent again instead."""
        envelope = self._envelope("hub:send", {"to": to, "type": type, "data": data}, metadata, ttl, sender)
        return await self._ask(envelope, timeout, Lane.DATA, idempotent, _latest_key(latest, "ask", to, type))

    async def request(
        self,
        to: str,
        type: str,  # pylint: disable=redefined-builtin
        data: Any = None,
        *,
        timeout: float | None = None,
        metadata: dict[str, Any] | None = None,
        sender: str | None = None,
    ) -> Any:
        """The other actor's own answer: what its handle() returned, or it gave to reply(). `request_failed` where its
        handler failed."""
        limit = self._timeout if timeout is None else checked_timeout(timeout)
        payload = {"to": to, "type": type, "data": data}
        envelope = self._envelope("hub:send", payload, {**(metadata or {}), "request": True}, None, sender)
        sent = self._ask(envelope, limit, Lane.DATA, False)
        try:
            return await self._dialogues.answer_to(envelope["id"], sent, limit)
        except TimeoutError:
            raise DormouseError("timeout", f"{to} gave no answer within {limit:g} s.", retryable=True) from None

    async def reply(self, message: Message, data: Any = None) -> None:
        """Answers a request; returns when the answer is delivered."""
        await self._reply(message, data, False)

    async def broadcast(
        self,
        type: str,  # pylint: disable=redefined-builtin
        data: Any = None,
        *,
        exclude_self: bool = True,
        capability: str | None = None,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        sender: str | None = None,
        latest: bool | str = False,
    ) -> dict[str, Any]:
        """To all other registered actors, or those with the capability. `deliveredCount`, `failedCount`."""
        if capability:
            metadata = {**(metadata or {}), "targetCapability": capability}
        payload = {"type": type, "data": data, "excludeSelf": exclude_self}
        envelope = self._envelope("hub:broadcast", payload, metadata, ttl, sender)
        key = _latest_key(latest, "broadcast", capability or "", type)
        return await self._ask(envelope, timeout, Lane.DATA, idempotent, key)

    async def publish(
        self,
        topic: str,
        type: str,  # pylint: disable=redefined-builtin
        data: Any = None,
        *,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
        timeout: float | None = None,
        idempotent: bool = False,
        sender: str | None = None,
        latest: bool | str = False,
    ) -> dict[str, Any]:
        """To all subscribers of the topic. `subscriberCount`, `delivered`."""
        payload = {"topic": topic, "type": type, "data": data}
        envelope = self._envelope("hub:publish", payload, metadata, ttl, sender)
        return await self._ask(envelope, timeout, Lane.DATA, idempotent, _latest_key(latest, "publish", topic, type))

    # --- messages from others

    async def subscribe(self, topic: str, handler: Handler | None = None) -> Subscription:
        """Each message of the topic goes to `handler`; without one, iterate over the result."""
        subscription = Subscription(topic, self._inbox_limit, self.unsubscribe)
        reader = handler or subscription
        self._topics.add(topic, reader)  # before the answer: the first message may come right behind it
        try:
            await self._ask_hub("hub:subscribe", {"topic": topic})
        except BaseException:
            self._topics.take_back(topic, reader)
            raise
        return subscription

    async def unsubscribe(self, topic: str) -> None:
        self._topics.remove(topic)
        await self._ask_hub("hub:unsubscribe", {"topic": topic})

    def handle(self, type: str, handler: Handler | None) -> None:  # pylint: disable=redefined-builtin
        """Each message of that type goes to `handler` (None: to nobody), and what it returns, or that it failed, to
        who sent it as a request()."""
        self._dialogues.handle(type, handler)

    def messages(self) -> Stream[Message]:
        """Everything that others send, broadcast or publish to this client from now on, to iterate over. Ends with
        disconnect(); raises what ends the client otherwise."""
        self._open_exchange()
        return self._inbox.open_stream()

    def on(self, event: str, handler: Handler | None = None) -> Any:
        """Calls `handler`, a function or coroutine function, at each event; also as a decorator:

        message(Message)                  what another actor sent
        connected(Connected)              a new session is up, registrations and subscriptions included
        resumed(Connected)                the session of before goes on
        disconnected(code, reason)        the connection is lost, or was left
        reconnecting(attempt, delay, reason)   the next try comes in `delay` seconds
        paused(reason), unpaused()        the hub holds this client's messages to others back
        backlog(Backlog)                  messages wait to be sent, the oldest for longer than backlog_after: comes
                                          again whenever twice as many wait, and once with `waiting` 0 when none does
        error(DormouseError)              what no call can raise
        """
        if handler is None:
            return lambda function: self.on(event, function)
        self._events.on(event, handler)
        return handler

    def off(self, event: str, handler: Handler) -> None:
        self._events.off(event, handler)

    # --- the hub itself

    async def queue_stats(self) -> dict[str, Any]:
        """`queueDepth`, `processingRate`, `pauseThreshold`, `resumeThreshold`."""
        return await self._ask_hub("hub:queue_stats", {})

    async def refresh_token(self, token: str | None = None) -> dict[str, Any]:
        """A new token for `token` (the one in use, where none is named): `token`, `expiresAt`. Later connects use
        it, unless a function provides tokens. A client without a token, at a hub that asks for none, has the one
        with which its session is resumed."""
        for_resuming = not token and not self._session.current_token
        old = token or self._session.current_token or self._session.resume_token
        refreshed = await self._ask_hub("hub:refresh_token", {"token": old})
        if for_resuming:
            self._session.resume_token = refreshed["token"]
        else:
            self._session.replace_token(refreshed["token"])
        return refreshed

    # --- inside

    def _envelope(
        self,
        kind: str,
        payload: Any,
        metadata: dict[str, Any] | None = None,
        ttl: float | None = None,
        sender: str | None = None,
        ask: bool = True,
    ) -> Envelope:
        ttl_ms = None if ttl is None else round(ttl * 1000)
        now = self._clock.wall_ms()
        return new_envelope(
            sender or self.actor, self._session.hub, kind, payload, now, ask=ask, metadata=metadata, ttl_ms=ttl_ms
        )

    def _open_exchange(self) -> Exchange:
        if self._closed:
            self._raise_ended_by()
            raise DormouseError("disconnected", "This client has disconnected.", "Make a new Client.")
        return self._exchange

    def _raise_ended_by(self) -> None:
        if error := self._ended_by:
            text = f"This client has ended: {error.message}"
            raise DormouseError(error.code, text, error.resolution or "Make a new Client.", error.details)

    def _awaited_since(self) -> float | None:
        both = (self._exchange.awaited_since, self._dialogues.awaited_since)
        return min((since for since in both if since is not None), default=None)

    async def _ask(
        self, envelope: Envelope, timeout: float | None, lane: Lane, idempotent: bool, latest: str | None = None
    ) -> dict[str, Any]:
        limit = self._timeout if timeout is None else checked_timeout(timeout)
        reply = await self._open_exchange().ask(envelope, limit, lane, idempotent, latest)
        return reply.get("payload") or {}

    async def _reply(self, message: Message, data: Any, failed: bool) -> None:
        self._dialogues.replied(message)
        metadata: dict[str, Any] = {"inReplyTo": message.metadata.get("originalMessageId")}
        if failed:
            metadata["failed"] = True
        await self.ask(message.sender, f"{message.type}:reply", data, metadata=metadata, sender=message.to)

    async def _request(self, kind: str, payload: dict[str, Any], idempotent: bool) -> Envelope:
        return await self._open_exchange().ask(self._envelope(kind, payload), self._timeout, Lane.CONTROL, idempotent)

    async def _ask_hub(self, kind: str, payload: dict[str, Any]) -> dict[str, Any]:
        # To do any of these twice is to do it once.
        return (await self._request(kind, payload, True)).get("payload") or {}

    async def _registering(self, kind: str, payload: dict[str, Any]) -> Envelope:
        # A renewal token works once.
        return await self._request(kind, payload, kind != "hub:renew")

    async def _restore(self, ask: Callable[..., Any]) -> None:
        await self._registrations.restore(ask)
        await self._topics.restore(ask)

    def _receive(self, frame: Envelope) -> None:
        kind = frame.get("type")
        if not isinstance(kind, str):
            return
        if not kind.startswith("hub:"):
            self._inbox.receive(frame)
        elif frame.get("correlationId") is not None:
            self._exchange.answered(frame)
        elif kind == "hub:pause":
            self._exchange.outbox.hold(Hold.PAUSED)
            self._events.emit("paused", (frame.get("payload") or {}).get("reason"))
        elif kind == "hub:resume":
            self._exchange.outbox.release(Hold.PAUSED)
            self._events.emit("unpaused")
        elif kind == "hub:presence":
            self._inbox.announce(frame)
        elif kind == "hub:disconnect":
            self._sent_away(frame.get("payload") or {})
        elif error := error_of(frame):
            self._emit_error(error)

    def _sent_away(self, payload: dict[str, Any]) -> None:
        if payload.get("reason") == "duplicate_connection":
            # Coming back would take the actor from the other session, and so on for ever.
            text = str(payload.get("message") or "Another session registered this actor.")
            self._link.give_up(DormouseError("duplicate_connection", text, "Use another actor, or one client."))

    def _emit_error(self, error: DormouseError) -> None:
        self._events.emit("error", error)

    def _inbox_full(self) -> None:
        self._emit_error(
            DormouseError(
                "inbox_full",
                f"A reader is {self._inbox_limit} messages behind; the oldest are dropped.",
                "Take messages faster, or raise inbox_limit.",
            )
        )

    # --- life

    async def _run(self) -> None:
        renewing = asyncio.create_task(self._registrations.keep())
        try:
            await self._link.run(self._is_ready, self._is_in_trouble)
        except DormouseError as error:
            if self._ready and self._ready.done():
                self._emit_error(error)  # connect() returned long ago
            self._end(error)
        finally:
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)

    def _is_ready(self) -> None:
        if self._ready and not self._ready.done():
            self._ready.set_result(None)

    def _is_in_trouble(self, error: DormouseError) -> None:
        self._trouble = error

    def _out_of_time(self, timeout: float) -> None:
        if self._ready and not self._ready.done():
            text = f"No session within {timeout:g} s" + (f": {self._trouble}" if self._trouble else ".")
            self._ready.set_exception(DormouseError("connect_failed", text, retryable=True))

    async def _stop(self, error: DormouseError | None) -> None:
        self._link.leaving = True
        if self._running:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        if not self._closed:
            self._end(error)
        self._events.close()
        if self._calling and self._calling is not asyncio.current_task():  # a handler may disconnect
            await asyncio.gather(self._calling, return_exceptions=True)

    def _end(self, error: DormouseError | None) -> None:
        """Nothing comes and nothing goes any more."""
        self._closed = True
        self._ended_by = error
        self._session.forget()
        why = error or DormouseError("disconnected", "This client has disconnected.")
        unsent = self._exchange.end(why)
        if unsent:
            text = f"{unsent} messages were never sent."
            self._emit_error(DormouseError("disconnected", text, details={"unsent": unsent}))
        if self._ready and not self._ready.done():
            self._ready.set_exception(why)
        self._dialogues.end(why)
        self._inbox.close(error)
