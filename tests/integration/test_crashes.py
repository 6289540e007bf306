"""kill -9 of the statekeeper under traffic: sockets stay open, every request is answered once and in order, and
every acknowledged registration is there."""

import asyncio

from cluster import Cluster, until
from ws import actor, all_open, count_becomes, echo

OPTIONS = {"hibernate-after": "300ms", "rate-limit": "0", "gateway-grace": "30s"}


class Pipeline:
    """Keeps `window` numbered requests of one socket in flight until told to finish; replies must come in order."""

    def __init__(self, client, request, number_of, window):
        self._client = client
        self._request = request      # number -> frame
        self._number_of = number_of  # reply -> number
        self._window = window
        self.sent = 0
        self.answered = 0
        self.finishing = False

    async def run(self):
        while not self.finishing or self.answered < self.sent:
            while not self.finishing and self.sent < self.answered + self._window:
                await self._client.send(self._request(self.sent))
                self.sent += 1
            reply = await self._client.recv(60)
            assert self._number_of(reply) == self.answered, (self.answered, reply)
            self.answered += 1


async def _run_through_crashes(cluster, pipelines, crashes, step):
    """Runs them; after each `step` answers of every pipeline kills and restarts the statekeeper."""
    running = asyncio.gather(*(pipeline.run() for pipeline in pipelines))
    try:
        for crash in range(crashes + 1):
            goal = [pipeline.answered + step for pipeline in pipelines]

            def all_there(goal=goal):
                if running.done():
                    running.result()
                return all(pipeline.answered >= wanted for pipeline, wanted in zip(pipelines, goal))

            await until(all_there, "traffic goes on", timeout=30)
            if crash < crashes:
                cluster.kill_statekeeper()
                cluster.start_statekeeper(wait=False)
        for pipeline in pipelines:
            pipeline.finishing = True
        await running
    finally:
        running.cancel()


async def test_echo_traffic_through_crashes(store):
    with Cluster(store=store, gateways=2, options=OPTIONS) as cluster:
        async with all_open(echo(cluster.ws_url(f"/websocket/crash-{number % 4}", number % 2))
                            for number in range(12)) as clients:
            pipelines = [Pipeline(client, lambda n: {"message": [n]}, lambda reply: reply["message"][0], window=5)
                         for client in clients]
            await _run_through_crashes(cluster, pipelines, crashes=3, step=60)
            for client in clients:
                reply = await client.ask("still here")
                assert (reply["connectionId"], reply["connections"]) == (client.id, 3)


async def test_registration_storm_through_crashes(store):
    def pipeline(client):
        return Pipeline(
            client,
            lambda n: {**client.envelope("hub:register", {"actorAddress": f"{client.address}/{n}",
                                                          "capabilities": ["test"]}), "id": f"r{n}"},
            lambda reply: reply["type"] == "hub:registered" and int(reply["correlationId"][1:]), window=4)

    with Cluster(store=store, gateways=2, options=OPTIONS) as cluster:
        async with all_open(actor(cluster.ws_url(f"/ws/storm-{number % 3}", number % 2), f"test/{number}")
                            for number in range(6)) as clients:
            pipelines = [pipeline(client) for client in clients]
            await _run_through_crashes(cluster, pipelines, crashes=3, step=40)
            # Everything was answered, so everything has to be there.
            for number, client in enumerate(clients):
                there = set(await client.addresses())
                assert {f"{client.address}/{n}" for n in range(pipelines[number].sent)} | {client.address} <= there


async def test_acknowledged_registrations_survive_without_any_replay(store):
    """All is acknowledged and settled before the crash: what is there after it came from the store."""
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with actor(cluster.ws_url("/ws/kept"), "test/a") as a:
            for number in range(50):
                await a.register(f"test/a/{number}")
            await cluster.asleep()
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await a.addresses() == sorted(["test/a", *(f"test/a/{number}" for number in range(50))])
            assert (await a.register())["version"] == 2


async def test_frames_wait_while_there_is_no_statekeeper(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/waiting")) as client:
            cluster.kill_statekeeper()
            for number in range(20):
                await client.send({"message": [number]})
            # The edge goes on by itself.
            assert (await client.ask({"type": "heartbeat"}))["type"] == "heartbeat_ack"
            cluster.start_statekeeper()
            assert [(await client.recv())["message"] for _ in range(20)] == [[number] for number in range(20)]
            assert (await client.ask("x"))["connections"] == 1


async def test_socket_closed_while_there_is_no_statekeeper(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        url = cluster.ws_url("/websocket/closing")
        async with echo(url) as stays:
            async with echo(url):
                cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await count_becomes(stays, 1)


async def test_paused_statekeeper_goes_on_where_it_was(store):
    with Cluster(store=store, options=OPTIONS) as cluster:
        async with echo(cluster.ws_url("/websocket/paused")) as client:
            cluster.pause(cluster.statekeeper)
            try:
                for number in range(20):
                    await client.send({"message": [number]})
                for _ in range(5):
                    assert (await client.ask({"type": "heartbeat"}))["type"] == "heartbeat_ack"
            finally:
                cluster.resume(cluster.statekeeper)
            assert [(await client.recv())["message"] for _ in range(20)] == [[number] for number in range(20)]
