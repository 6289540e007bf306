"""Compatibility dates before 2026-04-07 and 2026-02-24: the handler's own answer to a close; deleteAll and the alarm."""


async def script(player):
    a = await player.open("a", "/")
    await a.ask("state")
    await a.close(1000, "bye")
    await player.get("/")
