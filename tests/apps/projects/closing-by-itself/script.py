"""A class without webSocketClose: the client's close is answered all the same, awake and asleep."""

NOT_ON = {"workerd": "it leaves closes of such sockets unanswered, other than Cloudflare documents for this date"}


async def script(player):
    a = await player.open("a", "/")
    b = await player.open("b", "/")
    c = await player.open("c", "/")
    await a.ask("x")
    await b.close(3001, "enough")

    def left(count):
        async def counted():
            return (await player.fetch("/")).text == str(count)
        return player.until(counted, f"{count} are left")
    await left(2)
    await a.ask("x")
    await player.asleep()
    await c.close(1000, "good night")
    await left(1)
    await a.ask("x")
