"""storage.list with its options; get, put and delete of one and of many; values, bounds, what throws."""

import json
import urllib.parse


async def script(player):
    async def ask(what, options):
        answer = await player.fetch(f"/{what}?with={urllib.parse.quote(json.dumps(options))}")
        player.note(f"{what} {json.dumps(options, ensure_ascii=False)} -> {answer.text}")

    await player.get("/fill")
    for options in ({}, {"prefix": "a"}, {"prefix": "a/"}, {"prefix": "A"}, {"start": "a/1"}, {"start": "a/11"},
                    {"startAfter": "a/1"}, {"end": "a/2"}, {"start": "a/1", "end": "a/2"}, {"limit": 3},
                    {"reverse": True}, {"reverse": True, "limit": 2}, {"reverse": True, "start": "a/10", "end": "b"},
                    {"prefix": "a/", "start": "a/10"}, {"prefix": "a/", "reverse": True, "limit": 1},
                    {"prefix": "a/", "startAfter": "a/1", "limit": 1}, {"reverse": True, "startAfter": "a/2", "limit": 2},
                    {"start": "z", "end": "a"}, {"start": "b", "end": "b"}, {"start": "a", "startAfter": "a"},
                    {"limit": 0}, {"limit": -1}, {"prefix": ""}):
        await ask("list", options)
    await ask("get", "a/10")
    await ask("get", "nothing")
    await ask("get", ["b", "nothing", "a", "b"])
    await ask("get", [])
    await ask("delete", "b")
    await ask("delete", "b")
    await ask("delete", ["a", "nothing", "~"])
    await ask("list", {})
    await ask("put", {"key": "n", "value": None})
    await ask("get", "n")
    await player.get("/values")
    await player.get("/changes")
    wrong = await player.fetch("/wrong")
    for name, said in wrong.json().items():
        player.note(f"{name}: {json.dumps(said)}")
