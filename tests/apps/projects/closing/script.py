"""webSocketClose with codes and reasons, close() of all kinds, readyState, send after close, a cut connection."""


async def script(player):
    observer = await player.open("observer", "/?as=observer")

    async def opened():
        return await player.open("a", "/")

    # By the client.
    for code, reason in ((1000, "bye"), (1000, ""), (3456, "häß"), (4999, "x" * 123)):
        a = await opened()
        await a.ask("state")
        await a.close(code, reason)
        await observer.next()
    # Without a connection all of a sudden.
    a = await opened()
    await a.ask("state")
    await a.cut()
    await observer.next()
    # By the object; it hears of it when the client has answered.
    for words in ("close 1000 done", "close 3999 own", "close 1011 error", "close 1001", "close", "long-reason", "twice",
                  "after"):
        a = await opened()
        await a.send(words)
        await observer.next()
        while await a.next() is not None:
            pass
        await observer.next()
    # What close() does not take leaves it open.
    a = await opened()
    for words in ("close 999", "close 1005", "close 1006", "close 5000"):
        await a.send(words)
        await observer.next()
    await a.ask("still here?")
    # From another event.
    await player.get("/close-all", status_only=True)
    await a.next()
    await observer.next()
    # By the client, while a handler waits.
    a = await opened()
    await a.ask("during")
    await a.close(1000, "meanwhile")
    await observer.next()
    await observer.next()
    # Before the client has seen that it is open.
    a = await player.open("a", "/at-once")
    await a.next()
    await a.next()
    await observer.next()
    await player.get("/")
