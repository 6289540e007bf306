"""seed 002, literally: idle for 30 s, a heartbeat, evict --mode close, 1001, reconnect, register again"""

import asyncio
import time

from ws import Actor, connect

IDLE = 31  # seconds; "idle for 30+ seconds"
CLIENT = "browser/client-ui"
HUB = "seed-002"


def _heartbeat():
    return {"type": "hub:heartbeat", "from": CLIENT, "to": "cloudflare/signal-hub",
            "payload": {"timestamp": int(time.time() * 1000)}}


async def _join(client):
    await client.must("hub:connect", {"version": "1.0"})
    await client.register()
    await client.must("hub:subscribe", {"topic": "t"})


async def _watch(stage, gateway):
    """The story of one client; the other gateways' clients live it at the same time."""
    url = stage.cluster.ws_url(f"/ws/{HUB}-{gateway}", gateway)
    async with connect(url) as socket:
        client = Actor(socket.protocol, CLIENT)
        await _join(client)
        await asyncio.sleep(IDLE)
        stage.promise(client.is_open, "the connection appears normal while the hub sleeps")
        await client.send(_heartbeat())
        ack = await client.recv()
        stage.promise((ack["type"], ack["from"], ack["to"]) == ("hub:heartbeat_ack", "cloudflare/signal-hub", CLIENT)
                      and isinstance(ack["payload"]["serverTime"], int), f"the heartbeat is acknowledged, not {ack}")
        stage.promise(await client.addresses() == [CLIENT], "the registration is intact after the hub slept")
        ended = asyncio.ensure_future(client.closed())
        await asyncio.to_thread(stage.ctl, "evict", "--hub", f"signal/{HUB}-{gateway}", "--mode", "close")
        closed = await ended
        stage.promise(closed == (1001, "Going Away"), f"eviction closes with 1001 Going Away, not {closed}")
    async with connect(url) as socket:
        client = Actor(socket.protocol, CLIENT)
        await _join(client)
        stage.promise(await client.addresses() == [CLIENT], "the client is registered again, once")
        told = await client.must("hub:publish", {"topic": "t", "type": "x", "data": 1})
        stage.promise(told["subscriberCount"] == 1, f"it is subscribed again, once, not {told}")


async def _all(stage):
    await asyncio.gather(*(_watch(stage, gateway) for gateway in range(len(stage.cluster.gateways))))


def play(stage):
    with stage.play_on():
        with stage.traffic(on_close="register") as traffic:
            asyncio.run(_all(stage))
            traffic.mark("evict")
            # And everybody else.
            stage.ctl("evict", "--statekeeper", stage.link(stage.any_statekeeper()), "--mode", "close")
            stage.wait(2, 3)
        closes = stage.reports[-1]["closes"]
        stage.promise(set(closes) == {"1001"}, f"sockets are closed with 1001, not {closes}")
        stage.check_shards()
