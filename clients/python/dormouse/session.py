"""What the client is to the hub, and what it says of itself when it connects: the two dialects differ here."""

from __future__ import annotations

import base64
import inspect
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from .envelope import Envelope, hub_address, new_envelope

Token = str | Callable[[], str] | Callable[[], Awaitable[str]]

VERSIONS = {"1.0": "1.0", "0.1": "0.1.0"}  # protocol: as hub:connect says it
_CAPABILITIES_0_1 = ("send", "receive")  # 0.1 refuses a client that has none


class Session:
    """Who speaks, with which token, and how it takes its session up again after a loss."""

    def __init__(
        self, actor: str, token: Token | None, capabilities: tuple[str, ...], protocol: str, upgrade_auth: bool
    ) -> None:
        if protocol not in VERSIONS:
            raise ValueError(f"protocol must be one of {', '.join(VERSIONS)}, not {protocol!r}")
        self.actor = actor
        self.hub = hub_address(actor)
        self.capabilities = capabilities
        self.id: str | None = None
        self.current_token: str | None = None  # of the last connect or refresh
        self.resume_token: str | None = None  # the last one, good for one resumption
        self._token = token
        self._legacy = protocol == "0.1"
        self._version = VERSIONS[protocol]
        self._upgrade_auth = upgrade_auth

    async def fetch_token(self) -> None:
        """For one connect; whatever the token's source raises."""
        if self._token is None or isinstance(self._token, str):
            self.current_token = self._token
            return
        token: Any = self._token()
        self.current_token = await token if inspect.isawaitable(token) else token

    def replace_token(self, token: str) -> None:
        """For the connects to come; a function goes on being asked."""
        self.current_token = token
        if self._token is None or isinstance(self._token, str):
            self._token = token

    @property
    def has_token_source(self) -> bool:
        """Whether somebody can be asked for a new token."""
        return self._token is not None and not isinstance(self._token, str)

    def token_lifetime(self, now_ms: int) -> float | None:
        """Seconds for which the token in use is still good, where it says so itself, as a JSON Web Token does."""
        try:
            body = (self.current_token or "").split(".")[1]
            expires = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))["exp"]
            return float(expires) - now_ms / 1000
        except (ValueError, KeyError, IndexError, TypeError):
            return None

    @property
    def headers(self) -> dict[str, str]:
        """Of the upgrade request."""
        if self._upgrade_auth and self.current_token:
            return {"Authorization": f"Bearer {self.current_token}"}
        return {}

    def connect_envelope(self, now_ms: int, last_message_id: str | None) -> Envelope:
        """`last_message_id`: of the last message of the session so far."""
        own: dict[str, Any] = {}
        if self.resume_token:
            own["resumeToken"] = self.resume_token
            own["lastMessageId"] = last_message_id  # None: it has got none, and so wants all
        return self._introduction(now_ms, own, None if self._upgrade_auth else self.current_token)

    def reconnect_envelope(self, now_ms: int) -> Envelope:
        """Brings a new token to a session that is up; it stays what it is."""
        return self._introduction(now_ms, {}, self.current_token)

    def _introduction(self, now_ms: int, own: dict[str, Any], token: str | None) -> Envelope:
        if self._legacy:
            own["protocolVersion"] = self._version
            own["capabilities"] = list(self.capabilities or _CAPABILITIES_0_1)
            if token:
                own["authToken"] = token
            return new_envelope(self.actor, self.hub, "hub:connect", None, now_ms, ask=True, metadata=own)
        own["version"] = self._version
        if token:
            own["jwt"] = token
        return new_envelope(self.actor, self.hub, "hub:connect", own, now_ms, ask=True)

    def connected(self, payload: Mapping[str, Any]) -> bool:
        """Takes in hub:connected. Whether it is the session of before."""
        resumed = bool(self.resume_token) and payload.get("resumed") is True
        self.id = payload.get("sessionId")
        self.resume_token = None
        self.connected_again(payload)
        return resumed

    def connected_again(self, payload: Mapping[str, Any]) -> None:
        """The answer to another hub:connect of the same session: each brings a token to resume with."""
        token = payload.get("resumeToken")
        if isinstance(token, str):
            self.resume_token = token

    def forget(self) -> None:
        """The session has ended; there is nothing to resume."""
        self.resume_token = self.id = None
