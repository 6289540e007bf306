"""Projects in Python, started as their authors do: the page of the first hub, literally, and the chat that comes as an
example."""

import asyncio
import json
import os
import re
import signal

import app_servers
import player
import pytest
from cluster import REPOSITORY
from worker_app import children


class _Project:
    def __init__(self, folder):
        self.folder = folder
        self.name = os.path.basename(folder)


async def _play(project, script):
    running = app_servers.ALL["dormouse"](project)
    try:
        with running.running():
            try:
                return await player.play(script, running)
            except Exception as error:
                pytest.fail("\n".join([*getattr(error, "transcript", []), repr(error), running.log()]))
    except app_servers.Missing as why:
        pytest.skip(f"dormouse: {why}")


def _save(server, name, change):
    path = os.path.join(server.folder, name)
    with open(path, encoding="utf-8") as file:
        text = file.read()
    with open(path, "w", encoding="utf-8") as file:
        file.write(change(text))


def _workers(server):
    with open(os.path.join(server._data, "run", "cluster.json"), encoding="utf-8") as file:  # pylint: disable=protected-access
        return [worker for entry in json.load(file)["processes"] if "statekeeper" in entry["name"]
                for worker in children(entry["pid"])]


def _page(tmp_path):
    """What the page has its reader write."""
    with open(os.path.join(REPOSITORY, "clients", "hubs", "first-hub.md"), encoding="utf-8") as file:
        text = file.read().partition("# Your first hub in Python")[2]
    folder = tmp_path / "counter"
    folder.mkdir()
    for kind, name in (("toml", "dormouse.toml"), ("python", "counter.py")):
        (block,) = re.findall(rf"```{kind}\n(.*?)```\n", text, re.S)
        (folder / name).write_text(block, encoding="utf-8")
    return _Project(str(folder))


async def test_the_first_hub_does_what_its_page_says(tmp_path):
    async def script(play):
        server = play.server
        a, b = await play.open("a", "/counter/lobby"), await play.open("b", "/counter/lobby")
        assert [await a.next(), await b.next()] == ["0", "0"]
        assert [await a.ask("up"), await b.next()] == ["1", "1"]
        await play.asleep()
        assert await a.ask("up") == "2"

        # Another version.
        _save(server, "counter.py", lambda text: text.replace("broadcast(str(count))", 'broadcast(f"count: {count}")'))
        began = asyncio.get_running_loop().time()

        async def is_live():
            return (await a.ask("up")).startswith("count: ")
        await play.until(is_live, "it is live")
        took = asyncio.get_running_loop().time() - began
        print(f"live {took:.2f} s after it was saved")
        assert took < 5, "about a second on a machine that does nothing else"

        # What cannot be built changes nothing, and says why.
        for bad, said in (("def (", "SyntaxError"), ("on_mesage", "Did you mean on_message?")):
            _save(server, "counter.py", lambda text, bad=bad: text.replace("on_message", bad))

            async def is_told(said=said):
                return said in server.log()
            await play.until(is_told, said)
            assert (await a.ask("up")).startswith("count: ")
            _save(server, "counter.py", lambda text, bad=bad: text.replace(bad, "on_message"))

        for worker in _workers(server):
            os.kill(worker, signal.SIGKILL)
        before = int((await a.ask("up")).split()[1])
        assert await a.ask("up") == f"count: {before + 1}"

    await _play(_page(tmp_path), script)


async def test_the_chat_has_presence_and_a_history():
    async def script(play):
        nobody = await play.open("nobody", "/chat/lobby")
        assert await nobody.next() is None and nobody.protocol.close_code == 4000
        a = await play.open("a", "/chat/lobby?as=anna")
        assert json.loads(await a.next()) == {"history": [], "present": ["anna"]}
        b = await play.open("b", "/chat/lobby?as=ben")
        assert json.loads(await b.next())["present"] == ["anna", "ben"]
        assert json.loads(await a.next()) == {"joins": "ben"}
        for number in range(105):
            said = json.loads(await a.ask(f"line {number}"))
            assert (said["from"], said["text"]) == ("anna", f"line {number}")
        await play.asleep()
        for worker in _workers(play.server):
            os.kill(worker, signal.SIGKILL)
        c = await play.open("c", "/chat/lobby?as=carl")
        seen = json.loads(await c.next())
        assert seen["present"] == ["anna", "ben", "carl"]
        assert [each["text"] for each in seen["history"]] == [f"line {number}" for number in range(5, 105)]
        assert json.loads(await a.next()) == {"joins": "carl"}
        await b.close()
        assert json.loads(await a.next()) == {"leaves": "ben"}
        answer = await play.fetch("/chat/lobby")
        assert answer.status == 200 and answer.json()["present"] == ["anna", "carl"]
        assert (await play.fetch("/chat/other")).json() == {"present": [], "history": []}

    await _play(_Project(os.path.join(REPOSITORY, "clients", "hubs", "python", "examples", "chat")), script)


_CALLS = {
    "dormouse.toml": """
[classes.Lobby]
path = "/lobby/{name}"

[classes.Room]

[vars]
GREETING = "hello"
""",
    "hubs.py": """
import asyncio, os
from dormouse_hubs import CallFailed, Hub, rpc


class Room(Hub):
    @rpc
    async def join(self, who: str) -> list[str]:
        here = [*await self.hub.storage.get("here", []), who]
        self.hub.storage.put("here", here)
        if who == "nobody":
            raise ValueError("who is that?")
        return here

    @rpc
    async def ask_back(self, lobby: str) -> str:
        return await self.hub.other(Lobby, lobby).name()

    @rpc
    async def never(self) -> None:
        await asyncio.sleep(3600)


class Lobby(Hub):
    @rpc
    async def name(self) -> str:
        return f"{os.environ['GREETING']} from {self.hub.name}"

    async def on_message(self, connection, message):
        kind, _, rest = message.partition(" ")
        room = self.hub.other(Room, "one", timeout=2)
        if kind == "beside":
            self.hub.background(self.beside(rest))
            return
        try:
            answer = await {"join": room.join, "back": room.ask_back, "never": room.never}[kind](*rest.split())
        except CallFailed as error:
            answer = f"{type(error).__name__}: {error}"
        connection.send(str(answer))

    async def beside(self, rest):
        answer = await self.hub.other(Room, "two").join(rest)
        await self.hub.run(self.tell, answer)

    async def tell(self, answer):
        self.hub.broadcast(str(answer))
        self.hub.later(0.1, self.later, "later")

    async def later(self, text):
        self.hub.broadcast(text)
""",
}


async def test_hubs_call_each_other(tmp_path):
    folder = tmp_path / "calls"
    folder.mkdir()
    for name, text in _CALLS.items():
        (folder / name).write_text(text, encoding="utf-8")

    async def script(play):
        a = await play.open("a", "/lobby/a")
        assert await a.ask("join anna") == "['anna']"
        assert await a.ask("join nobody") == "RemoteError: ValueError: who is that?"
        assert await a.ask("join ben") == "['anna', 'ben']", "what raised is undone"
        assert await a.ask("back b") == "hello from b"
        assert "CallCycle: Lobby/a waits for this handler" in await a.ask("back a")
        assert await a.ask("beside carl") == "['carl']"
        assert await a.next() == "later"
        await play.asleep()
        assert await a.ask("join dora") == "['anna', 'ben', 'dora']"
        said = await a.ask("never")
        assert said.startswith("CallFailed: Room/one could not be called: "), said
        assert (await play.fetch("/room/one")).status == 404

    await _play(_Project(str(folder)), script)
