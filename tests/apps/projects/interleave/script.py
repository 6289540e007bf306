"""While a handler awaits storage nothing else comes in; while it awaits anything else, other events do."""

import asyncio


async def script(player):
    async def during(path, *meanwhile):
        waiting = asyncio.ensure_future(player.fetch(path))
        if meanwhile:
            async def waits():
                return f"{path.rpartition('/')[2]} waits" in (await player.fetch("/gate/peek")).json()
            await player.until(waits, f"{path} has come")
        for each in meanwhile:
            player.note(f"during {path}: {each} -> {(await player.fetch(each)).text}")
        player.note(f"{path} -> {(await waiting).text}")
        await player.get("/gate/log")

    await during("/gate/promise", "/gate/let?name=promise")
    await during("/gate/fetch")
    await during("/gate/other")
    await during("/gate/timer", "/gate/let?name=timer")
    # All at once: those that come while the handler awaits storage have to wait.
    answers = await player.all_at_once(["/gate/storage", "/gate/storage", "/gate/storage"])
    player.note(f"storage: {[answer.text for answer in answers]}")
    await player.get("/gate/log")
