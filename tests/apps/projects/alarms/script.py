"""setAlarm, getAlarm, deleteAlarm: one a time, the last one counts, none while the handler runs; asleep as awake."""


async def script(player):
    a = await player.open("a", "/")
    for word in ("get", "hour", "get", "delete", "get", "date", "delete", "delete", "rolled back"):
        await a.ask(word)
        if word == "rolled back":
            await a.next()
    for word, times in (("soon", 1), ("past", 1), ("twice", 1), ("again", 3)):
        await a.ask(word)
        for _ in range(times):
            await a.next()
        await a.ask("get")
    await a.ask("hour")
    await a.ask("deleteAll")
    await a.ask("delete")
    await a.ask("nonsense")
    await a.ask("soon")
    await a.next()
    await a.ask("asleep")
    await player.asleep()
    await a.next()
