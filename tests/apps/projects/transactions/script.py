"""storage.transaction: commit, throw, rollback(), SQL in it, several at once; what was rolled back stays so after a sleep."""


async def script(player):
    for path in ("/reset", "/commit", "/throw", "/rollback", "/list", "/reset", "/sql", "/reset", "/one-by-one"):
        await player.get(path)
    await player.asleep()
    await player.get("/now")
