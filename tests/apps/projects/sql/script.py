"""storage.sql: exec with bindings, cursors, kinds of values, errors, transactionSync, blobs, after a sleep as before it."""


async def script(player):
    for part in ("insert", "read", "cursor", "raw", "mixed", "one", "values", "numbers", "numbered", "several", "written",
                 "functions", "json", "fts", "wrong", "bindings", "partly", "rollback", "nested", "open", "pragma",
                 "foreign"):
        await player.get("/" + part)
    await player.get("/blob")
    await player.get("/size")
    await player.asleep()
    await player.get("/one")
    await player.get("/cursor")
    await player.get("/gone")
