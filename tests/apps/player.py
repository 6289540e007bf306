"""What a client of an app does, and what it sees. Each step of a script adds a line to the transcript; two servers that
run the same app are to give the same one. So a line has nothing in it that differs from run to run: no port, no time, no
id that was drawn by lot, unless the script has put a name in its place.

    GET /count -> 200 "3"          a request and its answer
    a opens /room -> 101           a WebSocket, named by the script
    a > "hello"                    sent by the client
    a < "hello"                    came to it
    a < closed 1000 "bye"          the close frame that came
"""

import asyncio
import contextlib
import hashlib
import json

import aiohttp
import websockets
from cluster import SLOWNESS

WAIT = 20 * SLOWNESS  # seconds for one answer
_SHOWN = 800  # of a longer one its size and hash


def shown(data):
    """A body or a frame in one line: text in quotes, bytes as b"..."."""
    raw = data.encode() if isinstance(data, str) else bytes(data)
    kind = "" if isinstance(data, str) else "b"
    if len(raw) > _SHOWN:
        return f"{kind}<{len(raw)} bytes, sha256 {hashlib.sha256(raw).hexdigest()[:16]}>"
    if isinstance(data, str):
        return '"' + json.dumps(data, ensure_ascii=False)[1:-1].replace('\\"', '"') + '"'
    return 'b"' + "".join(chr(byte) if 32 <= byte < 127 and byte not in b'"\\' else f"\\x{byte:02x}" for byte in raw) + '"'


def _short(path):
    return path if len(path) <= 120 else path[:100] + "..."


class Answer:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    @property
    def text(self):
        return self.body.decode()

    def json(self):
        return json.loads(self.body)


class Socket:
    """A WebSocket of the script. Frames come in order from next()."""

    def __init__(self, player, name, protocol):
        self._player = player
        self.name = name
        self.protocol = protocol

    async def send(self, data):
        self._player.note(f"{self.name} > {shown(data)}")
        await asyncio.wait_for(self.protocol.send(data), WAIT)

    async def receive(self):
        """The next frame, unseen by the transcript."""
        return await asyncio.wait_for(self.protocol.recv(), WAIT)

    async def next(self):
        """The next frame, or None: the other side has closed."""
        try:
            data = await self.receive()
        except websockets.ConnectionClosed:
            self._note_close()
            return None
        self._player.note(f"{self.name} < {shown(data)}")
        return data

    async def ask(self, data):
        await self.send(data)
        return await self.next()

    async def close(self, code=1000, reason=""):
        """Closes; notes the close frame that comes back."""
        self._player.note(f"{self.name} > close {code} {shown(reason)}")
        await asyncio.wait_for(self.protocol.close(code, reason), WAIT)
        self._note_close()

    async def cut(self):
        """The connection ends without a close frame."""
        self._player.note(f"{self.name} > cut")
        self.protocol.transport.abort()
        await asyncio.wait_for(self.protocol.wait_closed(), WAIT)

    def _note_close(self):
        received = self.protocol.close_rcvd
        self._player.note(f"{self.name} < closed {received.code} {shown(received.reason)}" if received
                          else f"{self.name} < ended without a close frame")


class Player:
    def __init__(self, server, session):
        self.server = server
        self.lines = []
        self._session = session
        self._names = {}
        self._sockets = contextlib.AsyncExitStack()

    def note(self, line):
        for value, name in self._names.items():
            line = line.replace(value, name)
        self.lines.append(line)

    def call(self, value, name):
        """From here on the transcript has `name` where it would have `value`."""
        self._names[value] = name

    # --- HTTP

    async def fetch(self, path, method="GET", **options):
        """A request that leaves no line."""
        async with self._session.request(method, self.server.url + path, allow_redirects=False, **options) as response:
            return Answer(response.status, response.headers, await response.read())

    async def get(self, path, **options):
        return await self.request("GET", path, **options)

    async def request(self, method, path, body=None, show=(), headers=None, status_only=False):
        """`show`: headers of the answer that belong into the transcript. `status_only`: what a server says of an error
        is its own."""
        answer = await self.fetch(path, method, data=body, headers=headers)
        words = [f"{method} {_short(path)}"]
        if body is not None:
            words.append(shown(body) if isinstance(body, (str, bytes)) else "(streamed)")
        words += ["->", str(answer.status)]
        for name in show:
            words += [f"{name}: {value}" for value in answer.headers.getall(name, ["-"])]
        if not status_only:
            try:
                words.append(shown(answer.text))
            except UnicodeDecodeError:
                words.append(shown(answer.body))
        self.note(" ".join(words))
        return answer

    async def all_at_once(self, paths, method="GET"):
        """Sends requests together; the answers, in the order of `paths`."""
        return await asyncio.gather(*(self.fetch(path, method) for path in paths))

    @contextlib.asynccontextmanager
    async def streaming(self, method, path, **options):
        """A response whose body is read as it comes (aiohttp's)."""
        async with self._session.request(method, self.server.url + path, **options) as response:
            self.note(f"{method} {_short(path)} -> {response.status} ...")
            yield response

    # --- WebSockets

    async def open(self, name, path, show=(), **options):
        """A Socket, or None: it was refused."""
        where = self.server.url.replace("http", "ws", 1) + path
        try:
            protocol = await websockets.connect(where, ping_interval=None, compression=None, max_size=None,
                                                max_queue=None, open_timeout=WAIT, close_timeout=5, **options)
        except websockets.InvalidStatusCode as refusal:
            self.note(f"{name} opens {_short(path)} -> {refusal.status_code}")
            return None
        words = [f"{name} opens {_short(path)} -> 101"]
        for header in show:
            words += [f"{header}: {value}" for value in protocol.response_headers.get_all(header) or ["-"]]
        self.note(" ".join(words))
        # Not every app answers a close.
        self._sockets.callback(protocol.transport.abort)
        return Socket(self, name, protocol)

    async def upgrade(self, path, show=(), headers=None):
        """An upgrade that is to be refused, for its body."""
        return await self.request("GET", path, show=show, headers={
            "Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", **(headers or {})})

    # --- what only a server can do

    async def asleep(self):
        """Until all objects that may sleep do."""
        await self.server.asleep()
        self.note("(time passes)")

    async def time_passes(self):
        """As long as it takes to fall asleep, for what must not."""
        await self.server.time_passes()
        self.note("(time passes)")

    async def scheduled(self, cron):
        """Until the Worker's `scheduled` has been called for it."""
        await self.server.scheduled(cron)
        self.note(f"(it is time for {cron})")

    async def until(self, condition, what):
        """Until a coroutine function says something true, which it returns."""
        deadline = asyncio.get_running_loop().time() + WAIT
        while not (value := await condition()):
            assert asyncio.get_running_loop().time() < deadline, f"not within {WAIT} s: {what}"
            await asyncio.sleep(0.05)
        return value


async def play(script, server):
    """The transcript of a script on a server that runs."""
    timeout = aiohttp.ClientTimeout(total=WAIT * 3)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session:
        player = Player(server, session)
        try:
            await script(player)
        except Exception as error:
            error.transcript = player.lines
            raise
        finally:
            await player._sockets.aclose()  # pylint: disable=protected-access
        return player.lines
