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

from .clock import Clock
from .errors import ConnectError
from .names import checked_url

try:
    import websockets
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI

    from .fallback import open_fallback
except ImportError:
    raise ImportError(
        "There is no Python module 'websockets'. On Debian and Ubuntu:\n"
        "  apt-get install python3-websockets\n"
        "and run this with /usr/bin/python3.",
        name="websockets",
    ) from None

__all__ = ["ConnectionClosed", "Transports", "abandon", "close_info", "open_socket"]

OPEN_TIMEOUT = 10.0  # seconds, for the connection and the handshake together
HANDSHAKE_TIMEOUT = 5.0  # where there is another way: longer, and somebody on it has swallowed the upgrade
AGAIN_AFTER = 60.0  # until a WebSocket is tried again that did not get through
DEATHS = 2  # sockets in a row that end before their first frame: they do not get through
CLOSE_TIMEOUT = 1.0  # seconds that a peer gets to answer a close
MAX_FRAME = 4 << 20

# Its name changed with websockets 14.
_MAJOR = int(websockets.__version__.partition(".")[0])  # type: ignore[attr-defined]
_HEADERS = "extra_headers" if _MAJOR < 14 else "additional_headers"


async def open_socket(
    url: str,
    headers: Mapping[str, str] | None = None,
    tls: ssl.SSLContext | None = None,
    timeout: float = OPEN_TIMEOUT,
) -> Any:
    """Opens a WebSocket. Sends nothing by itself: no protocol pings, so a silent client is really silent.

    `headers` go with the upgrade request. `tls`: of a wss:// address, whom to believe, and who we are; None: the
    authorities of this machine are believed. ConnectError: there is no socket, and why."""
    more: dict[str, Any] = {} if tls is None else {"ssl": tls}
    try:
        checked_url(url)
    except ValueError as error:
        raise ConnectError(str(error), False) from None
    try:
        socket = await websockets.connect(  # type: ignore[attr-defined]
            url,
            open_timeout=timeout,
            close_timeout=0,  # of one that does not open in time: it would be added to that
            ping_interval=None,
            max_size=MAX_FRAME,
            **{_HEADERS: dict(headers or {})},
            **more,
        )
        socket.close_timeout = CLOSE_TIMEOUT
        return socket
    except InvalidURI as error:
        raise ConnectError(str(error), False) from None
    except InvalidHandshake as error:
        raise _handshake_error(error, url) from None
    except (asyncio.TimeoutError, TimeoutError):
        raise ConnectError(f"no answer from {_where(url)} within {timeout:g} s", True) from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"bad certificate of {_where(url)}: {error.verify_message}", False) from None
    except ssl.SSLError as error:
        said = (error.reason or str(error)).lower().replace("_", " ")
        # So says a gateway, before a handshake, to who has as many sockets as one address may have.
        raise ConnectError(f"no TLS with {_where(url)}: {said}", "access denied" in said) from None
    except sockets.gaierror as error:
        raise _unreachable(f"no such host: {_where(url)} ({error.strerror})") from None
    except (OSError, EOFError) as error:
        # With several addresses to try (localhost) asyncio reports one OSError that only quotes the refusals.
        if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
            raise _unreachable(f"connection refused: nothing listens at {_where(url)}") from None
        raise ConnectError(f"cannot reach {_where(url)}: {error}", True) from None


def _unreachable(message: str) -> ConnectError:
    error = ConnectError(message, True)
    error.details["cause"] = "unreachable"
    return error


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
    refused = ConnectError(f"refused with {status} {phrase}{hint}", retryable, code)
    refused.details["status"] = status
    return refused


def abandon(socket: Any) -> None:
    """Without a word to a peer that does not hear: a goodbye would only take its time."""
    socket.transport.abort()


def close_info(error: ConnectionClosed) -> tuple[int, str]:
    """(code, reason) of a ConnectionClosed; 1006 where the connection broke without a close frame."""
    if error.rcvd is None:
        return 1006, "connection lost"
    return error.rcvd.code, error.rcvd.reason


class Transports:
    """Which way a client takes to its hub: a WebSocket where one gets through, else an event stream, else polls. What
    was found out is remembered; a WebSocket is tried again later, when a connection is made anyway."""

    def __init__(self, clock: Clock, transport: str = "auto", tls: ssl.SSLContext | None = None) -> None:
        if transport not in ("auto", "websocket", "sse", "poll"):
            raise ValueError(f"transport must be auto, websocket, sse or poll, not {transport!r}")
        self._clock = clock
        self._mode = transport
        self._tls = tls
        self._found: str | None = None  # "sse" or "poll": WebSockets did not get through
        self._found_at = 0.0
        self._deaths = 0  # WebSockets in a row that ended before their first frame
        self.current: str | None = None  # of the last connection

    async def open(self, url: str, headers: Mapping[str, str] | None = None) -> Any:
        """ConnectError: no way leads there, and why."""
        ways = self._ways()
        for way in ways:
            try:
                if way == "websocket":
                    timeout = OPEN_TIMEOUT if len(ways) == 1 else HANDSHAKE_TIMEOUT
                    socket = await open_socket(url, headers, self._tls, timeout)
                    self._found = None if self._mode == "auto" else self._found
                else:
                    socket = await open_fallback(url, headers, way, self._on_buffered, self._tls)
                    if self._mode == "auto":
                        self._remember(self._found or way)
            except ConnectError as error:
                if way == ways[-1] or not self._is_worth_another_way(error):
                    raise
                continue
            self.current = way
            return socket
        raise AssertionError("there is always a last one")

    def heard(self) -> None:
        """Something came on the socket that was opened last."""
        self._deaths = 0

    def died(self) -> None:
        """It ended before anything had come."""
        if self.current == "websocket":
            self._deaths += 1

    def _ways(self) -> list[str]:
        if self._mode != "auto":
            return [self._mode]
        if self._found and self._clock.now() - self._found_at < AGAIN_AFTER:
            return [self._found]
        after = self._found or "sse"
        if self._deaths < DEATHS:
            return ["websocket", after]
        self._deaths = 0
        return [after]

    def _remember(self, way: str) -> None:
        self._found = way
        self._found_at = self._clock.now()

    def _on_buffered(self) -> None:
        self.current = "poll"
        if self._mode == "auto":
            self._remember("poll")

    @staticmethod
    def _is_worth_another_way(error: ConnectError) -> bool:
        """Not where the gateway has said no, nor where nobody is there at all."""
        return error.details.get("status") not in (401, 403, 404) and error.details.get("cause") != "unreachable"
