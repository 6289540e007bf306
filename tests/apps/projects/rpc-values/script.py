"""RPC: which values are passed, as arguments, as results and inside of others, and which are refused."""


async def script(player):
    for name in (await player.fetch("/names")).json():
        await player.get(f"/{name}")
    for name in ("range error", "error with fields", "own error", "dom exception", "aggregate error"):
        await player.get(f"/{name}?thrown")
