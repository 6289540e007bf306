"""Both client libraries where no WebSocket gets through: they find another way by themselves, and nothing is lost,
doubled or out of order on it."""

import asyncio
import json
import os
import pathlib

import pytest
from broken_path import BrokenPath
from cluster import SLOWNESS, Cluster
from dormouse import Client, DormouseError
from manual_clock import until

LIMIT = 30 * SLOWNESS
PROGRAM = pathlib.Path(__file__).resolve().parent / "javascript" / "fallback_peer.mjs"
MESSAGES = 300
# What a path does, and the way that is found on it.
PATHS = {
    "refuses": ({"upgrades": "refuse"}, "sse"),
    "swallows": ({"upgrades": "swallow"}, "sse"),
    "kills": ({"upgrades": "kill"}, "sse"),
    "cuts": ({"upgrades": "refuse", "cut_after": 0.15}, "sse"),
    "loses": ({"upgrades": "refuse", "lose_posts": 3}, "sse"),
    "buffers": ({"upgrades": "refuse", "buffers": True}, "poll"),
    "everything": ({"upgrades": "refuse", "buffers": True, "cut_after": 0.4, "lose_posts": 3}, "poll"),
}
OPTIONS = {"rate-limit": "0", "connection-cpu": "1s"}


@pytest.fixture(name="cluster", scope="module")
def running():
    with Cluster(options=OPTIONS) as it:
        yield it


def client(url, actor, **settings):
    return Client(url, actor=actor, capabilities=["chat"], timeout=LIMIT, **settings)


async def numbers_of(messages, count):
    """The data of so many messages, and of all that follow at once."""
    got = []
    async with asyncio.timeout(LIMIT):
        while len(got) < count:
            got.append((await anext(messages)).data)
    return got


@pytest.mark.parametrize("path", PATHS)
async def test_python_finds_another_way(cluster, path):
    faults, way = PATHS[path]
    async with BrokenPath(cluster.port(), **faults) as broken:
        async with client(broken.url(f"/ws/py-{path}"), "browser/anna") as anna, client(
            cluster.ws_url(f"/ws/py-{path}"), "browser/bert"
        ) as bert:
            await anna.register()
            await bert.register()
            to_anna, to_bert = anna.messages(), bert.messages()
            for number in range(MESSAGES):
                await bert.send("browser/anna", "down", number)
                await anna.send("browser/bert", "up", number)
                if number % 30 == 0:
                    await asyncio.sleep(0.03)
            assert await numbers_of(to_anna, MESSAGES) == list(range(MESSAGES))
            assert await numbers_of(to_bert, MESSAGES) == list(range(MESSAGES))
            assert anna.transport == way and bert.transport == "websocket"
            session = anna.session_id
            if broken.cut_after:
                await until(lambda: broken.cuts >= 2, "answers are cut")
            if broken.lose_posts:
                assert broken.lost > 0
            assert (await anna.ask("browser/bert", "up", "end"))["status"] == "delivered"
            assert anna.session_id == session


class Peer:
    """The JavaScript client in a process: says what it does, one JSON a line, and does what it is told."""

    def __init__(self, process):
        self._process = process
        self.lines = []

    @classmethod
    async def start(cls, url, actor, **settings):
        process = await asyncio.create_subprocess_exec(
            "node", str(PROGRAM), url, actor, json.dumps(settings),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=1 << 22,
            env={**os.environ, "NODE_PATH": "/usr/share/nodejs"},
        )
        return cls(process)

    async def next(self, what):
        async with asyncio.timeout(LIMIT):
            while True:
                line = await self._process.stdout.readline()
                assert line, f"the process ended; so far: {self.lines[-5:]}"
                said = json.loads(line)
                self.lines.append(said)
                if what in said:
                    return said[what]

    def tell(self, **order):
        self._process.stdin.write(json.dumps(order).encode() + b"\n")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self._process.stdin.close()
        async with asyncio.timeout(LIMIT):
            await self._process.wait()


@pytest.mark.parametrize("path", PATHS)
async def test_javascript_finds_another_way(cluster, path):
    faults, way = PATHS[path]
    async with BrokenPath(cluster.port(), **faults) as broken:
        async with await Peer.start(broken.url(f"/ws/js-{path}"), "browser/anna") as anna, client(
            cluster.ws_url(f"/ws/js-{path}"), "browser/bert"
        ) as bert:
            await anna.next("registered")
            await bert.register()
            to_bert = bert.messages()
            anna.tell(send=MESSAGES, to="browser/bert")
            for number in range(MESSAGES):
                await bert.send("browser/anna", "down", number)
                if number % 30 == 0:
                    await asyncio.sleep(0.03)
            assert [await anna.next("message") for _ in range(MESSAGES)] == list(range(MESSAGES))
            assert await numbers_of(to_bert, MESSAGES) == list(range(MESSAGES))
            if broken.cut_after:
                await until(lambda: broken.cuts >= 2, "answers are cut")
            anna.tell(say=True)
            assert (await anna.next("transport"), anna.lines[-1]["lost"]) == (way, 0)


async def test_a_client_that_is_away_for_too_long_resumes_and_has_missed_nothing():
    with Cluster(options={**OPTIONS, "fallback-window": "300ms"}) as cluster:
        async with BrokenPath(cluster.port(), upgrades="refuse") as broken:
            async with client(broken.url("/ws/away"), "browser/anna") as anna, client(
                cluster.ws_url("/ws/away"), "browser/bert"
            ) as bert:
                await anna.register()
                await bert.register()
                missed = []
                resumed = asyncio.Event()
                anna.on("resumed", lambda details: (missed.append(details.missed), resumed.set()))
                to_anna = anna.messages()
                for number in range(20):
                    await bert.ask("browser/anna", "down", number)
                broken.down = True
                broken.cut_all()
                for number in range(20, 60):
                    await bert.ask("browser/anna", "down", number)
                await asyncio.sleep(0.6 * SLOWNESS)  # longer than the window
                broken.down = False
                assert await numbers_of(to_anna, 60) == list(range(60))
                async with asyncio.timeout(LIMIT):
                    await resumed.wait()
                assert missed == [0]


async def test_what_the_gateway_refuses_is_not_asked_another_way(tmp_path):
    (tmp_path / "key").write_text("a secret of more than thirty-two bytes, for tests")
    options = {"auth-algorithm": "HS256", "auth-key": str(tmp_path / "key"), "auth-upgrade": "true"}
    with Cluster(options=options) as cluster:
        async with BrokenPath(cluster.port()) as path:
            with pytest.raises(DormouseError, match="refused with 401"):
                await client(path.url("/ws/door"), "browser/anna", token="bad", upgrade_auth=True).connect()
            assert path.count("@fallback") == 0
            for transport in ("sse", "poll"):
                with pytest.raises(DormouseError, match="refused with 401: "):
                    await client(
                        path.url("/ws/door"), "browser/anna", token="bad", upgrade_auth=True, transport=transport
                    ).connect()


async def test_a_gateway_that_stops_closes_with_1001_and_the_session_goes_on_at_another():
    with Cluster(options=OPTIONS, gateways=2) as cluster:
        async with BrokenPath(cluster.port(0), upgrades="refuse") as broken:
            async with client(broken.url("/ws/stop"), "browser/anna") as anna, client(
                cluster.ws_url("/ws/stop", gateway=1), "browser/bert"
            ) as bert:
                await anna.register()
                ends, resumed = [], asyncio.Event()
                anna.on("disconnected", lambda code, reason: ends.append(code))
                anna.on("resumed", lambda details: resumed.set())
                to_anna = anna.messages()
                await bert.ask("browser/anna", "down", 1)
                assert await numbers_of(to_anna, 1) == [1]
                broken._port = cluster.port(1)  # pylint: disable=protected-access
                cluster.gateways[0].begin_to_stop()
                async with asyncio.timeout(LIMIT):
                    await resumed.wait()
                assert ends == [1001]
                await bert.ask("browser/anna", "down", 2)
                assert await numbers_of(to_anna, 1) == [2]
                assert cluster.gateways[0].await_end() == 0
