"""A WebSocket that the Worker accepts and keeps itself: frames both ways, closes, headers, its state in memory."""


async def script(player):
    await player.get("/")
    ann = await player.open("ann", "/", show=("X-Kept-By",))
    await ann.next()
    await ann.ask("hello")
    await ann.ask(b"\x00\x01\xff")
    await ann.ask("count")
    await ann.ask("later")
    bob = await player.open("bob", "/")
    await bob.next()
    await bob.ask("each has its own count")
    await ann.ask("as this one has")
    # Nobody falls asleep by this: the socket is in the Worker's memory.
    await player.time_passes()
    await ann.ask("still there?")
    await ann.ask("count")
    for number in range(20):
        await bob.send(f"{number}")
    for number in range(20):
        await bob.next()
    await ann.ask("close")
    await bob.close(4001, "enough")
    cat = await player.open("cat", "/late")
    await cat.send("before it has accepted")
    await cat.next()
    await cat.next()
    await cat.cut()

    async def all_left():
        return len((await player.fetch("/left")).json()) >= 3
    await player.until(all_left, "the Worker has heard of all three ends")
    left = (await player.fetch("/left")).json()
    player.note(f"the Worker has heard: {sorted(left)}")
