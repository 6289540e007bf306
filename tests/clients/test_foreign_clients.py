"""Libraries that others wrote, each through the same dialogue: messages, a mebibyte, a burst of pings, one byte too
many, and closes from both sides.

Debian's curl is none of them: it is built without WebSockets.
"""

import asyncio
import json
import os
import pathlib
import subprocess

import aiohttp
import pytest
import websockets
from cluster import BIN, SLOWNESS, Cluster
from ws import WAIT

PROGRAMS = pathlib.Path(__file__).resolve().parent / "foreign"
MIB = 1 << 20
PINGS = 20
CLOSES = (1000, 3000, 4999)
CLOSES_OF_HUBS = (1001, 1012, 4000)
HEARD = {
    "text": "hello é€",
    "binary": [0, 255, 128],
    "mebibyte": True,
    "pongs": list(range(PINGS)),
    "tooLarge": [1009, "Message too large"],
    "closes": [[code, "bye"] for code in CLOSES],
    "closedByHub": [[code, "enough"] for code in CLOSES_OF_HUBS],
}
HEARD_BY_STANDARD = {name: heard for name, heard in HEARD.items() if name != "pongs"}


@pytest.fixture(scope="module", name="cluster")
def _cluster():
    options = {"hibernate-after": "1h", "max-message-size": str(MIB)}
    with Cluster(options=options, statekeeper_program="dormouse-mirror-statekeeper") as it:
        yield it


def run(*command):
    """What a program has heard."""
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          env={**os.environ, "NODE_PATH": "/usr/share/nodejs"}, timeout=60 * SLOWNESS, check=False)
    assert done.returncode == 0 and done.stdout, done.stderr
    return json.loads(done.stdout)


def test_ws_of_npm(cluster):
    assert run("node", PROGRAMS / "node_ws.js", cluster.ws_url("")) == HEARD


def test_undici(cluster):
    assert run("node", PROGRAMS / "node_standard.js", cluster.ws_url(""), "undici", "undici") == HEARD_BY_STANDARD


def test_node_itself(cluster):
    flags = [[], ["--experimental-websocket"]]
    has_one = [words for words in flags if subprocess.run(
        ["node", *words, "-e", "new WebSocket('ws://localhost:1').onerror = () => {}"], capture_output=True,
        check=False).returncode == 0]
    if not has_one:
        pytest.skip("this Node has no WebSocket of its own")
    assert run("node", *has_one[0], PROGRAMS / "node_standard.js", cluster.ws_url(""), "node") == HEARD_BY_STANDARD


def test_beast(cluster):
    assert run(os.path.join(BIN, "dormouse-beast-client"), "127.0.0.1", cluster.port()) == HEARD


async def test_websockets_of_python(cluster):
    def opened(path):
        return websockets.connect(cluster.ws_url(path), max_size=None, close_timeout=WAIT, compression=None)

    async def closed(socket):
        await asyncio.wait_for(socket.wait_closed(), WAIT)
        return [socket.close_code, socket.close_reason]

    heard = {}
    async with opened("/mirror/websockets") as socket:
        async def answer(said):
            await socket.send(said)
            return await asyncio.wait_for(socket.recv(), WAIT)

        heard["text"] = await answer("hello é€")
        heard["binary"] = list(await answer(b"\x00\xff\x80"))
        heard["mebibyte"] = (await answer("x" * MIB) == "x" * MIB and await answer(b"\xff" * MIB) == b"\xff" * MIB)
        heard["pongs"] = []
        pongs = [await socket.ping(str(number)) for number in range(PINGS)]
        for number, pong in enumerate(pongs):
            pong.add_done_callback(lambda _, number=number: heard["pongs"].append(number))
        await asyncio.wait_for(asyncio.gather(*pongs), WAIT)
        await socket.send(bytes(MIB + 1))
        heard["tooLarge"] = await closed(socket)
    heard["closes"] = []
    for code in CLOSES:
        async with opened("/mirror/websockets") as socket:
            await socket.close(code, "bye")
            heard["closes"].append(await closed(socket))
    heard["closedByHub"] = []
    async with opened("/crier/websockets") as closer:
        for code in CLOSES_OF_HUBS:
            async with opened("/crier/websockets") as socket:
                await closer.send(f"close {code} enough")
                heard["closedByHub"].append(await closed(socket))
    assert heard == HEARD


async def test_aiohttp(cluster):
    heard = {}
    async with aiohttp.ClientSession() as session:
        def opened(path):
            return session.ws_connect(cluster.ws_url(path), max_msg_size=0, autoping=False, autoclose=False,
                                      timeout=WAIT)

        async def closed(socket):
            said = await asyncio.wait_for(socket.receive(), WAIT)
            assert said.type is aiohttp.WSMsgType.CLOSE, said
            await socket.close()
            return [said.data, said.extra]

        async with opened("/mirror/aiohttp") as socket:
            async def answer(data):
                await (socket.send_str(data) if isinstance(data, str) else socket.send_bytes(data))
                return (await asyncio.wait_for(socket.receive(), WAIT)).data

            heard["text"] = await answer("hello é€")
            heard["binary"] = list(await answer(b"\x00\xff\x80"))
            heard["mebibyte"] = (await answer("x" * MIB) == "x" * MIB and await answer(b"\xff" * MIB) == b"\xff" * MIB)
            for number in range(PINGS):
                await socket.ping(str(number).encode())
            said = [await asyncio.wait_for(socket.receive(), WAIT) for _ in range(PINGS)]
            heard["pongs"] = [int(each.data) for each in said if each.type is aiohttp.WSMsgType.PONG]
            await socket.send_bytes(bytes(MIB + 1))
            heard["tooLarge"] = await closed(socket)
        heard["closes"] = []
        for code in CLOSES:
            async with opened("/mirror/aiohttp") as socket:
                # It hides the reason of the answer.
                await socket.close(code=code, message=b"bye")
                heard["closes"].append([socket.close_code, "bye"])
        heard["closedByHub"] = []
        async with opened("/crier/aiohttp") as closer:
            for code in CLOSES_OF_HUBS:
                async with opened("/crier/aiohttp") as socket:
                    await closer.send_str(f"close {code} enough")
                    heard["closedByHub"].append(await closed(socket))
    assert heard == HEARD
