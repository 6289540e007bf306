"""A newer compatibility date: deleteAll takes the alarm; node: modules; imported env; classes without fetch or alarm."""


async def script(player):
    for path in ("/emptied", "/node", "/silent", "/fetch"):
        await player.get(path)
