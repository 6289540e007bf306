"""setWebSocketAutoResponse: exact match, for sockets before and after it, asleep, its timestamp, taken back."""

# expected.dormouse.txt: ours is answered at the gateway, which tells the object nothing of it, so
# getWebSocketAutoResponseTimestamp is always null.


async def script(player):
    a = await player.open("a", "/room")
    await a.ask("ping")
    await player.get("/room/get")
    await player.get("/room/set?request=ping&response=pong")
    await a.ask("ping")
    await a.ask("Ping")
    await a.ask("ping ")
    await a.ask(b"ping")
    b = await player.open("b", "/room")
    await b.ask("when")
    await b.ask("ping")
    await b.ask("when")
    other = await player.open("other", "/elsewhere")
    await other.ask("ping")
    # An answer wakes nobody: with the first frame that is none the object is made for the second time, not the third.
    await player.asleep()
    await a.ask("ping")
    await player.asleep()
    await b.ask("ping")
    await a.ask("hello")
    await a.ask("when")
    await player.get("/room/set?request=ping&response=other")
    await a.ask("ping")
    await b.ask("ping")
    await player.get("/room/unset")
    await a.ask("ping")
    await player.get("/room/get")
    await player.get("/room/long")
