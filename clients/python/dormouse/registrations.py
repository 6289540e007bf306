"""Registrations, kept alive: each is renewed half-way to its end, unless the hub says that the connection keeps it."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Awaitable, Callable
from typing import Any

from .clock import Clock
from .envelope import Envelope, bare
from .errors import DormouseError
from .tasks import Notice, race

# Sends a request of this type with this payload; the reply.
Ask = Callable[[str, dict[str, Any]], Awaitable[Envelope]]

_RETRY = 1.0  # seconds after a renewal that failed for the moment
_DEFAULT_LIFETIME = 300.0  # seconds, where a hub does not say


@dataclasses.dataclass
class Registration:
    """Of one address. `expires_at` (milliseconds since 1970, the hub's clock) moves with each renewal."""

    address: str
    capabilities: list[str]
    metadata: dict[str, Any]
    ttl: float | None  # seconds, None: the hub's default
    version: int = 0
    expires_at: int = 0
    renewal_token: str = dataclasses.field(default="", repr=False)
    renew_at: float = dataclasses.field(default=0.0, repr=False)  # Clock.now()


class Registrations:
    """All of one client. `ask` is for the quiet times; register() takes another while a connection is new."""

    def __init__(
        self,
        clock: Clock,
        ask: Ask,
        until_online: Callable[[], Awaitable[None]],
        on_error: Callable[[DormouseError], None],
    ) -> None:
        self._clock = clock
        self._ask = ask
        self._until_online = until_online
        self._on_error = on_error
        self._all: dict[str, Registration] = {}
        self._notice = Notice()

    async def register(self, registration: Registration, ask: Ask | None = None) -> None:
        """Also again; it counts, and is renewed, from now on."""
        payload: dict[str, Any] = {
            "actorAddress": registration.address,
            "capabilities": registration.capabilities,
            "metadata": registration.metadata,
        }
        self._take_in(registration, await (ask or self._ask)("hub:register", payload | _ttl(registration)))
        self._all[bare(registration.address)] = registration
        self._notice.give()

    def remove(self, address: str) -> None:
        self._all.pop(bare(address), None)

    async def restore(self, ask: Ask) -> None:
        """In a new session. One that the hub refuses is given up, with an error."""
        for registration in list(self._all.values()):
            try:
                await self.register(registration, ask)
            except DormouseError as error:
                if error.retryable:
                    raise
                self.remove(registration.address)
                self._on_error(error)

    async def keep(self) -> None:
        """Renews, for ever."""
        while True:
            await self._until_online()
            now = self._clock.now()
            due = min((registration.renew_at for registration in self._all.values()), default=None)
            if due is None or due == math.inf:
                await self._notice.wait()
            elif due > now:
                await race(self._clock.sleep(due - now), self._notice.wait())
            else:
                for registration in [one for one in self._all.values() if one.renew_at <= now]:
                    await self._renew(registration)

    async def _renew(self, registration: Registration) -> None:
        payload = {"actorAddress": registration.address, "renewalToken": registration.renewal_token}
        try:
            self._take_in(registration, await self._ask("hub:renew", payload | _ttl(registration)))
        except DormouseError as error:
            if error.retryable:
                registration.renew_at = self._clock.now() + _RETRY
            else:
                await self._register_again(registration)

    async def _register_again(self, registration: Registration) -> None:
        """It expired while nobody could renew it, or the answer to the last renewal was lost, and its token with it."""
        try:
            await self.register(registration)
        except DormouseError as error:
            if error.retryable:
                registration.renew_at = self._clock.now() + _RETRY
                return
            self.remove(registration.address)
            self._on_error(error)

    def _take_in(self, registration: Registration, reply: Envelope) -> None:
        payload = reply.get("payload") or {}
        registration.renewal_token = str(payload.get("renewalToken") or "")
        registration.expires_at = int(payload.get("expiresAt") or 0)
        registration.version = int(payload.get("version") or registration.version)
        # Both are the hub's time: this machine's clock may be wrong.
        lifetime = (registration.expires_at - int(reply.get("timestamp") or 0)) / 1000
        if not registration.expires_at or lifetime <= 0:
            lifetime = registration.ttl or _DEFAULT_LIFETIME
        kept_by_connection = payload.get("renewalNeeded") is False
        registration.renew_at = math.inf if kept_by_connection else self._clock.now() + lifetime / 2


def _ttl(registration: Registration) -> dict[str, Any]:
    return {} if registration.ttl is None else {"ttl": round(registration.ttl * 1000)}
