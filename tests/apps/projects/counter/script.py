"""Concurrent increments behind the input gate: none is lost, by HTTP, by RPC, by sockets, and all of them mixed."""

import asyncio


async def script(player):
    async def all_of(paths, what):
        answers = await player.all_at_once(paths)
        values = sorted(int(answer.text) for answer in answers)
        player.note(f"{what}: {len(values)} requests, {values[0]} to {values[-1]}, {len(set(values))} different")

    await all_of(["/a/increment"] * 50, "increment")
    await all_of(["/a/slowly"] * 30, "slowly")
    await all_of(["/a/unconfirmed"] * 30, "unconfirmed")
    await all_of(["/a/increment", "/a/slowly", "/a/unconfirmed"] * 10, "mixed")
    # Calls of one stub arrive in the order in which they were made.
    many = (await player.fetch("/b/many")).json()
    player.note(f"many: {'in order' if many == list(range(1, 101)) else many}")
    sockets = [await player.open(f"s{number}", "/c/socket") for number in range(3)]

    async def talk(socket):
        for _ in range(20):
            await socket.protocol.send("x")
        return [int(await socket.receive()) for _ in range(20)]

    talks = await asyncio.gather(*map(talk, sockets))
    player.note(f"each in order: {all(values == sorted(values) for values in talks)}")
    player.note(f"together: {'1 to 60' if sorted(sum(talks, [])) == list(range(1, 61)) else talks}")
    await player.get("/c/increment")
    await player.get("/a/increment")
