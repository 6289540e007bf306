"""ctx.waitUntil of a Worker and of an object: after the answer, and an error in it is nobody's."""


async def script(player):
    async def read(lines):
        async def there():
            log = (await player.fetch("/read")).json()
            return len(log) >= lines and log
        player.note(f"log: {await player.until(there, 'all is done')}")

    await player.get("/worker")
    await player.get("/read")
    await read(2)
    await player.get("/object")
    await read(5)
    await player.get("/fail")
    await player.get("/read")
