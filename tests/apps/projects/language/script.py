"""What the language has there and not in every Node: of promises, arrays, maps, sets, iterators, bytes, expressions."""


async def script(player):
    for part in ("promises", "arrays", "maps", "sets", "iterators", "lazy", "bytes", "text", "urls", "object"):
        await player.get("/" + part)
