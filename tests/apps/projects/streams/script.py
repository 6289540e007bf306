"""Streaming bodies both ways, of a Worker and of an object: 100 MB, transforms, events, a body that is not read."""

import hashlib

import aiohttp

_BLOCK = bytes(range(256)) * 1024  # 256 KiB


async def script(player):
    async def upload(path, blocks):
        whole = hashlib.sha256()

        async def body():
            for number in range(blocks):
                block = number.to_bytes(4, "big") + _BLOCK[4:]
                whole.update(block)
                yield block
        answer = await player.fetch(path, "POST", data=body())
        told = "the right hash" if answer.text == whole.hexdigest() else answer.text
        player.note(f"POST {path} {blocks * len(_BLOCK)} bytes -> {answer.status} {told}")

    async def download(path):
        size, whole = 0, hashlib.sha256()
        async with player.streaming("GET", path) as response:
            async for chunk in response.content.iter_any():
                size += len(chunk)
                whole.update(chunk)
        player.note(f"{size} bytes, sha256 {whole.hexdigest()[:16]}")

    await upload("/hash", 4)
    await upload("/measure", 4)
    await upload("/hash", 400)
    await download("/generate?size=1000")
    await download("/generate?size=104857600")
    await upload("/object/hash", 4)
    await upload("/object/hash", 100)
    await download("/object/generate?size=10485760")

    for path in ("/upper", "/object/upper"):
        await player.request("POST", path, "some text, häß")
    await player.request("POST", "/fixed", show=["content-length"])
    await player.request("POST", "/tee", "twice")
    await player.request("POST", "/clone", "cloned")
    await player.request("PUT", "/json", '{"a": [1, null]}', headers={"content-type": "application/json"})
    await player.request("POST", "/ignore", "small")
    await player.get("/nothing")
    form = aiohttp.FormData()
    form.add_field("word", "häß")
    form.add_field("file", b"its bytes", filename="a.txt", content_type="text/plain")
    answer = await player.fetch("/form", "POST", data=form)
    player.note(f"POST /form -> {answer.status} {answer.text}")

    async def event(response):
        player.note(f"< {(await response.content.readline()).decode()!r}")
        await response.content.readline()

    # Each event arrives while the response is still under way.
    async with player.streaming("GET", "/object/events") as response:
        await event(response)
        for word in ("one", "two"):
            await player.get(f"/object/emit?it={word}")
            await event(response)
        await player.get("/object/end")
        player.note(f"< {await response.content.read()}")

    async def begun():
        return (await player.fetch("/object/begun")).json()

    async def body():
        yield b"first "
        # Two requests may come to an object by different processes, in any order.
        await player.until(begun, "the body has begun")
        await player.fetch("/object/note?it=meanwhile")
        yield b"second"
    answer = await player.fetch("/object/slow-body", "POST", data=body())
    player.note(f"a slow body: {answer.text}")
