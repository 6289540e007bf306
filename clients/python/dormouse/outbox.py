"""What waits to be sent."""

from __future__ import annotations

import asyncio
import bisect
import collections
import enum
import itertools

from .envelope import Envelope, encode
from .errors import DormouseError
from .tasks import Notice

_numbers = itertools.count()


class Lane(enum.Enum):
    """Those of CONTROL leave first."""

    CONTROL = 0  # to the hub itself
    DATA = 1  # to other actors: what the hub may pause


class Hold(enum.Enum):
    """Why nothing is sent at the moment."""

    OFFLINE = "there is no connection"
    PAUSED = "the hub asked for a pause"
    RATE = "the hub's rate limit"


class Outgoing:
    """One frame on its way. `answer` is there where one is awaited."""

    def __init__(
        self,
        envelope: Envelope,
        lane: Lane = Lane.CONTROL,
        answer: asyncio.Future[Envelope] | None = None,
        idempotent: bool = False,
        latest: str | None = None,
        since: float = 0.0,
    ) -> None:
        self.id: str = envelope["id"]
        self.frame = encode(envelope)
        self.lane = lane
        self.answer = answer
        self.idempotent = idempotent
        self.latest = latest  # of those with the same, the last one alone counts
        self.since = since  # when it came, the clock's time
        self.sent_at = since  # when it left last
        self.sent = False  # it has left, and was not refused
        self.doubtful = False  # the hub may have got it over a connection that broke
        self.refusals = 0  # by the rate limit
        self.number = 0  # the place in the order of sending, kept when it is sent again

    def fail(self, error: Exception) -> None:
        if self.answer and not self.answer.done():
            self.answer.set_exception(error)

    def supersede(self) -> None:
        """A later one goes in its place."""
        if self.answer and not self.answer.done():
            self.answer.set_result({"payload": {"superseded": True}})

    @property
    def over(self) -> bool:
        """Nobody waits for the answer any more."""
        return self.answer is not None and self.answer.done()


class Outbox:
    """A bounded queue, in the order of sending. Offline at first."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._lanes: dict[Lane, collections.deque[Outgoing]] = {lane: collections.deque() for lane in Lane}
        self._holds = {Hold.OFFLINE}
        self._notice = Notice()

    def __len__(self) -> int:
        return sum(len(lane) for lane in self._lanes.values())

    def hold(self, reason: Hold) -> None:
        self._holds.add(reason)
        self._notice.give()

    def release(self, reason: Hold) -> None:
        self._holds.discard(reason)
        self._notice.give()

    @property
    def oldest(self) -> Outgoing | None:
        heads = [lane[0] for lane in self._lanes.values() if lane]
        return min(heads, key=lambda out: out.number, default=None)

    def held(self, reason: Hold) -> bool:
        return reason in self._holds

    async def until_online(self) -> None:
        while Hold.OFFLINE in self._holds:
            await self._notice.wait()

    async def put(self, out: Outgoing) -> None:
        """Waits for room while frames leave; DormouseError `queue_full` while they do not. Takes the place of a
        waiting one with the same `latest`."""
        if self._replace(out):
            return
        while len(self) >= self._limit and not out.over:
            for reason in (Hold.OFFLINE, Hold.PAUSED):
                if reason in self._holds:
                    raise DormouseError(
                        "queue_full",
                        f"{len(self)} messages wait already, because {reason.value}.",
                        "Wait for the event 'connected', 'resumed' or 'unpaused', and send again.",
                        {"limit": self._limit},
                        retryable=True,
                    )
            await self._notice.wait()
        if not out.over and not self._replace(out):
            out.number = next(_numbers)
            self._lanes[out.lane].append(out)
            self._notice.give()

    def put_back(self, out: Outgoing) -> None:
        """To where it was, limit or not; nowhere if a later one of which the latest counts waits already."""
        if out.latest is not None and any(other.latest == out.latest for other in self._lanes[out.lane]):
            out.supersede()
            return
        bisect.insort(self._lanes[out.lane], out, key=lambda other: other.number)
        self._notice.give()

    def remove(self, out: Outgoing) -> None:
        """If it is there."""
        if out in self._lanes[out.lane]:
            self._lanes[out.lane].remove(out)
        self._notice.give()

    async def next(self) -> Outgoing:
        """Waits for a frame that may leave."""
        while True:
            if not self._holds & {Hold.OFFLINE, Hold.RATE}:
                if self._lanes[Lane.CONTROL]:
                    return self._take(Lane.CONTROL)
                if self._lanes[Lane.DATA] and Hold.PAUSED not in self._holds:
                    return self._take(Lane.DATA)
            await self._notice.wait()

    async def until_empty(self) -> None:
        while len(self):
            await self._notice.wait()

    def clear(self) -> list[Outgoing]:
        """Everything, for the end."""
        left = [out for lane in self._lanes.values() for out in lane]
        for lane in self._lanes.values():
            lane.clear()
        self._notice.give()
        return left

    def _replace(self, out: Outgoing) -> bool:
        if out.latest is None:
            return False
        lane = self._lanes[out.lane]
        for place, old in enumerate(lane):
            if old.latest == out.latest:
                out.number = old.number
                lane[place] = out
                old.supersede()
                return True
        return False

    def _take(self, lane: Lane) -> Outgoing:
        out = self._lanes[lane].popleft()
        self._notice.give()
        return out
