"""The frames of class echo (/websocket/NAME)."""

from __future__ import annotations

import datetime
from typing import Any


def message(text: str) -> dict[str, Any]:
    return {"type": "message", "message": text}


def ping() -> dict[str, Any]:
    return {"type": "ping", "timestamp": _now()}


def heartbeat() -> dict[str, Any]:
    return {"type": "heartbeat", "timestamp": _now()}


def _now() -> str:
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")
