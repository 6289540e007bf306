"""A clock that stands still until a test moves it, so that nobody waits."""

import asyncio

from dormouse import Clock

LIMIT = 20  # seconds of real time for whatever is awaited


async def until(condition, what):
    """Others run until condition() holds."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + LIMIT
    while not condition():
        assert loop.time() < deadline, f"not within {LIMIT} s: {what}"
        await asyncio.sleep(0.001)


class ManualClock(Clock):
    """Time passes in pass_timer() and advance() only."""

    def __init__(self):
        self._now = 1000.0
        self._timers = []

    def now(self):
        return self._now

    def wall_ms(self):
        return round(self._now * 1000)

    def call_later(self, delay, callback, *arguments):
        timer = _Timer(self, self._now + delay, callback, arguments)
        self._timers.append(timer)
        return timer

    def delays(self):
        """Seconds that are still to pass until each timer, to the millisecond."""
        return sorted(round(timer.due - self._now, 3) for timer in self._timers)

    async def pass_timer(self, delay):
        """Waits until somebody waits for `delay` seconds from now, and lets them pass."""
        await until(lambda: delay in self.delays(), f"a timer of {delay} s; there are {self.delays()}")
        await self.pass_time(delay)

    async def pass_time(self, seconds):
        """What a timer sets off in this program is over before the next one: nobody finds that time jumped."""
        end = self._now + seconds
        while self._now < end - 1e-6:
            self.advance(min([timer.due for timer in self._timers] + [end]) - self._now)
            for _ in range(20):
                await asyncio.sleep(0)

    def advance(self, seconds):
        """Everything that becomes due is called, in order."""
        end = self._now + seconds + 1e-6
        while due := [timer for timer in self._timers if timer.due <= end]:
            timer = min(due, key=lambda one: one.due)
            self._timers.remove(timer)
            self._now = max(self._now, timer.due)
            timer.callback(*timer.arguments)
        self._now = end - 1e-6

    def forget(self, timer):
        if timer in self._timers:
            self._timers.remove(timer)


class _Timer:
    def __init__(self, clock, due, callback, arguments):
        self._clock = clock
        self.due = due
        self.callback = callback
        self.arguments = arguments

    def cancel(self):
        self._clock.forget(self)
