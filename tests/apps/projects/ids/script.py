"""idFromName, idFromString, newUniqueId, get, getByName, equals, name, toString."""


async def script(player):
    for part in ("text", "equal", "names", "wrong", "odd", "about", "apart"):
        await player.get("/" + part)
