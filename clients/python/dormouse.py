"""What the command line clients share: opening a socket, naming what went wrong, echo frames, metrics.

Written for websockets 10.4 (Debian 12: python3-websockets); uses only what later versions offer as well.
"""

import asyncio
import datetime
import http
import json
import random
import socket as sockets
import ssl
import sys
import urllib.error
import urllib.parse
import urllib.request

try:
    import websockets
    from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
except ImportError:
    sys.exit(
        f"{sys.executable} has no module 'websockets'. On Debian and Ubuntu:\n"
        "  apt-get install python3-websockets\n"
        "and run this with /usr/bin/python3."
    )

OPEN_TIMEOUT = 10.0  # seconds, for the connection and the handshake together
CLOSE_TIMEOUT = 1.0  # seconds that a peer gets to answer a close
MAX_FRAME = 4 << 20


class ConnectError(Exception):
    """A socket could not be opened. `retryable` tells whether the same try can go well later."""

    def __init__(self, message, retryable):
        super().__init__(message)
        self.retryable = retryable


async def open_socket(url):
    """Opens a WebSocket. Sends nothing by itself: no protocol pings, so a silent client is really silent."""
    try:
        return await websockets.connect(
            url,
            open_timeout=OPEN_TIMEOUT,
            close_timeout=CLOSE_TIMEOUT,
            ping_interval=None,
            max_size=MAX_FRAME,
        )
    except InvalidURI:
        raise ConnectError(f"not a WebSocket address: {url} (ws://HOST:PORT/websocket/NAME)", False) from None
    except InvalidHandshake as error:
        raise _handshake_error(error, url) from None
    except (asyncio.TimeoutError, TimeoutError):
        raise ConnectError(f"no answer from {_where(url)} within {OPEN_TIMEOUT:g} s", True) from None
    except ssl.SSLCertVerificationError as error:
        raise ConnectError(f"bad certificate of {_where(url)}: {error.verify_message}", False) from None
    except sockets.gaierror as error:
        raise ConnectError(f"no such host: {_where(url)} ({error.strerror})", True) from None
    except (OSError, EOFError) as error:
        # With several addresses to try (localhost) asyncio reports one OSError that only quotes the refusals.
        if isinstance(error, ConnectionRefusedError) or "Connect call failed" in str(error):
            raise ConnectError(f"connection refused: nothing listens at {_where(url)}", True) from None
        raise ConnectError(f"cannot reach {_where(url)}: {error}", True) from None


def _where(url):
    return urllib.parse.urlsplit(url).netloc


def _handshake_error(error, url):
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
    return ConnectError(f"refused with {status} {phrase}{hint}", status >= 500 or status in (408, 425, 429))


def close_info(error):
    """(code, reason) of a ConnectionClosed; 1006 where the connection broke without a close frame."""
    if error.rcvd is None:
        return 1006, "connection lost"
    return error.rcvd.code, error.rcvd.reason


class Backoff:
    """Delays between attempts: 100 ms, 200 ms, 400 ms ... 30 s, each moved by up to a quarter either way."""

    def __init__(self, first=0.1, limit=30.0, jitter=0.25, uniform=random.uniform):
        self._first = first
        self._limit = limit
        self._jitter = jitter
        self._uniform = uniform
        self._next = first

    def next_delay(self):
        """Seconds to wait now; the next call answers twice that."""
        delay = self._next * self._uniform(1 - self._jitter, 1 + self._jitter)
        self._next = min(self._next * 2, self._limit)
        return delay

    def reset(self):
        self._next = self._first


def encode(frame):
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":"))


def decode(data):
    """The JSON object in a frame, or None where there is none."""
    try:
        frame = json.loads(data)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) else None


def message(text):
    return {"type": "message", "message": text}


def ping():
    return {"type": "ping", "timestamp": _now()}


def heartbeat():
    return {"type": "heartbeat", "timestamp": _now()}


def _now():
    now = datetime.datetime.now(datetime.timezone.utc)
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def read_metric(url, name):
    """The sum of a metric over its labels, from a Prometheus text page. LookupError: there is none."""
    # Loopback and cluster addresses: never through a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as page:
            text = page.read().decode()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise LookupError(f"cannot read {url}: {error}") from None
    values = [
        float(line.split("}")[-1].split()[0] if "{" in line else line.split()[1])
        for line in text.splitlines()
        if line.startswith((name + " ", name + "{"))
    ]
    if not values:
        raise LookupError(f"{url} has no metric {name}")
    return sum(values)
