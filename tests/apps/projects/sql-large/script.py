"""SQL over 100,000 rows: one transaction, cursors, an index, a rollback of all of it, and the same after a sleep."""


async def script(player):
    for path in ("/fill", "/totals", "/iterate", "/account/42", "/undone"):
        await player.get(path)
    await player.asleep()
    for path in ("/account/999", "/totals", "/halve", "/iterate"):
        await player.get(path)
    await player.asleep()
    await player.get("/totals")
