"""The examples (clients/examples), as a stranger runs them: each in both languages, against a whole cluster."""

import asyncio
import base64
import contextlib
import json
import os
import pathlib
import re
import sys

import pytest
import websockets
from cluster import BIN, SLOWNESS

CLIENTS = pathlib.Path(__file__).resolve().parents[2] / "clients"
EXAMPLES = CLIENTS / "examples"
sys.path.append(str(CLIENTS / "testing" / "python"))
from dormouse_testing import Cluster  # noqa: E402  # pylint: disable=wrong-import-position

PATIENCE = 20 * SLOWNESS
both = pytest.mark.parametrize("language", ["js", "py"])


class Program:
    """One that runs, line by line."""

    def __init__(self, process):
        self.process = process

    async def line(self):
        said = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
        return said.decode().rstrip("\n")

    def type(self, line):
        self.process.stdin.write(f"{line}\n".encode())

    async def rest(self):
        """What it still says, once it ends by itself."""
        said = await asyncio.wait_for(self.process.stdout.read(), PATIENCE)
        assert await asyncio.wait_for(self.process.wait(), PATIENCE) == 0, said
        return said.decode()


class Examples:
    """Those in one language, at one cluster."""

    def __init__(self, cluster, language, **environment):
        self.cluster = cluster
        self._language = language
        self._environment = {**os.environ, "NODE_PATH": "/usr/share/nodejs", "DORMOUSE_API": cluster.api_url,
                             "DORMOUSE_API_KEY": cluster.api_key, "PYTHONDONTWRITEBYTECODE": "1", **environment}

    @contextlib.asynccontextmanager
    async def running(self, program, *words):
        process = await asyncio.create_subprocess_exec(
            {"js": "node", "py": "/usr/bin/python3"}[self._language], str(EXAMPLES / f"{program}.{self._language}"), *map(str, words),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=self._environment)
        try:
            yield Program(process)
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    async def done(self, program, *words):
        async with self.running(program, *words) as it:
            return await it.rest()


@pytest.fixture(autouse=True)
def _programs(monkeypatch):
    monkeypatch.setenv("DORMOUSE_BIN", BIN)


@both
@pytest.mark.parametrize("hub", ["js", "python"])
async def test_the_chat_has_history_and_presence_and_obeys_the_office(language, hub):
    app = EXAMPLES / "chat" / "hub" if hub == "js" else CLIENTS / "hubs" / "python" / "examples" / "chat"
    async with Cluster.start(app=app) as cluster:
        it = Examples(cluster, language, CHAT_IN=hub)
        room = cluster.url("/chat/lobby")
        async with it.running("chat/chat", room, "anna") as anna:
            assert await anna.line() == "here: anna"
            anna.type("hello")
            assert await anna.line() == "anna: hello"
            async with it.running("chat/chat", room, "bert") as bert:
                assert [await bert.line(), await bert.line()] == ["anna: hello", "here: anna, bert"]
                assert await anna.line() == "bert joins"
                await cluster.kill_worker("Chat/lobby")
                await it.done("chat/office", "lobby", "announce", "We close at ten.")
                assert [await anna.line(), await bert.line()] == ["*: We close at ten."] * 2
                assert json.loads(await it.done("chat/office", "lobby", "disconnect", "bert")) == {"disconnected": 1}
                assert await bert.rest() == "closed: 4001 signed out\n"
                assert await anna.line() == "bert leaves"
            kept = json.loads(await it.done("chat/office", "lobby", "history"))["result"]
            assert [each["text"] for each in kept] == ["hello", "We close at ten."]


@both
@pytest.mark.parametrize("limit", [0, 5])
async def test_cursors_move_and_nothing_piles_up(language, limit):
    async with Cluster.start(settings={"rate-limit": limit, "rate-burst": 5}) as cluster:
        found = json.loads(await Examples(cluster, language).done("cursors/cursors", cluster.url("/ws/board"), 3, 2))
        assert found["moves"] > 60
        assert found["most_waiting"] <= 2  # the latest, and the one that is under way
        if limit == 0:
            assert found["superseded"] == 0 and found["seen"] == 2 * found["moves"]
        else:
            assert found["superseded"] > 0 and found["seen"] == 2 * (found["moves"] - found["superseded"])


@both
async def test_a_fleet_sleeps_and_is_told_and_sent_away(language):
    async with Cluster.start(settings={"hibernate-after": "500ms"}) as cluster:
        it = Examples(cluster, language, HUB=cluster.url("/ws/fleet"))
        async with it.running("fleet/fleet", cluster.url("/ws/fleet"), 500) as fleet:
            assert await fleet.line() == "500 devices"
            await cluster.assert_asleep("signal/fleet")
            assert await it.done("fleet/office", "list") == "500 connected, 250 of model odd\n"
            assert json.loads(await it.done("fleet/office", "temperature", "device/0007")) == {"celsius": 27}
            await cluster.assert_asleep("signal/fleet")
            said = await it.done("fleet/office", "firmware", "1.2", "device/0007")
            assert json.loads(said) == {"sent": 1, "queued": 0, "failed": 0}
            assert await fleet.line() == "device/0007 loads firmware 1.2"
            assert json.loads(await it.done("fleet/office", "firmware", "1.3"))["sent"] == 500
            told = {await fleet.line() for _ in range(500)}
            assert told == {f"device/{number:04} loads firmware 1.3" for number in range(500)}
            assert json.loads(await it.done("fleet/office", "disconnect", "device/0007")) == {"disconnected": 1}
            assert await fleet.line() == "device/0007 is out: scrapped; 499 left"
            assert json.loads(await it.done("fleet/office", "disconnect")) == {"disconnected": 499}
            assert (await fleet.rest()).endswith("is out: scrapped; 0 left\n")


@both
async def test_the_room_behind_a_webhook_keeps_its_last_lines_and_who_has_no_name_out(language, tmp_path):
    secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
    with open(os.open(tmp_path / "secret", os.O_CREAT | os.O_WRONLY, 0o600), "w", encoding="ascii") as file:
        file.write(secret)
    command = {"js": ["node"], "py": ["/usr/bin/python3"]}[language]
    process = await asyncio.create_subprocess_exec(
        *command, str(EXAMPLES / "webhooks" / f"backend.{language}"), "0", stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "WEBHOOK_SECRET": secret, "PYTHONDONTWRITEBYTECODE": "1"})
    try:
        backend = Program(process)
        url = (await backend.line()).split()[-1]
        (tmp_path / "callbacks.toml").write_text(f'[room]\nurl = "{url}"\nsecret-file = "secret"\n', encoding="utf-8")
        async with Cluster.start(settings={"callbacks": str(tmp_path / "callbacks.toml")}) as cluster:
            room = cluster.url("/room/lobby")
            async with websockets.connect(f"{room}?name=anna") as anna, websockets.connect(f"{room}?name=ben") as ben:
                await anna.send("hello")
                for client in (anna, ben):
                    assert await asyncio.wait_for(client.recv(), PATIENCE) == "hello"
                async with websockets.connect(f"{room}?name=carl") as carl:
                    assert await asyncio.wait_for(carl.recv(), PATIENCE) == "hello"
                async with websockets.connect(room) as nobody:
                    with contextlib.suppress(websockets.ConnectionClosed):
                        await asyncio.wait_for(nobody.recv(), PATIENCE)
                    assert (nobody.close_code, nobody.close_reason) == (4003, "who are you?")
    finally:
        process.kill()
        await process.wait()


def test_the_page_about_webhooks_shows_what_the_examples_do():
    page = (CLIENTS / "webhooks.md").read_text(encoding="utf-8")
    for name, language in (("backend.py", "python"), ("backend.js", "js")):
        shown = re.findall(rf"```{language}\n(.*?)```", page, re.S)
        assert shown and shown[0] in (EXAMPLES / "webhooks" / name).read_text(encoding="utf-8")
