"""Questions from actor to actor.

A request is an ordinary send whose metadata has `request: true`. Its answer is an ordinary send back, whose metadata
has `inReplyTo`: the id of the request's hub:send, which the hub gives to the recipient as `originalMessageId`. An
answer with `failed: true` says why in its data: {message}. The JavaScript client does the same.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .clock import Clock
from .envelope import Message
from .errors import DormouseError
from .events import Events, Handler


class Dialogues:
    """Requests that wait for their answers, and handlers that give answers."""

    def __init__(self, clock: Clock, events: Events, reply: Callable[[Message, Any, bool], Awaitable[Any]]) -> None:
        """`reply(message, data, failed)` sends an answer."""
        self._clock = clock
        self._events = events
        self._reply = reply
        self._waiting: dict[str, tuple[asyncio.Future[Any], float]] = {}  # and since when
        self._handlers: dict[str, Handler] = {}
        self._unhandled: set[str] = set()  # requests without a handler that nobody has answered yet

    @property
    def awaited_since(self) -> float | None:
        """When the oldest request whose answer is awaited was made; None: none is."""
        return min((since for _, since in self._waiting.values()), default=None)

    def handle(self, kind: str, handler: Handler | None) -> None:
        """Of all messages of that type; None: nobody any more."""
        if handler:
            self._handlers[kind] = handler
        else:
            self._handlers.pop(kind, None)

    async def answer_to(self, request_id: str, sent: Awaitable[Any], limit: float) -> Any:
        """The data of the answer to a request, which `sent` sends, and says itself when that takes longer than `limit`.
        TimeoutError: the rest of the time was not enough for the answer."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        began = self._clock.now()
        self._waiting[request_id] = (answer, began)

        async def said() -> Any:
            return await answer

        try:
            await sent
            return await self._clock.within(max(0.0, began + limit - self._clock.now()), said())
        finally:
            answer.cancel()
            del self._waiting[request_id]

    def take(self, message: Message) -> bool:
        """Whether it was an answer that somebody waits for; everybody else need not hear of it."""
        answer, _ = self._waiting.get(str(message.metadata.get("inReplyTo")), (None, 0.0))
        if answer is None:
            if handler := self._handlers.get(message.type):
                self._events.call(self._answer, handler, message)
            return False
        if not answer.done():
            if message.metadata.get("failed"):
                answer.set_exception(_failure(message))
            else:
                answer.set_result(message.data)
        return True

    def end(self, error: DormouseError) -> None:
        for answer, _ in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)

    def handed_over(self, message: Message, has_readers: bool) -> None:
        """To everybody who listens. A request without a handler fails at its sender when they have seen it and none
        replied. Readers take it when they like: where this client has no handlers at all, answering is theirs."""
        if not message.expects_reply or message.type in self._handlers:
            return
        if message.topic is None and not message.metadata.get("broadcast") and not (has_readers and not self._handlers):
            self._unhandled.add(_key(message))
            self._events.call(self._refuse, message)

    def replied(self, message: Message) -> None:
        """By the application."""
        self._unhandled.discard(_key(message))

    async def _refuse(self, message: Message) -> None:
        if _key(message) not in self._unhandled:
            return
        self._unhandled.discard(_key(message))
        text = f"{message.to} has no handler for {message.type}."
        with contextlib.suppress(DormouseError):  # its sender may be gone by now
            await self._reply(message, {"code": "no_handler", "message": text}, True)

    async def _answer(self, handler: Handler, message: Message) -> None:
        try:
            result = handler(message)
            if inspect.isawaitable(result):
                result = await result
        except Exception as error:
            if message.expects_reply:
                await self._reply(message, {"message": str(error) or repr(error)}, True)
            raise
        if message.expects_reply and result is not None:
            await self._reply(message, result, False)


def _key(message: Message) -> str:
    return f"{message.metadata.get('originalMessageId')} {message.sender}"


def _failure(message: Message) -> DormouseError:
    details = message.data if isinstance(message.data, dict) else {}
    text = details.get("message") or f"{message.sender} could not answer."
    return DormouseError("request_failed", str(text), details=details)
