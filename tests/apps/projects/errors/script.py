"""Exceptions in fetch, in methods, in webSocketMessage, in the constructor, in the Worker; ctx.abort; what is left."""


async def script(player):
    await player.get("/status", show=["retry-after"])
    for path in ("/throw", "/write-and-throw", "/method", "/now", "/unborn?name=unborn", "/unborn?name=unborn"):
        await player.get(path)
    for path in ("/throw?uncaught", "/worker-throws", "/worker-nothing", "/no-response?uncaught", "/nothing?uncaught",
                 "/unborn?name=unborn&uncaught"):
        await player.get(path, status_only=True)
    await player.get("/now")
    await player.open("refused", "/throw?uncaught&name=refusing")
    # A throw in webSocketMessage closes nothing and forgets nothing.
    a = await player.open("a", "/")
    await a.ask("one")
    await a.send("throw")
    await a.ask("two")
    await a.ask("write and throw")
    await a.send("reject")
    await a.ask("three")
    await player.get("/now")
    # After abort() it is made anew, with what was durable.
    await player.get("/now?name=aborted")
    await player.get("/abort?name=aborted", status_only=True)

    async def anew():
        return (await player.fetch("/now?name=aborted")).status == 200
    await player.until(anew, "it answers again")
    await player.get("/now?name=aborted")
