"""Sessions that outlive their sockets: a client whose socket is lost, however, comes back with its token and misses
nothing."""

import asyncio
import contextlib
import signal

import websockets
from cluster import Cluster, until
from ws import Actor, actor, connect

OPTIONS = {"hibernate-after": "300ms", "rate-limit": "0"}
LOST = (websockets.ConnectionClosed, OSError, asyncio.TimeoutError)


class Receiver:
    """An actor with a session that goes from socket to socket. `numbers`: the data of all messages that it got."""

    def __init__(self, urls, address="test/receiver", says_last=True):
        self._urls = urls
        self._address = address
        self._says_last = says_last
        self._token = None
        self._last_id = None
        self._stack = contextlib.AsyncExitStack()
        self.client = None
        self.numbers = []

    def take_token_of(self, other):
        self._token = other._token

    async def come(self, gateway=0):
        """Opens a socket and takes the session up, or begins one; returns hub:connected's payload."""
        await self._stack.aclose()
        self._stack = contextlib.AsyncExitStack()
        opened = await self._stack.enter_async_context(connect(self._urls[gateway]))
        self.client = Actor(opened.protocol, self._address)
        asked = {"version": "1.0"}
        if self._token:
            asked["resumeToken"] = self._token
        if self._says_last and self._last_id:
            asked["lastMessageId"] = self._last_id
        connected = await self.client.must("hub:connect", asked)
        self._token = connected["resumeToken"]
        return connected

    async def come_back(self, gateway=0):
        """The same until the session is there again; the token stays good when hub:connected did not arrive."""
        while True:
            try:
                connected = await self.come(gateway)
                break
            except LOST:
                await asyncio.sleep(0.01)
        assert connected["resumed"], connected
        assert connected["missed"] == 0
        return connected

    async def read(self):
        frame = await self.client.next()
        assert frame["type"] == "number", frame
        self._last_id = frame["id"]
        self.numbers.append(frame["payload"])

    async def read_until(self, number):
        while not self.numbers or self.numbers[-1] < number:
            await self.read()

    def lose_socket(self):
        """As when the network goes away: no close frame."""
        self.client.protocol.transport.abort()

    async def leave(self):
        await self._stack.aclose()


class Numbers:
    """Sends ascending numbers to an actor, each acknowledged before the next."""

    def __init__(self, sender, target="test/receiver"):
        self._sender = sender
        self._target = target
        self.sent = 0
        self.finishing = False

    async def send(self, count=1):
        for _ in range(count):
            ack = await self._sender.must("hub:send", {"to": self._target, "type": "number", "data": self.sent},
                                          timeout=60)
            assert ack["delivered"] or ack["queued"]
            self.sent += 1

    async def run(self, receiver, ahead=200):
        """Until told to finish; at most so far ahead of the receiver, for whom only so much is kept."""
        while not self.finishing:
            await until(lambda: self.finishing or self.sent < len(receiver.numbers) + ahead, "the receiver follows", 60)
            await self.send()


@contextlib.asynccontextmanager
async def stand(cluster, hub, receiver_gateway=0, says_last=True):
    """A registered and subscribed receiver, and who sends it numbers from the last gateway."""
    urls = [cluster.ws_url(hub, number) for number in range(len(cluster.gateways))]
    receiver = Receiver(urls, says_last=says_last)
    async with actor(urls[-1], "test/sender") as sender:
        connected = await receiver.come(receiver_gateway)
        assert not connected["resumed"]
        await receiver.client.register()
        await receiver.client.must("hub:subscribe", {"topic": "news"})
        try:
            yield receiver, Numbers(sender), sender
        finally:
            await receiver.leave()


async def sockets_become(cluster, gateway, count):
    await until(lambda: cluster.metrics(cluster.gateways[gateway])["dormouse_connections"] == count,
                f"gateway {gateway} has {count} sockets")


async def test_a_lost_socket_costs_nothing(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with stand(cluster, "/ws/lost", says_last=False) as (receiver, numbers, sender):
            await numbers.send(5)
            await receiver.read_until(4)
            receiver.lose_socket()
            await sockets_become(cluster, 0, 1)
            await numbers.send(20)
            await cluster.asleep()
            await numbers.send(5)
            ack = await sender.must("hub:publish", {"topic": "news", "type": "number", "data": 30})
            assert ack["subscriberCount"] == 1
            connected = await receiver.come_back()
            assert connected["missed"] == 0
            await receiver.read_until(30)
            assert receiver.numbers == list(range(31))
            # The session is whole: its registration is its own, and speaks for it.
            assert await sender.addresses() == ["test/receiver", "test/sender"]
            await receiver.client.must("hub:unsubscribe", {"topic": "news"})
            ack = await sender.must("hub:publish", {"topic": "news", "type": "number", "data": 31})
            assert ack["subscriberCount"] == 0


async def test_a_token_works_until_its_user_has_said_something_with_the_next(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        url = cluster.ws_url("/ws/once")
        async with actor(url, "test/a") as first:
            token = first.session["resumeToken"]
            first.protocol.transport.abort()
            for speaks, expected in ((False, True), (True, True), (False, False)):
                async with connect(url) as client:
                    again = Actor(client.protocol, "test/a")
                    connected = await again.must("hub:connect", {"version": "1.0", "resumeToken": token})
                    assert connected["resumed"] is expected
                    if speaks:
                        await again.addresses()
                    again.protocol.transport.abort()
                await cluster.asleep()


async def test_the_session_ends_with_its_window(store):
    with Cluster(store=store, options={**OPTIONS, "resume-window": "500ms"}) as cluster:
        url = cluster.ws_url("/ws/window")
        async with actor(url, "test/stays") as stays, actor(url, "test/gone") as gone:
            gone.protocol.transport.abort()
            await stays.addresses_become("test/stays")
            async with connect(url) as client:
                again = Actor(client.protocol, "test/gone")
                connected = await again.must(
                    "hub:connect", {"version": "1.0", "resumeToken": gone.session["resumeToken"]})
                assert not connected["resumed"]


async def test_a_full_mailbox_is_said_to_both_sides(store):
    with Cluster(store=store, options={**OPTIONS, "resume-messages": "5"}) as cluster:
        async with stand(cluster, "/ws/full", says_last=False) as (receiver, numbers, sender):
            receiver.lose_socket()
            await sockets_become(cluster, 0, 1)
            await numbers.send(5)
            refused = await sender.call("hub:send", {"to": "test/receiver", "type": "number", "data": 5})
            assert refused["payload"]["details"]["code"] == "MAILBOX_FULL", refused
            connected = await receiver.come()
            assert (connected["resumed"], connected["missed"]) == (True, 1)
            await receiver.read_until(4)
            assert receiver.numbers == list(range(5))


async def test_nothing_is_lost_or_doubled_when_the_socket_is_lost_again_and_again(store):
    with Cluster(store=store, gateways=2, options=OPTIONS) as cluster:
        async with stand(cluster, "/ws/again") as (receiver, numbers, _):
            sending = asyncio.create_task(numbers.run(receiver))
            try:
                for turn in range(10):
                    await receiver.read_until(len(receiver.numbers) + 30)
                    receiver.lose_socket()
                    await receiver.come_back(turn % 2)
            finally:
                numbers.finishing = True
                await sending
            await receiver.read_until(numbers.sent - 1)
            assert receiver.numbers == list(range(numbers.sent))


async def test_a_socket_that_seems_alive_is_taken_over(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with stand(cluster, "/ws/takeover") as (receiver, numbers, _):
            await numbers.send(3)
            await receiver.read_until(2)
            old = Actor(receiver.client.protocol, "test/receiver")
            async with contextlib.AsyncExitStack() as keep:
                keep.push_async_exit(receiver._stack.pop_all())  # pylint: disable=protected-access
                await receiver.come_back()
                assert await old.closed() == (1000, "Session resumed elsewhere")
                await numbers.send(3)
                await receiver.read_until(5)
                assert receiver.numbers == list(range(6))


async def test_a_killed_gateway_takes_no_session_with_it(store):
    """What was on its way through it, before anybody noticed, arrives, too."""
    with Cluster(store=store, gateways=2, options=OPTIONS) as cluster:
        async with stand(cluster, "/ws/killed") as (receiver, numbers, _):
            await numbers.send(10)
            await receiver.read_until(9)
            cluster.pause(cluster.gateways[0])
            await numbers.send(20)
            cluster.resume(cluster.gateways[0])
            cluster.kill_gateway(0, signal.SIGKILL)
            await numbers.send(20)
            await receiver.come_back(1)
            await numbers.send(5)
            await receiver.read_until(54)
            assert receiver.numbers == list(range(55))
            cluster.start_gateway(0)
            receiver.lose_socket()
            await receiver.come_back(0)
            await numbers.send(5)
            await receiver.read_until(59)
            assert receiver.numbers == list(range(60))


async def test_the_statekeeper_is_killed_while_sessions_are_lost_and_resumed(store):
    with Cluster(store=store, gateways=2, options={**OPTIONS, "gateway-grace": "30s"}) as cluster:
        async with stand(cluster, "/ws/crash", says_last=True) as (receiver, numbers, _):
            await numbers.send(10)
            await receiver.read_until(9)
            receiver.lose_socket()
            await sockets_become(cluster, 0, 0)
            await numbers.send(10)
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await receiver.come_back()
            await receiver.read_until(19)
            cluster.kill_statekeeper()
            receiver.lose_socket()
            sending = asyncio.create_task(numbers.send(10))
            cluster.start_statekeeper()
            await sending
            await receiver.come_back(1)
            await receiver.read_until(29)
            assert receiver.numbers == list(range(30))


async def test_who_comes_back_while_the_statekeeper_dies_misses_nothing(store):
    """The session is handed over, durably, and its gateway has not heard of it when the statekeeper dies."""
    messages = 20
    with Cluster(store=store, gateways=3, options=OPTIONS) as cluster:
        old_gateway, new_gateway, _ = cluster.gateways

        def statekeeper(metric):
            return cluster.metrics(cluster.statekeeper)[f"dormouse_{metric}"]

        async with stand(cluster, "/ws/worst") as (old, numbers, _):
            cluster.pause(old_gateway)  # so that the hub has to wait for what may come back from there
            events = statekeeper("events_total")
            new = Receiver([cluster.ws_url("/ws/worst", 1)])
            new.take_token_of(old)
            coming = asyncio.create_task(new.come())
            await until(lambda: statekeeper("events_total") >= events + 2, "the hub has the open and the hub:connect")
            await numbers.send(messages)
            cluster.pause(new_gateway)
            cluster.resume(old_gateway)
            await until(lambda: statekeeper("unacknowledged_bytes") > 100 * messages, "the hub has sent what it kept")
            cluster.kill_statekeeper()
            cluster.start_statekeeper(wait=False)
            cluster.resume(new_gateway)
            connected = await coming
            assert connected["resumed"] is True and connected["missed"] == 0
            await new.read_until(messages - 1)
            assert new.numbers == list(range(messages))
            await new.leave()
