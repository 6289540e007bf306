"""What can go wrong, in one shape: what the hub says (hub:error) and what the client finds out by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What a hub says that may well be different in a moment.
_RETRYABLE = frozenset({"rate_limited", "timeout"})
# Of rate_limited, in `details.code`: it is the number of messages a second.
_TOO_OFTEN = "RATE_LIMIT_EXCEEDED"
_USUAL_RATE = 10.0  # messages a second


class DormouseError(Exception):
    """A request failed.

    code        of the hub ("unauthorized", "unknown_actor", "rate_limited", ...), or of this client:
                "connection_lost", "connect_failed", "timeout", "queue_full", "inbox_full", "disconnected",
                "duplicate_connection"
    message     what happened
    resolution  what to do about it
    details     more of it, by code
    retryable   whether the same request can go well later
    """

    def __init__(
        self,
        code: str,
        message: str,
        resolution: str = "",
        details: Mapping[str, Any] | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.resolution = resolution
        self.details = dict(details or {})
        self.retryable = retryable

    @property
    def retry_after(self) -> float:
        """Seconds to wait before the next try, as far as the hub said."""
        milliseconds = self._number("retryAfterMs")
        seconds = self._number("retryAfter") if milliseconds is None else milliseconds / 1000
        return 1.0 if seconds is None else max(seconds, 0.0)

    @property
    def rate_limit(self) -> float | None:
        """Messages a second that a refused client may send, as far as the hub said; None where another limit than
        that was reached."""
        if self.code != "rate_limited" or self.details.get("code", _TOO_OFTEN) != _TOO_OFTEN:
            return None
        return self._number("limit") or _USUAL_RATE

    def _number(self, name: str) -> float | None:
        value = self.details.get(name)
        return float(value) if isinstance(value, (int, float)) else None


class ConnectError(DormouseError):
    """A socket could not be opened. `retryable` tells whether the same try can go well later."""

    def __init__(self, message: str, retryable: bool, code: str = "connect_failed") -> None:
        super().__init__(code, message, retryable=retryable)

    def __str__(self) -> str:
        return self.message


def error_of(envelope: Mapping[str, Any]) -> DormouseError | None:
    """The error that an envelope of the hub carries, if it does."""
    payload = envelope.get("payload")
    payload = payload if isinstance(payload, dict) else {}
    if envelope.get("type") == "hub:unknown_actor":
        address = payload.get("actorAddress")
        message = f"{payload.get('message') or 'Nobody is registered under this address.'} ({address})"
        resolution = "Look with discover() who is registered; registrations expire unless renewed."
        return DormouseError("unknown_actor", message, resolution, {"actorAddress": address})
    if envelope.get("type") != "hub:error":
        return None
    code = str(payload.get("code") or "internal_error")
    details = payload.get("details")
    return DormouseError(
        code,
        str(payload.get("message") or "The hub gave no reason."),
        str(payload.get("resolution") or ""),
        details if isinstance(details, dict) else None,
        code in _RETRYABLE,
    )


def lost(reason: str) -> DormouseError:
    """What an ask in flight gets when its connection breaks."""
    return DormouseError(
        "connection_lost",
        f"The connection was lost before the answer came ({reason}).",
        "Whether the hub got the request is not known. Ask again, or mark it idempotent.",
        retryable=True,
    )
