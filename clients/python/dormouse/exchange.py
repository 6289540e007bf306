"""What is said to the hub and answered: queued, written, answered, asked again."""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Any

from .backlog import Backlog, BacklogWatch
from .clock import Clock, Timer
from .envelope import Envelope
from .errors import DormouseError, error_of, lost
from .outbox import Hold, Lane, Outbox, Outgoing
from .pace import Pace

_WAITED_FOR = {
    "connection": "for a connection",
    "pause": "for the end of a pause that the hub asked for",
    "rate": "for its turn at the rate limit",
}
_TELLS_REMEMBERED = 256  # those sent last: they go out again when the rate limit refused them


class Exchange:
    """Outlives connections. A connection's writer is write(); its reader reports replies with answered(), its
    loss with connection_lost()."""

    def __init__(
        self,
        clock: Clock,
        limit: int,
        max_refusals: int,
        on_error: Callable[[DormouseError], None],
        backlog_after: float,
        on_backlog: Callable[[Backlog], None],
    ) -> None:
        self.outbox = Outbox(limit)
        self.max_frame: int | None = None  # bytes, as the hub said
        self._clock = clock
        self._max_refusals = max_refusals
        self._on_error = on_error
        self._asked: dict[str, Outgoing] = {}  # written, not answered
        self._told: collections.OrderedDict[str, Outgoing] = collections.OrderedDict()
        self._pace = Pace(clock)
        self._rate_timer: Timer | None = None
        self._backlog = BacklogWatch(clock, backlog_after, self.backlog, on_backlog)

    def backlog(self) -> Backlog:
        oldest = self.outbox.oldest
        if not oldest:
            return Backlog()
        return Backlog(len(self.outbox), self._clock.now() - oldest.since, self._reason())

    @property
    def awaited_since(self) -> float | None:
        """When the oldest of those that wait for their answer was sent; None: none does."""
        return min((out.sent_at for out in self._asked.values()), default=None)

    # --- for those who have something to say

    async def tell(self, envelope: Envelope, lane: Lane = Lane.DATA, latest: str | None = None) -> None:
        """Returns when it is queued."""
        await self._put(Outgoing(envelope, lane, latest=latest, since=self._clock.now()))

    async def ask(
        self,
        envelope: Envelope,
        timeout: float,
        lane: Lane = Lane.CONTROL,
        idempotent: bool = False,
        latest: str | None = None,
    ) -> Envelope:
        """The reply, within `timeout` seconds of which some may pass in the queue; else DormouseError."""
        out = self._with_answer(envelope, lane, idempotent, latest)
        timer = self._clock.call_later(timeout, self._expire, out, timeout)
        try:
            await self._put(out)
            return await self._answer(out)
        finally:
            timer.cancel()
            self.outbox.remove(out)
            self._asked.pop(out.id, None)
            self._backlog.update()

    # --- for the connection

    async def ask_on(self, socket: Any, envelope: Envelope, timeout: float) -> Envelope:
        """Past the queue: what a new connection has to settle first. Waits out the rate limit."""
        while True:
            out = self._with_answer(envelope, Lane.CONTROL, False)
            out.refusals = self._max_refusals  # asked again here, not through the queue
            timer = self._clock.call_later(timeout, self._expire, out, timeout)
            self._asked[out.id] = out
            out.sent_at = self._clock.now()
            out.sent = True
            try:
                await socket.send(out.frame)
                return await self._answer(out)
            except DormouseError as error:
                if error.code != "rate_limited":
                    raise
                await self._clock.sleep(error.retry_after)
            finally:
                timer.cancel()
                self._asked.pop(out.id, None)

    async def write(self, socket: Any) -> None:
        """Sends what waits, until the connection breaks."""
        while True:
            out = await self.outbox.next()
            out.sent_at = self._clock.now()
            if out.answer:
                self._asked[out.id] = out
                out.sent = True
                await socket.send(out.frame)
            else:
                try:
                    await socket.send(out.frame)
                except BaseException:
                    self.outbox.put_back(out)
                    raise
                self._told[out.id] = out
                if len(self._told) > _TELLS_REMEMBERED:
                    self._told.popitem(last=False)
            self._pace.took()
            self._keep_pace()
            self._backlog.update()

    def answered(self, reply: Envelope) -> None:
        """A frame of the hub that names what it answers."""
        message_id = str(reply.get("correlationId"))
        error = error_of(reply)
        out = self._asked.pop(message_id, None) or self._told.pop(message_id, None)
        if error and error.code == "rate_limited":
            if error.rate_limit:
                self._pace.slow_down(error.retry_after, error.rate_limit)
            else:
                self._pace.hold(error.retry_after)
            self._keep_pace()
            if out and not out.over and out.refusals < self._max_refusals:
                out.refusals += 1
                out.sent = False
                self.outbox.put_back(out)
                self._backlog.update()
                return
        if out and out.answer:
            if out.over:
                return
            if error:
                out.answer.set_exception(error)
            else:
                out.answer.set_result(reply)
        elif error:
            error.details.setdefault("messageId", message_id)
            self._on_error(error)

    def connection_lost(self, reason: str) -> None:
        """What was asked is asked again where that does no harm, else its asker is told."""
        self.outbox.hold(Hold.OFFLINE)
        self.outbox.release(Hold.PAUSED)  # the hub says it again where it still holds
        self._told.clear()
        self._pace.reset()
        self._keep_pace()
        asked, self._asked = self._asked, {}
        for out in asked.values():
            if out.idempotent and not out.over:
                out.doubtful, out.sent = True, False
                self.outbox.put_back(out)
            else:
                out.fail(lost(reason))
        self._backlog.update()

    def end(self, error: DormouseError) -> int:
        """For good. The number of messages that were never sent."""
        asked, self._asked = self._asked, {}
        left = self.outbox.clear()
        for out in (*asked.values(), *left):
            out.fail(error)
        if self._rate_timer:
            self._rate_timer.cancel()
        self._backlog.update()
        self._backlog.close()
        return sum(1 for out in left if not out.answer)

    # --- inside

    def _checked(self, out: Outgoing) -> Outgoing:
        # One that is far too large costs the connection, and would do so again after each reconnect.
        if self.max_frame and len(out.frame) * 4 > self.max_frame:
            size = len(out.frame.encode())
            if size > self.max_frame:
                raise DormouseError(
                    "message_too_large",
                    f"The message has {size} bytes, more than the {self.max_frame} that the hub takes.",
                    "Send less at once.",
                    {"actualSize": size, "maxSize": self.max_frame},
                )
        return out

    async def _put(self, out: Outgoing) -> None:
        await self.outbox.put(self._checked(out))
        self._backlog.update()

    def _with_answer(self, envelope: Envelope, lane: Lane, idempotent: bool, latest: str | None = None) -> Outgoing:
        answer: asyncio.Future[Envelope] = asyncio.get_running_loop().create_future()
        return Outgoing(envelope, lane, answer, idempotent, latest, self._clock.now())

    @staticmethod
    async def _answer(out: Outgoing) -> Envelope:
        assert out.answer
        return await out.answer

    def _expire(self, out: Outgoing, timeout: float) -> None:
        text, resolution, details = f"No answer within {timeout:g} s.", "Whether the hub got it is not known.", {}
        if not out.sent and not out.doubtful:
            text = f"Not sent: it waited {timeout:g} s {_WAITED_FOR[self._reason()]}."
            resolution, details = "Send it again; the hub has not got it.", {"sent": False}
        out.fail(DormouseError("timeout", text, resolution, details, retryable=True))
        self.outbox.remove(out)

    def _reason(self) -> str:
        """What those wait for that wait to be sent."""
        reasons = {Hold.OFFLINE: "connection", Hold.PAUSED: "pause"}
        return next((name for hold, name in reasons.items() if self.outbox.held(hold)), "rate")

    def _keep_pace(self) -> None:
        wait = self._pace.wait()
        if self._rate_timer:
            self._rate_timer.cancel()
            self._rate_timer = None
        if wait > 0:
            self.outbox.hold(Hold.RATE)
            self._rate_timer = self._clock.call_later(wait, self._keep_pace)
        else:
            self.outbox.release(Hold.RATE)
