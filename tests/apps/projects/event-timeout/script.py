"""setHibernatableWebSocketEventTimeout: what it takes; a handler that takes longer is given up, the object is not."""

import asyncio


async def script(player):
    await player.get("/limit")
    await player.get("/limits?values=[1000,0,604800000,604800001,-1,1.7,%22500%22,%22x%22,null,4294967296,true]")
    await player.get("/undefined")
    ann = await player.open("ann", "/")
    await player.get("/set?limit=500")
    await ann.ask("hello")
    # Nothing is heard of what these wait for; the next event is handled.
    await ann.ask("hang")
    await asyncio.sleep(0.7)
    await ann.ask("after it")
    await ann.send("long")
    await asyncio.sleep(0.7)
    await ann.ask("after long")
    await asyncio.sleep(1)
    await player.get("/all")
    # It is known after a sleep; a handler that hangs does not keep the object awake.
    await ann.ask("hang")
    await asyncio.sleep(0.7)
    await player.asleep()
    await player.get("/limit")
    await ann.ask("the first after a sleep")
    await player.get("/undefined")
    await ann.send("long")
    await ann.next()
