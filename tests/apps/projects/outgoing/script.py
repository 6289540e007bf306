"""Sockets that an object opens: fetch with Upgrade through a stub and through a service, new WebSocket(url); a close
without a code."""


async def script(player):
    for name in ("network", "stub", "service"):
        a = await player.open(name, f"/{name}")
        if a is None:
            continue
        await a.ask("one")
        await a.ask("two")
        await a.ask("end")
        b = await player.open(f"{name}-2", f"/{name}")
        await b.ask("three")
        await b.close(1000, "enough")
        c = await player.open(f"{name}-3", f"/{name}")
        await c.send("leave")

        async def heard():
            return (await player.fetch("/heard")).json() == [1005, ""]
        await player.until(heard, "1005 is heard")
        await c.cut()
        player.note(f"{name}-3 has left without a code")
