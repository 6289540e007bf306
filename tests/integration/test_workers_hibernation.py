"""An object in JavaScript or Python that idles is dropped; its sockets stay, and the next event builds it anew with all that was
said to be kept. Timers of the language and what is in the background keep it; an
alarm and named timers wake it."""

import asyncio
import contextlib
import json

import pytest
from worker_app import LANGUAGES, AppCluster
from ws import WAIT, connect

pytestmark = pytest.mark.parametrize("language", LANGUAGES)
OPTIONS = {"gateway-grace": "60s", "hibernate-after": "200ms"}


async def heard(client):
    return await asyncio.wait_for(client.protocol.recv(), WAIT)


async def tell(client, text):
    await client.send(text)
    return json.loads(await heard(client))


@contextlib.asynccontextmanager
async def sleeper(language, store="file"):
    with AppCluster(store=store, options=OPTIONS, language=language) as cluster:
        async with connect(cluster.ws_url("/Sleeper/a?id=one")) as one, \
                connect(cluster.ws_url("/Sleeper/a?id=two")) as two:
            yield cluster, one, two
            assert one.is_open and two.is_open


async def test_a_frame_wakes_an_object_that_was_dropped(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        built = (await tell(one, "say"))["built"]
        for _ in range(3):
            await cluster.asleep()
            built += 1
            for client, name in ((one, "one"), (two, "two")):
                assert await tell(client, "say") == {"built": built, "id": name, "tags": [f"tag-{name}"], "tagged": 1,
                                                     "all": 2}


@pytest.mark.parametrize("kind, word", [("timer", "timer"), ("waitUntil", "waited")])
async def test_what_is_under_way_keeps_an_object(kind, word, language):
    async with sleeper(language) as (cluster, one, _):
        built = (await tell(one, f"{kind} 1500"))["built"]
        wakes = cluster.hub_wakes()
        assert await heard(one) == f"{word} {built}"
        assert cluster.hub_wakes() == wakes
        await cluster.asleep()
        assert (await tell(one, "say"))["built"] == built + 1


async def test_an_alarm_wakes_an_object(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        built = (await tell(one, "alarm 1500"))["built"]
        await cluster.asleep()
        for client in (one, two):
            assert await heard(client) == f"alarm {built + 1}"
        await cluster.asleep()


async def test_timers_with_names_wake_an_object_each_at_its_time(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        built = (await tell(one, "named 3000 late"))["built"]
        await tell(one, "named 1500 early")
        await cluster.asleep()
        for name in ("early", "late"):
            for client in (one, two):
                assert await heard(client) == f"{name} 0"
            await cluster.asleep()
        assert (await tell(one, "say"))["built"] == built + 3


async def test_a_timer_that_fails_is_tried_again_whatever_ends_meanwhile(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        await tell(one, "named 300 fails")
        await tell(one, "named 310 other")
        for client in (one, two):
            assert await heard(client) == "other 0", "it does not wait for the one that failed"
        cluster.kill_workers()
        cluster.kill_statekeeper()
        cluster.start_statekeeper(wait=False)
        for client in (one, two):
            said = await heard(client)
            if said == "other 0":  # at least once: its output may not have been known to have arrived
                said = await heard(client)
            assert said == "fails 1"
        await cluster.asleep()


async def test_a_value_under_a_long_key_is_kept(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        await tell(one, "put 2048 k")
        await cluster.asleep()
        await two.send("get 2048 k")
        assert await heard(two) == "kept"


async def test_a_sleeping_object_outlives_its_worker_and_its_statekeeper(store, language):
    async with sleeper(language, store) as (cluster, one, two):
        built = (await tell(one, "say"))["built"]
        await cluster.asleep()
        worker = cluster.worker()
        assert cluster.kill_workers() == 1
        assert (await tell(two, "say"))["built"] == built + 1
        assert cluster.worker() != worker
        await cluster.asleep()
        cluster.kill_statekeeper()
        cluster.start_statekeeper(wait=False)
        assert await tell(one, "say") == {"built": built + 2, "id": "one", "tags": ["tag-one"], "tagged": 1, "all": 2}
