"""accept() and addEventListener: the object stays as it is while a socket is open; message, close and error events."""


async def script(player):
    await player.get("/")
    ann = await player.open("ann", "/?name=ann")
    await ann.next()
    bob = await player.open("bob", "/?name=bob")
    await bob.next()
    await ann.next()
    await ann.send("hello")
    await ann.next()
    await bob.next()
    await player.get("/")
    # It does not sleep: the sessions are in memory.
    await player.time_passes()
    await bob.send("still there?")
    await ann.next()
    await bob.next()
    await player.get("/")
    cat = await player.open("cat", "/?name=cat")
    await cat.next()
    for each in (ann, bob):
        await each.next()
    await cat.close(1000, "enough")
    for each in (ann, bob):
        await each.next()
    await bob.cut()
    await ann.next()
    await ann.send("close")
    await ann.next()
