"""What a caller may get wrong before anything is sent: the hub would only hang up, or its gateway answer 404."""

from __future__ import annotations

import re
import urllib.parse

from .envelope import bare

_LONGEST = 256  # bytes of an address
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_HUB = re.compile(r"[A-Za-z0-9._~-]{1,128}")


def checked_actor(actor: str) -> str:
    """ValueError: it names nobody."""
    if not isinstance(actor, str):
        raise TypeError('actor is a text, such as "browser/anna"')
    name = bare(actor)
    if not name:
        raise ValueError('actor is empty; it names this client, such as "browser/anna"')
    if _CONTROL.search(name) or len(name.encode()) > _LONGEST:
        raise ValueError(f"actor has control characters, or more than {_LONGEST} bytes")
    return actor


def _has_port(url: str) -> bool:
    """Or none, which is one as well."""
    try:
        return urllib.parse.urlsplit(url).port != 0
    except ValueError:
        return False


def checked_url(url: str) -> str:
    """ValueError: no gateway can have such a hub. What is before /ws/ (or /websocket/, of echo hubs) in the path is the
    gateway's business."""
    if not re.match(r"wss?://[^/?#]", url, re.IGNORECASE) or not _has_port(url):
        raise ValueError(f"not a WebSocket address: {url!r} (ws://HOST:PORT/ws/NAME)")
    path = re.sub(r"^[^/]*//[^/?#]*", "", url).partition("?")[0]
    _, route, encoded = path.partition("/ws/" if "/ws/" in path else "/websocket/")
    if route:
        name = urllib.parse.unquote(encoded, errors="replace")
        if not _HUB.fullmatch(name) or name in (".", ".."):
            raise ValueError(
                f'"{name}" is no name of a hub: 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - but neither "." nor ".."'
            )
    return url
