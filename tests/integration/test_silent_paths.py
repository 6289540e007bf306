"""What was sent on a path that had fallen silent reaches its client when that comes back: once, in order, all of it."""

import contextlib
import json

import pytest
from cluster import Cluster, until
from silent_path import SilentPath
from ws import Actor, actor, connect

OPTIONS = {"hibernate-after": "300ms", "rate-limit": "0"}


class Phone:
    """An actor behind a path that can fall silent."""

    def __init__(self, cluster, hub):
        self._cluster = cluster
        self._hub = hub
        self._stack = contextlib.AsyncExitStack()
        self.path = None
        self.client = None
        self.session = None
        self.last_id = None
        self._protocols = []

    async def __aenter__(self):
        self.path = await self._stack.enter_async_context(SilentPath(self._cluster.port(0), self._cluster.is_tls))
        opened = await self._stack.enter_async_context(connect(self.path.url(self._hub)))
        self._take(opened.protocol)
        self.session = await self.client.must("hub:connect", {"version": "1.0"})
        await self.client.register()
        return self

    async def __aexit__(self, *_):
        for protocol in self._protocols:
            protocol.transport.abort()  # nobody answers a close on a silent path
        await self._stack.aclose()

    def _take(self, protocol):
        self._protocols.append(protocol)
        self.client = Actor(protocol, "test/phone")

    async def take(self, count):
        """The data of the next messages."""
        taken = []
        for _ in range(count):
            frame = await self.client.next()
            assert frame["type"] == "number", frame
            self.last_id = frame["id"]
            taken.append(frame["payload"])
        return taken

    async def come_back(self, says_last=True, gateway=0):
        """On a path of its own; the old one knows nothing of it. Returns hub:connected's payload."""
        opened = await self._stack.enter_async_context(connect(self._cluster.ws_url(self._hub, gateway)))
        self._take(opened.protocol)
        asked = {"version": "1.0", "resumeToken": self.session["resumeToken"]}
        if says_last:
            asked["lastMessageId"] = self.last_id
        self.session = await self.client.must("hub:connect", asked)
        return self.session


async def send(sender, numbers):
    for number in numbers:
        await sender.must("hub:send", {"to": "test/phone", "type": "number", "data": number})


async def nothing_more(phone, sender):
    """What is sent now is what comes next."""
    await send(sender, ["last"])
    assert await phone.take(1) == ["last"]


@pytest.mark.parametrize("got_before", [0, 2])
@pytest.mark.parametrize("meanwhile", ["awake", "asleep", "killed"])
async def test_nothing_is_lost_in_silence(store, got_before, meanwhile):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with Phone(cluster, "/ws/tunnel") as phone, actor(cluster.ws_url("/ws/tunnel"), "test/sender") as sender:
            await send(sender, range(got_before))
            assert await phone.take(got_before) == list(range(got_before))
            phone.path.silence()
            await send(sender, range(10, 13))
            if meanwhile == "asleep":
                await cluster.asleep()
            if meanwhile == "killed":
                cluster.kill_statekeeper()
                cluster.start_statekeeper()
            connected = await phone.come_back()
            assert (connected["resumed"], connected["missed"]) == (True, 0)
            assert await phone.take(3) == [10, 11, 12]
            await nothing_more(phone, sender)


def resumed(cluster):
    return sum(value for series, value in cluster.metrics(cluster.statekeeper).items()
               if series.startswith("dormouse_resumes_total") and "resumed" in series)


@pytest.mark.parametrize("seems", ["open", "ended", "asleep"])
async def test_nor_when_the_path_on_which_it_comes_back_falls_silent_as_well(store, seems):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with Phone(cluster, "/ws/twice") as phone, actor(cluster.ws_url("/ws/twice"), "test/sender") as sender:
            phone.path.silence()
            await send(sender, range(3))
            async with SilentPath(cluster.port(0), cluster.is_tls) as second:
                async with contextlib.AsyncExitStack() as stack:
                    opened = await stack.enter_async_context(connect(second.url("/ws/twice")))
                    stack.callback(opened.protocol.transport.abort)
                    second.silence(up=False)
                    lost = Actor(opened.protocol, "test/phone")
                    await opened.protocol.send(json.dumps(lost.envelope("hub:connect", {
                        "version": "1.0", "resumeToken": phone.session["resumeToken"], "lastMessageId": None})))
                    await until(lambda: resumed(cluster) == 1, "its session is handed over")
                    await send(sender, [3])
                    if seems == "ended":
                        second.end()
                    if seems == "asleep":
                        await cluster.asleep()
                    connected = await phone.come_back()  # with the only token that has ever reached it
                    if seems == "ended":
                        assert (connected["resumed"], connected["missed"]) == (True, 0)
                    else:  # anybody may have seen that token: the session stays, its mail goes to who may have it
                        assert not connected["resumed"]
                        await phone.client.register()
                    assert await phone.take(4) == [0, 1, 2, 3]
                    await nothing_more(phone, sender)


async def test_nor_for_a_client_that_cannot_say_what_it_got(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with Phone(cluster, "/ws/mute") as phone, actor(cluster.ws_url("/ws/mute"), "test/sender") as sender:
            phone.path.silence()
            await send(sender, range(3))
            connected = await phone.come_back(says_last=False)
            assert (connected["resumed"], connected["missed"]) == (True, 0)
            assert await phone.take(3) == [0, 1, 2]
            await nothing_more(phone, sender)


async def test_nor_when_the_edge_notices_first(store):
    options = {**OPTIONS, "idle-timeout": "1s", "cleanup-interval": "200ms"}
    with Cluster(store=store, gateways=2, options=options) as cluster:
        sender_url = cluster.ws_url("/ws/late", 1)
        async with Phone(cluster, "/ws/late") as phone, actor(sender_url, "test/sender") as sender:
            phone.path.silence()
            await send(sender, range(3))

            async def closed():
                await sender.must("hub:heartbeat", {})
                return cluster.metrics(cluster.gateways[0])["dormouse_connections"] == 0
            while not await closed():
                pass
            await send(sender, range(3, 5))
            connected = await phone.come_back(gateway=1)
            assert (connected["resumed"], connected["missed"]) == (True, 0)
            assert await phone.take(5) == [0, 1, 2, 3, 4]
            await nothing_more(phone, sender)


@pytest.mark.parametrize("asleep", [False, True])
async def test_what_is_more_than_is_kept_is_counted(store, asleep):
    with Cluster(store=store, options={**OPTIONS, "resume-messages": "5"}) as cluster:
        async with Phone(cluster, "/ws/much") as phone, actor(cluster.ws_url("/ws/much"), "test/sender") as sender:
            phone.path.silence()
            await send(sender, range(12))
            if asleep:
                await cluster.asleep()
            missed = 7 if asleep else 0  # an awake hub still has them
            connected = await phone.come_back()
            assert (connected["resumed"], connected["missed"]) == (True, missed)
            assert await phone.take(12 - missed) == list(range(missed, 12))
            await nothing_more(phone, sender)


async def test_a_sound_path_costs_the_store_nothing(store):
    """Its client confirms by answering pings; nothing goes back, and nothing is written, however it ends."""
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with Phone(cluster, "/ws/sound") as phone, actor(cluster.ws_url("/ws/sound"), "test/sender") as sender:
            await send(sender, range(100))
            assert await phone.take(100) == list(range(100))
            commits = cluster.metrics(cluster.statekeeper)["dormouse_commits_total"]
            await send(sender, range(100))
            assert await phone.take(100) == list(range(100))
            assert cluster.metrics(cluster.statekeeper)["dormouse_commits_total"] == commits
            phone.client.protocol.transport.abort()
            await until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_connections"] <= 2, "the path has broken")
            connected = await phone.come_back()
            assert (connected["resumed"], connected["missed"]) == (True, 0)
            await nothing_more(phone, sender)
