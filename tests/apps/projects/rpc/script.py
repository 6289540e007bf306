"""RPC to an object: structured clone both ways, exceptions with their flags, order, streams, what is no method."""


async def script(player):
    for part in ("add", "kinds", "back", "cycle", "copy", "nothing", "error-value", "fail", "fail-own", "fail-later",
                 "missing", "secret", "no-arguments-of-a-kind", "order", "together", "large", "who", "await", "other"):
        await player.get("/" + part)
    await player.get("/uncaught-too", status_only=True)
    await player.get("/stream")
    await player.get("/response")
