"""Envelopes: the JSON objects that clients and a signal hub exchange."""

from __future__ import annotations

import dataclasses
import json
import uuid
from typing import Any

Envelope = dict[str, Any]

_HUB = "cloudflare/signal-hub"


def encode(frame: Envelope) -> str:
    """TypeError or ValueError: it holds something that JSON has no words for."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def decode(data: str | bytes) -> Envelope | None:
    """The JSON object in a frame, or None where there is none."""
    try:
        frame = json.loads(data)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None


def bare(address: str) -> str:
    """@(browser/me) and browser/me name the same actor; this is the latter."""
    return address[2:-1] if address.startswith("@(") and address.endswith(")") else address


def hub_address(actor: str) -> str:
    """The hub's own address, in the form in which `actor` is written."""
    return f"@({_HUB})" if actor.startswith("@(") else _HUB


def new_envelope(
    sender: str,
    to: str,
    kind: str,
    payload: Any,
    now_ms: int,
    *,
    ask: bool,
    metadata: dict[str, Any] | None = None,
    ttl_ms: int | None = None,
) -> Envelope:
    """An envelope with an id of its own."""
    return {
        "id": str(uuid.uuid4()),
        "from": sender,
        "to": to,
        "type": kind,
        "payload": payload,
        "pattern": "ask" if ask else "tell",
        "correlationId": None,
        "timestamp": now_ms,
        "metadata": metadata or {},
        "ttl": ttl_ms,
        "signature": None,
    }


@dataclasses.dataclass(frozen=True)
class Message:
    """What another actor sent, broadcast or published."""

    id: str | None
    sender: str
    to: str
    type: str
    data: Any
    metadata: dict[str, Any]
    topic: str | None  # of a publication
    correlation_id: str | None  # of a broadcast or publication: the sender's id of it
    timestamp: int | None  # when the hub passed it on, milliseconds since 1970

    @property
    def expects_reply(self) -> bool:
        """Whether its sender waits for Client.reply()."""
        return self.metadata.get("request") is True

    @classmethod
    def of(cls, envelope: Envelope) -> Message:
        metadata = envelope.get("metadata")
        metadata = metadata if isinstance(metadata, dict) else {}
        return cls(
            envelope.get("id"),
            str(envelope.get("from")),
            str(envelope.get("to")),
            str(envelope.get("type")),
            envelope.get("payload"),
            metadata,
            metadata.get("topic") if metadata.get("publication") else None,
            envelope.get("correlationId"),
            envelope.get("timestamp"),
        )
