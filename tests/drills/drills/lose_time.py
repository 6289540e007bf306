"""Redis is killed and comes back as it was some time ago; owners have changed since"""

import asyncio
import os
import shutil
import signal

from ws import all_open, echo

SOON = 15  # seconds; promised are a few


async def _lose(stage, cluster):
    def quiet(name, count):
        return all_open(echo(cluster.ws_url(f"/websocket/{name}-{number}", number % len(cluster.gateways)))
                        for number in range(count))

    files = os.path.join(stage.directory, "redis", "appendonlydir")
    saved = os.path.join(stage.directory, "saved")
    async with quiet("known", 20) as known:
        cluster.redis.pause()
        shutil.copytree(files, saved)
        cluster.redis.resume()
        for process in stage.random.sample(cluster.statekeepers, 2):
            stage.note(f"{process.name} is restarted")
            process.end(signal.SIGTERM)
            process.start()
            stage.check_shards()
        async with quiet("unknown", stage.hubs) as unknown:
            stage.wait(1, 2)
            cluster.redis.end(signal.SIGKILL)
            shutil.rmtree(files)
            shutil.copytree(saved, files)
            stage.wait(0, 2)
            cluster.redis.start()
            closes = await asyncio.gather(*(client.closed(timeout=SOON) for client in unknown))
        stage.promise(set(closes) == {(1011, "Unknown connection")}, f"who is not known any more hears {set(closes)}")
        for client in known:
            stage.promise((await client.ask("x"))["connections"] == 1, "who is known goes on")


def play(stage):
    with stage.play_on() as cluster:
        asyncio.run(_lose(stage, cluster))
        stage.check_shards()
        # Every hub serves, and keeps its promises.
        with stage.traffic():
            stage.wait(2, 3)
