"""When frames may leave, once the hub has refused one."""

from __future__ import annotations

from .clock import Clock


class Pace:
    """Not before the time that the hub names, and from then on at the rate of its limit, by a token bucket like its
    own. That lasts as long as the connection, so that an application that goes on sending too much is slowed down
    here, and not refused by the hub again and again."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until = 0.0  # the clock's time; nothing goes before
        self._rate = 0.0  # frames a second; 0: as many as one likes
        self._room = 0.0  # frames that may go at once after a silence
        self._credit = 0.0  # as of _at
        self._at = 0.0

    def hold(self, wait: float) -> None:
        """Nothing goes for `wait` seconds."""
        self._until = max(self._until, self._clock.now() + wait)

    def slow_down(self, wait: float, rate: float) -> None:
        """A frame was one too many. Nothing goes for `wait` seconds, then one, and so on at `rate` a second."""
        # Two refusals of one moment count once. Refused although it kept the pace: the hub takes fewer at once.
        if not self._rate:
            self._room = max(1.0, rate)
        elif self._until <= self._clock.now():
            self._room = max(1.0, self._room / 2)
        self.hold(wait)
        self._rate = rate
        self._credit = 1.0
        self._at = self._until

    def reset(self) -> None:
        """A new connection."""
        self._rate = self._until = 0.0

    def wait(self) -> float:
        """Seconds until a frame may go; 0: now."""
        held = self._until - self._clock.now()
        if held > 0 or not self._rate:
            return max(0.0, held)
        missing = 1 - self._credit - (self._clock.now() - self._at) * self._rate
        return missing / self._rate if missing > 1e-9 else 0.0  # what rounding leaves is not worth a timer

    def took(self) -> None:
        """One went."""
        now = self._clock.now()
        self._credit = min(self._room, self._credit + (now - self._at) * self._rate) - 1
        self._at = now
