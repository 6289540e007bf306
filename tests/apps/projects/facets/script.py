"""ctx.facets: objects within an object: get, abort, delete; their ids, storage, SQL; in each other; after a sleep; deleteAll."""


async def script(player):
    for step in ("count", "again", "named", "asked", "failing", "aborted", "itself", "deleted", "sql", "kv", "deep", "gone",
                 "emptied", "wrong", "nothing", "unready", "fetched"):
        await player.get("/" + step)
    await player.asleep()
    for step in ("again", "sql", "kv", "all"):
        await player.get("/" + step)
    await player.asleep()
    for step in ("after", "sql"):
        await player.get("/" + step)
