"""A reader that does not keep up: its producers are told to pause, and to resume when it has caught up or is gone."""

import asyncio
import contextlib
import socket

from cluster import Cluster
from ws import Actor, actor, connect

OPTIONS = {"rate-limit": "0", "outbound-pause": "64KiB", "outbound-resume": "16KiB", "outbound-limit": "64MiB"}
DATA = "x" * 50_000


@contextlib.asynccontextmanager
async def lazy_actor(cluster, address):
    """A registered actor for whose socket the kernel keeps little; stop_reading() and read_on()."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", cluster.port()))
    sock.setblocking(False)
    async with connect(cluster.ws_url("/ws/room"), sock=sock) as client:
        self = Actor(client.protocol, address)
        await self.must("hub:connect", {"version": "1.0"})
        await self.register()
        self.stop_reading = client.protocol.transport.pause_reading
        self.read_on = client.protocol.transport.resume_reading
        try:
            yield self
        finally:
            self.read_on()  # else it does not see that it is closed, and waits for that


class Producer:
    """Numbers what it sends."""

    def __init__(self, client, target):
        self.client = client
        self.target = target
        self.sent = 0

    async def send(self):
        await self.client.must("hub:send", {"to": self.target, "type": "load", "data": {"n": self.sent, "x": DATA}})
        self.sent += 1

    async def send_until_paused(self):
        """Returns the hub:pause."""
        while not self.client._others:  # pylint: disable=protected-access
            assert self.sent < 1000, "50 MB later, nobody has said pause"
            await self.send()
        frame = await self.client.next()
        assert frame["type"] == "hub:pause", frame
        return frame


async def read_all(reader, count):
    for number in range(count):
        frame = await reader.next()
        assert (frame["type"], frame["payload"]["n"]) == ("load", number)


async def test_a_producer_is_paused_and_resumed(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with lazy_actor(cluster, "test/slow") as slow, \
                   actor(cluster.ws_url("/ws/room"), "test/producer") as client:
            producer = Producer(client, "test/slow")
            slow.stop_reading()
            pause = await producer.send_until_paused()
            assert "test/slow" in pause["payload"]["reason"]
            for _ in range(3):
                await producer.send()
            slow.read_on()
            await read_all(slow, producer.sent)
            resume = await client.next()  # the very next: pause was said once
            assert (resume["type"], resume["payload"]) == ("hub:resume", {})
            stats = await client.must("hub:queue_stats")
            assert stats["queueDepth"] == 0 and stats["processingRate"] > 0, stats
            assert (stats["pauseThreshold"], stats["resumeThreshold"]) == (1000, 500)


async def test_a_target_that_ends_resumes(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with lazy_actor(cluster, "test/slow") as slow, \
                   actor(cluster.ws_url("/ws/room"), "test/producer") as client:
            slow.stop_reading()
            await Producer(client, "test/slow").send_until_paused()
            slow.protocol.transport.abort()
            assert (await client.next())["type"] == "hub:resume"


async def test_a_reader_over_the_limit_is_closed_and_its_producer_resumed():
    with Cluster(options={**OPTIONS, "outbound-limit": "1MiB"}) as cluster:
        async with lazy_actor(cluster, "test/slow") as slow, \
                   actor(cluster.ws_url("/ws/room"), "test/producer") as client:
            producer = Producer(client, "test/slow")
            slow.stop_reading()
            await producer.send_until_paused()
            while not client._others:  # pylint: disable=protected-access
                reply = await client.call("hub:send", {"to": "test/slow", "type": "load", "data": DATA})
                if reply["type"] == "hub:unknown_actor":
                    break
            assert (await client.next())["type"] == "hub:resume"


async def test_a_pause_outlasts_sleep_and_a_killed_statekeeper(store):
    with Cluster(store=store, options={**OPTIONS, "hibernate-after": "200ms"}) as cluster:
        async with lazy_actor(cluster, "test/slow") as slow, \
                   actor(cluster.ws_url("/ws/room"), "test/producer") as client:
            producer = Producer(client, "test/slow")
            slow.stop_reading()
            await producer.send_until_paused()
            await cluster.asleep()
            await producer.send()
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await producer.send()
            await cluster.asleep()
            slow.read_on()
            await read_all(slow, producer.sent)
            assert (await client.next())["type"] == "hub:resume"
            await producer.send()
            await asyncio.wait_for(slow.next(), 10)
