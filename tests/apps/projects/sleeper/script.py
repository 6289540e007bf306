"""Hibernation: the constructor runs again, what was in memory is gone, sockets stay open; a timer keeps it awake."""


async def script(player):
    a = await player.open("a", "/bed")
    await a.ask("one")
    await a.ask("two")
    b = await player.open("b", "/bed")
    await b.ask("three")
    await player.asleep()
    await a.ask("four")
    await player.asleep()
    await b.ask("five")
    await player.get("/bed")
    # Without sockets, too.
    await player.get("/mat")
    await player.asleep()
    await player.get("/mat")
    # An object with a timer stays as it is until that has fired.
    c = await player.open("c", "/chair")
    await c.ask("timer")
    await c.next()
    await c.ask("after")
