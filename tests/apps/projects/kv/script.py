"""storage.kv: synchronous, the same keys as storage's, rolled back by transactionSync, large values; after a sleep."""


async def script(player):
    for path in ("/basic", "/shared", "/list", "/undone", "/large", "/now"):
        await player.get(path)
    await player.asleep()
    await player.get("/now")
