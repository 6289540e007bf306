"""An alarm handler that throws is called again, with isRetry and retryCount; what it wrote before it threw stays."""


async def script(player):
    a = await player.open("a", "/")
    await a.ask("start")
    await a.next()
    await a.ask("log")
