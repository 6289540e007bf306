#!/usr/bin/env python3
"""Proves on a running Dormouse that a hub can sleep without its clients noticing.

Connects, uses the hub, leaves it idle until it hibernates, and wakes it: the socket must have stayed open and
the hub must remember everything. Prints each step; exits 0 when all hold, 1 at the first that does not.

With --admin (the statekeeper's /metrics) it sees for itself that the hub has left memory; nobody else may use
the cluster then. Without, it can only wait for as long as --hibernate-after says.
"""

import argparse
import asyncio
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid

try:
    import dormouse
except ImportError as missing:
    sys.exit(str(missing))
from dormouse import echo

REPLY_TIMEOUT = 10.0  # seconds for an answer
ASLEEP_GRACE = 15.0  # seconds beyond --hibernate-after in which the hub must be out of memory
POLL_INTERVAL = 0.1  # seconds between looks at the metric
AWAKE_METRIC = "dormouse_hubs_awake"
WAKES_METRIC = "dormouse_hub_wakes_total"
HUB_ADDRESS = "cloudflare/signal-hub"


class Failure(Exception):
    """A step did not hold."""


def expect(condition, text):
    if not condition:
        raise Failure(text)


def step(text):
    print(f"  ok    {text}", flush=True)


def note(text):
    print(f"        {text}", flush=True)


class Peer:
    """One socket, and the frames that came on it. Any close is a failure."""

    def __init__(self, socket):
        self.socket = socket

    @classmethod
    async def open(cls, url):
        return cls(await dormouse.open_socket(url))

    async def send(self, frame):
        try:
            await self.socket.send(dormouse.encode(frame))
        except dormouse.ConnectionClosed as error:
            raise self._closed(error) from None

    async def receive(self):
        """The next frame."""
        try:
            data = await asyncio.wait_for(self.socket.recv(), REPLY_TIMEOUT)
        except asyncio.TimeoutError:
            raise Failure(f"no frame within {REPLY_TIMEOUT:g} s") from None
        except dormouse.ConnectionClosed as error:
            raise self._closed(error) from None
        frame = dormouse.decode(data)
        expect(frame is not None, f"not a JSON object: {data!r}")
        return frame

    async def silence(self, seconds):
        """Fails if anything at all happens on the socket meanwhile."""
        try:
            data = await asyncio.wait_for(self.socket.recv(), seconds)
        except asyncio.TimeoutError:
            return
        except dormouse.ConnectionClosed as error:
            raise self._closed(error) from None
        raise Failure(f"an idle socket got {data!r}")

    async def closed(self):
        """The code with which the server closes."""
        try:
            data = await asyncio.wait_for(self.socket.recv(), REPLY_TIMEOUT)
        except dormouse.ConnectionClosed as error:
            return dormouse.close_info(error)[0]
        except asyncio.TimeoutError:
            raise Failure("the server did not close the socket") from None
        raise Failure(f"expected a close, got {data!r}")

    @staticmethod
    def _closed(error):
        code, reason = dormouse.close_info(error)
        return Failure(f"the socket was closed: {code} {reason}".rstrip())


class Memory:
    """Is the hub in memory? By the statekeeper's metric where we can read it, else by the clock."""

    def __init__(self, admin, hibernate_after):
        self._admin = admin
        self._hibernate_after = hibernate_after
        self._wakes_asleep = 0  # how often hubs had woken when ours fell asleep last

    async def _read(self, metric):
        try:
            return await asyncio.to_thread(read_metric, self._admin, metric)
        except LookupError as error:
            raise Failure(str(error)) from None

    async def _awake(self):
        return await self._read(AWAKE_METRIC)

    async def _until(self, awake, seconds, peers):
        """Until some hub is in memory (True), or none is (False)."""
        end = time.monotonic() + seconds
        while (await self._awake() > 0) != awake:
            if time.monotonic() > end:
                return False
            await silence(peers, POLL_INTERVAL)
        return True

    async def expect_quiet(self):
        """The metric counts all hubs: it speaks of ours only while there are no others."""
        if not self._admin:
            return
        quiet = await self._until(False, self._hibernate_after + ASLEEP_GRACE, [])
        expect(quiet, f"others use this cluster: {AWAKE_METRIC} does not fall to 0")
        step(f"no hub is in memory ({AWAKE_METRIC} is 0)")

    async def expect_awake(self, peers):
        if not self._admin:
            return
        expect(await self._until(True, REPLY_TIMEOUT, peers), f"{AWAKE_METRIC} does not count the hub")
        step(f"the hub is in memory ({AWAKE_METRIC})")

    async def sleep(self, peers):
        """Returns when the hub has left memory; the peers' sockets must stay open and silent meanwhile."""
        started = time.monotonic()
        if self._admin:
            limit = self._hibernate_after + ASLEEP_GRACE
            note(f"idle until the hub has left memory, {limit:g} s at most")
            expect(await self._until(False, limit, peers), f"the hub is still in memory after {limit:g} s")
            self._wakes_asleep = await self._read(WAKES_METRIC)
            step(f"the hub has left memory after {time.monotonic() - started:.1f} s")
        else:
            pause = self._hibernate_after * 1.1 + 1
            note(f"idle for {pause:.1f} s, so that the hub hibernates")
            await silence(peers, pause)
            step("the hub had time to hibernate (--admin would tell whether it did)")
        step("no socket was closed, nothing was sent")

    async def sleep_again_if_awake(self, peers):
        """A heartbeat wakes the hub only where the edge does not answer it."""
        if not self._admin:
            return
        # It may be asleep again by now.
        if await self._read(WAKES_METRIC) > self._wakes_asleep:
            note("the heartbeat woke the hub; once more, for the message")
            await self.sleep(peers)
        else:
            step("the heartbeat was answered at the edge: the hub sleeps on")


def read_metric(url, name):
    """The sum of a metric over its labels, from a Prometheus text page. LookupError: there is none."""
    # Loopback and cluster addresses: never through a proxy.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as page:
            text = page.read().decode()
    except (urllib.error.URLError, OSError, ValueError) as error:
        raise LookupError(f"cannot read {url}: {error}") from None
    values = [
        float(line.split("}")[-1].split()[0] if "{" in line else line.split()[1])
        for line in text.splitlines()
        if line.startswith((name + " ", name + "{"))
    ]
    if not values:
        raise LookupError(f"{url} has no metric {name}")
    return sum(values)


async def silence(peers, seconds):
    await asyncio.gather(asyncio.sleep(seconds), *(peer.silence(seconds) for peer in peers))


async def expect_welcome(peer):
    frame = await peer.receive()
    expect(frame.get("type") == "welcome" and frame.get("connectionId"), f"expected a welcome, got {frame}")
    return frame["connectionId"]


async def expect_echoes(peer, texts, connection_id, connections):
    for text in texts:
        await peer.send(echo.message(text))
    for text in texts:
        frame = await peer.receive()
        got = (frame.get("type"), frame.get("message"), frame.get("connectionId"), frame.get("connections"))
        wanted = ("echo", text, connection_id, connections)
        expect(got == wanted, f"expected {wanted}, got {got}")


async def expect_reply(peer, request, reply_type, connection_id):
    await peer.send(request)
    frame = await peer.receive()
    got = (frame.get("type"), frame.get("connectionId"))
    expect(got == (reply_type, connection_id), f"expected {(reply_type, connection_id)}, got {got}")


async def check_echo(url, memory):
    # Two sockets: a hub that knows only of the one that woke it must not pass for a hub that remembers.
    peer, witness = await Peer.open(url), await Peer.open(url)
    both = (peer, witness)
    connection_id, witness_id = await expect_welcome(peer), await expect_welcome(witness)
    expect(connection_id != witness_id, f"two sockets, one connectionId: {connection_id}")
    step(f"two sockets are welcome, as {connection_id} and {witness_id}")
    await expect_echoes(peer, ["one", "two", "three"], connection_id, 2)
    step("three messages are echoed in order, with connections: 2")
    await expect_reply(peer, echo.ping(), "pong", connection_id)
    step("a ping is answered")
    await memory.expect_awake(both)

    await memory.sleep(both)
    await expect_reply(peer, echo.heartbeat(), "heartbeat_ack", connection_id)
    step("a heartbeat is acknowledged, with the same connectionId")
    await memory.sleep_again_if_awake(both)
    await expect_echoes(peer, ["four", "five", "six"], connection_id, 2)
    step("three messages wake the hub and are echoed in order: same connectionId, connections: 2")
    await memory.expect_awake(both)
    await expect_echoes(witness, ["seven"], witness_id, 2)
    step("the other socket is where it was, too")

    await peer.socket.close(1000)
    await witness.socket.close(1000)


class Actor:
    """One actor of a signal hub, by the bare frames of dialect 1.0."""

    def __init__(self, peer, address):
        self.address = address
        self._peer = peer

    async def send(self, frame_type, payload, **fields):
        envelope = {"type": frame_type, "from": self.address, "to": HUB_ADDRESS, "payload": payload}
        await self._peer.send({**envelope, **fields})

    async def receive(self, frame_type):
        frame = await self._peer.receive()
        expect(frame.get("type") == frame_type, f"expected {frame_type}, got {frame}")
        return frame

    async def call(self, frame_type, payload, reply_type):
        """The reply's payload; the reply must name the request it answers."""
        frame_id = str(uuid.uuid4())
        await self.send(frame_type, payload, id=frame_id)
        reply = await self.receive(reply_type)
        expect(reply.get("correlationId") == frame_id, f"the reply answers another request: {reply}")
        return reply["payload"]

    async def registration(self):
        payload = await self.call("hub:list_actors", {}, "hub:actor_list")
        mine = [entry for entry in payload["actors"] if entry.get("actorAddress") == self.address]
        expect(len(mine) == 1, f"{self.address} is not listed once: {payload}")
        return mine[0]

    async def publish_to_itself(self, topic, data):
        """The publication and the acknowledgement come in either order."""
        frame_id = str(uuid.uuid4())
        await self.send("hub:publish", {"topic": topic, "type": "dream", "data": data}, id=frame_id)
        both = [await self._peer.receive(), await self._peer.receive()]
        frames = {frame.get("type"): frame for frame in both}
        expect(set(frames) == {"dream", "hub:delivery_ack"}, f"expected a dream and its receipt, got {both}")
        dream, receipt = frames["dream"], frames["hub:delivery_ack"]
        expect(dream.get("payload") == data, f"published {data}, got {dream}")
        expect(dream.get("correlationId") == frame_id, f"the publication is not the one published: {dream}")
        expect(dream.get("metadata", {}).get("topic") == topic, f"of another topic: {dream}")
        expect(receipt["payload"].get("subscriberCount") == 1, f"expected one subscriber: {receipt}")


async def check_signal(url, memory):
    peer = await Peer.open(url)
    actor = Actor(peer, "browser/client-ui")
    session = await actor.call("hub:connect", {"version": "1.0"}, "hub:connected")
    step(f"connected, session {session['sessionId']}")
    registration = {"actorAddress": actor.address, "capabilities": ["dream"]}
    registered = await actor.call("hub:register", registration, "hub:registered")
    step(f"registered {actor.address}, version {registered['version']}")
    await actor.call("hub:subscribe", {"topic": "dreams"}, "hub:subscribed")
    await actor.publish_to_itself("dreams", {"night": 1})
    step("subscribed to a topic, and a publication arrives")
    before = await actor.registration()
    await memory.expect_awake([peer])

    await memory.sleep([peer])
    # Seed 002's frame to the letter: no id, no pattern, bare addresses.
    await actor.send("hub:heartbeat", {"timestamp": 1708272030000})
    ack = await actor.receive("hub:heartbeat_ack")
    addresses = (ack.get("from"), ack.get("to"))
    expect(addresses == (HUB_ADDRESS, actor.address), f"addresses in another form: {ack}")
    expect(isinstance(ack["payload"].get("serverTime"), int), f"no serverTime: {ack}")
    step("a bare hub:heartbeat is acknowledged, in the bare address form")
    await memory.sleep_again_if_awake([peer])
    after = await actor.registration()
    del before["expiresAt"], after["expiresAt"]  # it lives as long as its socket is heard
    expect(after == before, f"the registration changed from {before} to {after}")
    step("the registration is what it was")
    await memory.expect_awake([peer])
    await actor.publish_to_itself("dreams", {"night": 2})
    step("the subscription is still there")
    renewal = {"actorAddress": actor.address, "renewalToken": registered["renewalToken"]}
    await actor.call("hub:renew", renewal, "hub:renewed")
    step("the renewal token from before is still good")
    gone = await actor.call("hub:disconnect", {}, "hub:disconnect_ack")
    expect(gone.get("sessionId") == session["sessionId"], f"another session ended: {gone}")
    expect(await peer.closed() == 1000, "the close code is not 1000")
    step("the session that ends is the one that began")


async def run(hub_class, url, admin, hibernate_after):
    """Exit status."""
    print(f"{hub_class} hub at {url}", flush=True)
    try:
        memory = Memory(admin, hibernate_after)
        await memory.expect_quiet()
        await (check_signal if hub_class == "signal" else check_echo)(url, memory)
    except (Failure, dormouse.ConnectError) as error:
        print(f"  FAIL  {error}", flush=True)
        return 1
    except (KeyError, TypeError) as error:
        print(f"  FAIL  a reply lacks {error}", flush=True)
        return 1
    print("passed", flush=True)
    return 0


def hub_url(url, hub_class):
    """`url` itself when it names a hub, else one of that server that nobody else uses."""
    if urllib.parse.urlsplit(url).path.strip("/"):
        return url
    path = "ws" if hub_class == "signal" else "websocket"
    return f"{url.rstrip('/')}/{path}/hibernation-{uuid.uuid4().hex[:8]}"


def main():
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=as_written)
    parser.add_argument(
        "--url",
        default="ws://127.0.0.1:8080",
        help="the gateway, or one hub of it with its path (default: %(default)s, and a hub of its own)",
    )
    parser.add_argument("--class", dest="hub_class", choices=("echo", "signal"), default="echo")
    parser.add_argument(
        "--hibernate-after",
        type=float,
        metavar="SECONDS",
        default=30.0,
        help="the cluster's hibernate-after (default: %(default)g)",
    )
    parser.add_argument(
        "--admin", metavar="URL", help="the statekeeper's metrics, such as http://127.0.0.1:7401/metrics"
    )
    arguments = parser.parse_args()
    url = hub_url(arguments.url, arguments.hub_class)
    try:
        return asyncio.run(run(arguments.hub_class, url, arguments.admin, arguments.hibernate_after))
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
