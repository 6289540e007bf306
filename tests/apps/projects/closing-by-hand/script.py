"""Compatibility dates before 2026-04-07 and 2026-02-24: the handler's own answer to a close; deleteAll and the alarm."""

# expected.dormouse.txt: our gateway has answered the client's close with its own code and reason before webSocketClose
# runs; what the handler says in its close() reaches nobody any more.


async def script(player):
    a = await player.open("a", "/")
    await a.ask("state")
    await a.close(1000, "bye")
    await player.get("/")
