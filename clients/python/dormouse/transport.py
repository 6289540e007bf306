"""Opening a socket, and naming what went wrong with one.

Written for websockets 10.4 (Debian 12: python3-websockets); uses only what later versions offer as well.
"""

from __future__ import annotations

import asyncio
import http
import socket as sockets
import ssl
import urllib.parse
from collections.abc import Mapping
from typing import Any

from .errors import ConnectError

try:
    import websockets
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
except ImportError:
    raise ImportError(
        "There is no Python module 'websockets'. On Debian and Ubuntu:\n"
        "  apt-get install python3-websockets\n"
        "and run this with /usr/bin/python3.",
        name="websockets",
    ) from None

__all__ = ["ConnectionClosed", "abandon", "close_info", "open_socket"]

OPEN_TIMEOUT = 10.0  # seconds, for the connection and the handshake together
CLOSE_TIMEOUT = 1.0  # seconds that a peer gets to answer a close
MAX_FRAME = 4 << 20

# Its name changed with websockets 14.
_MAJOR = int(websockets.__version__.partition(".")[0])  # type: ignore[attr-defined]
_HEADERS = "extra_headers" if _MAJOR < 14 else "additional_headers"


async def open_socket(
    url: str, headers: Mapping[str, str] | None = None, tls: ssl.SSLContext | None = None
) -> Any:
    """Opens a WebSocket. Sends nothing by itself: no protocol pings, so a silent client is really silent.

    `headers` go with the upgrade request. `tls`: of a wss:// address, whom to believe, and who we are; None: the
    authorities of this machine are believed. ConnectError: there is no socket, and why."""
    more: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
        return await websockets.connect(  # type: ignore[attr-defined]
            url,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=None,
            max_size=MAX_FRAME,
            **{_HEADERS: dict(headers or {})},
            **more,
        )
    except InvalidURI:
        raise ConnectError(f"not a WebSocket address: {url} (ws://HOST:PORT/websocket/NAME)", False) from None
    except InvalidHandshake as error:
        raise _handshake_error(error, url) from None
    except (asyncio.TimeoutError, TimeoutError):
        raise ConnectError(f"no answer from {_where(url)} within {OPEN_TIMEOUT:g} s", True) from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"bad certificate of {_where(url)}: {error.verify_message}", False) from None
    except ssl.SSLError as error:
        said = (error.reason or str(error)).lower().replace("_", " ")
        # So says a gateway, before a handshake, to who has as many sockets as one address may have.
        raise ConnectError(f"no TLS with {_where(url)}: {said}", "access denied" in said) from None
    except sockets.gaierror as error:
        raise ConnectError(f"no such host: {_where(url)} ({error.strerror})", True) from None
    except (OSError, EOFError) as error:
        # With several addresses to try (localhost) asyncio reports one OSError that only quotes the refusals.
        if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
            raise ConnectError(f"connection refused: nothing listens at {_where(url)}", True) from None
        raise ConnectError(f"cannot reach {_where(url)}: {error}", True) from None


def _where(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc


def _handshake_error(error: InvalidHandshake, url: str) -> ConnectError:
    # websockets 10 says error.status_code, later versions error.response.status_code.
    status = getattr(getattr(error, "response", error), "status_code", None)
    if status is None:
        return ConnectError(f"no WebSocket server at {_where(url)}: {error}", True)
    try:
        phrase = http.HTTPStatus(status).phrase
    except ValueError:
        phrase = "unknown status"
    path = urllib.parse.urlsplit(url).path or "/"
    hint = f": there is no hub at {path}" if status == 404 else ""
    retryable = status >= 500 or status in (408, 425, 429)
    code = "unauthorized" if status in (401, 403) else "connect_failed"
    return ConnectError(f"refused with {status} {phrase}{hint}", retryable, code)


def abandon(socket: Any) -> None:
    """Without a word to a peer that does not hear: a goodbye would only take its time."""
    socket.transport.abort()


def close_info(error: ConnectionClosed) -> tuple[int, str]:
    """(code, reason) of a ConnectionClosed; 1006 where the connection broke without a close frame."""
    if error.rcvd is None:
        return 1006, "connection lost"
    return error.rcvd.code, error.rcvd.reason
