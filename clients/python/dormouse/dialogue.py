"""Questions from actor to actor.

A request is an ordinary send whose metadata has `request: true`. Its answer is an ordinary send back, whose metadata
has `inReplyTo`: the id of the request's hub:send, which the hub gives to the recipient as `originalMessageId`. An
answer with `failed: true` says why in its data: {message}. The JavaScript client does the same.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from .envelope import Message
from .errors import DormouseError
from .events import Events, Handler


class Dialogues:
    """Requests that wait for their answers, and handlers that give answers."""

    def __init__(self, events: Events, reply: Callable[[Message, Any, bool], Awaitable[Any]]) -> None:
        """`reply(message, data, failed)` sends an answer."""
        self._events = events
        self._reply = reply
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._handlers: dict[str, Handler] = {}

    def handle(self, kind: str, handler: Handler | None) -> None:
        """Of all messages of that type; None: nobody any more."""
        if handler:
            self._handlers[kind] = handler
        else:
            self._handlers.pop(kind, None)

    async def answer_to(self, request_id: str, sent: Awaitable[Any]) -> Any:
        """The data of the answer to a request, which `sent` sends."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            await sent
            return await answer
        finally:
            answer.cancel()
            del self._waiting[request_id]

    def take(self, message: Message) -> bool:
        """Whether it was an answer that somebody waits for; everybody else need not hear of it."""
        answer = self._waiting.get(str(message.metadata.get("inReplyTo")))
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
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(error)

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


def _failure(message: Message) -> DormouseError:
    details = message.data if isinstance(message.data, dict) else {}
    text = details.get("message") or f"{message.sender} could not answer."
    return DormouseError("request_failed", str(text), details=details)
