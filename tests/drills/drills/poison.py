"""a message that ends whatever statekeeper handles it, until it is given up"""

import asyncio

from ws import WAIT, connect

MOST_CRASHES = 3


async def _poison(cluster):
    """Sends it; returns how many statekeepers it took down. They are started again, as by a supervisor."""
    crashes = 0
    async with connect(cluster.ws_url("/crash/poison")) as client:
        await client.send("segv")
        answer = asyncio.ensure_future(client.protocol.recv())
        deadline = asyncio.get_running_loop().time() + 3 * WAIT
        while not answer.done() and asyncio.get_running_loop().time() < deadline:
            crashes += cluster.restart_dead_statekeepers()
            await asyncio.wait([answer], timeout=0.05)
        answer.cancel()
        said = answer.result() if answer.done() and not answer.cancelled() else None
    return crashes + cluster.restart_dead_statekeepers(), said


def play(stage):
    with stage.play_on(program="dormouse-crash-statekeeper") as cluster:
        with stage.traffic() as traffic:
            traffic.mark("poison")
            crashes, said = asyncio.run(_poison(cluster))
            stage.note(f"{crashes} statekeepers ended, then the sender heard {said!r}")
            stage.wait(1, 2)
        cluster.wait_ready()
        stage.promise(said == "failed: poison", f"the sender heard {said!r}")
        stage.promise(crashes <= MOST_CRASHES, f"{crashes} statekeepers ended")
        stage.check_pause("poison", most=MOST_CRASHES * (stage.ttl + 1))
        stage.check_shards()
