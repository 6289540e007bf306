"""scheduled(controller, env, ctx): its cron, its time, what it waits for; once for a minute."""


async def script(player):
    await player.scheduled("* * * * *")

    async def called():
        return (await player.fetch("/")).json()["called"]
    await player.until(called, "it has been called")
    await player.get("/")
