"""idFromName, idFromString, newUniqueId, get, getByName, equals, name, toString; names that are no text."""


async def script(player):
    for part in ("text", "equal", "names", "wrong", "odd", "given", "about", "apart"):
        await player.get("/" + part)
