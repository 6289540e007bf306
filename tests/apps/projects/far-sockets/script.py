"""Sockets of objects whose clients are other objects and the Worker, each of many pairs where it happens to run: text
and binary in order, hibernation with tags and attachments, broadcasts, closes of both sides."""

ROOMS = ("red", "green", "blue", "amber", "black")


async def script(player):
    for room in ROOMS:
        words = "&".join(f"word={number}" for number in range(20))
        await player.get(f"/say/{room}?{words}")
        a = await player.open(f"{room}-a", f"/relay/{room}/a")
        await a.next()
        await a.ask("one")
        await a.ask(b"\x00\x01\xff")
        await a.ask(bytes(1_000_000))
        await a.ask("ü" * 300_000)
        for number in range(3):
            await a.send(f"all {number}")
        for _ in range(3):
            await a.next()
        await a.ask("stored")

    rooms = [(await player.open(f"{room}-b", f"/relay/{room}/b"), await player.open(f"{room}-c", f"/relay/{room}/c"))
             for room in ROOMS]
    for b, c in rooms:
        await b.next()
        await c.next()
    await player.time_passes()
    for b, c in rooms:
        await b.ask("who")
        await b.ask("who")
        await c.ask("who")
        await b.send("all of you")
        await b.next()
        await c.next()
    for room, (b, c) in zip(ROOMS, rooms):
        await b.close(3001, "I leave")

        async def heard(room=room):
            return (await player.fetch(f"/closed/{room}")).text == "3001 I leave"
        await player.until(heard, f"{room} hears it")
        await c.send("end")
        await c.next()

    for room in ROOMS:
        d = await player.open(f"{room}-d", f"/relay/{room}/d?old")
        await d.next()
        await d.ask("two")
        await d.ask(b"abc")
        await d.ask("stored")
        await d.send("end")
        await d.next()
