"""serializeAttachment and deserializeAttachment: kinds of values, copies, 16 KiB, each socket its own, after a sleep."""


async def script(player):
    a = await player.open("a", "/")
    await a.next()
    for word in ("read", "plain", "bytes", "error", "copy", "change", "read", "function", "rich", "read"):
        await a.ask(word)
    b = await player.open("b", "/")
    await b.next()
    await b.ask("size 16000")
    await b.ask("size 17000")
    await b.ask("read")  # the one that was refused has changed nothing
    await player.asleep()
    await a.ask("read")
    await b.ask("size 5")
    await a.ask("read")
