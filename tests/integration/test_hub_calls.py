"""What hub classes in C++ ask of the runtime on real processes: calls of other hubs, and timers that outlive their process."""

import asyncio

from cluster import Cluster
from process import SLOWNESS
from ws import all_open, connect

PROGRAM = "dormouse-crash-statekeeper"


async def test_hubs_call_one_another_wherever_they_live():
    with Cluster(store="redis", statekeepers=2, statekeeper_program=PROGRAM) as cluster:
        urls = [cluster.ws_url(f"/crash/hub-{number}") for number in range(16)]
        async with all_open(connect(url) for url in urls) as clients:
            for number, client in enumerate(clients):
                for times in (1, 2):
                    called = f"other-{number}"
                    assert await client.ask_text(f"call {called} hello") == f"heard hello {times}"
            # By way of a third.
            assert await clients[0].ask_text("call hub-1 call far-away hello") == "heard hello 1"


async def test_a_circle_of_calls_fails_at_once_and_everybody_goes_on(store):
    with Cluster(store=store, statekeeper_program=PROGRAM) as cluster:
        async with connect(cluster.ws_url("/crash/a")) as a, connect(cluster.ws_url("/crash/b")) as b:
            for text in ("call a x", "call b call a x", "call b call c call b x"):
                said = await a.ask_text(text)
                assert said.startswith("no answer: ") and "waits for this call itself" in said, said
            assert await b.ask_text("call a hello") == "heard hello 1"
            assert await a.ask_text("call b hello") == "heard hello 1"


async def test_two_hubs_that_call_one_another_at_once_end_by_the_deadline():
    with Cluster(statekeeper_program=PROGRAM) as cluster:
        async with connect(cluster.ws_url("/crash/a")) as a, connect(cluster.ws_url("/crash/b")) as b, \
                connect(cluster.ws_url("/crash/c")) as c:
            await a.send("call b x")
            await b.send("call a x")
            for _ in range(10):
                assert await c.ask_text("call d x") is not None
            said = [await client.text(timeout=30 * SLOWNESS) for client in (a, b)]
            assert all(each.startswith(("no answer: ", "heard x")) for each in said), said
            assert await a.ask_text("call b y") in ("heard y 1", "heard y 2")


async def test_each_timer_rings_though_its_hub_sleeps_and_its_statekeeper_is_killed(store):
    with Cluster(store=store, options={"hibernate-after": "100ms"}, statekeeper_program=PROGRAM) as cluster:
        async with connect(cluster.ws_url("/crash/a")) as client:
            for name, ms in (("late", 3000), ("early", 400), ("second", 2000), ("again", 2500)):
                await client.ask_text(f"timer {name} {ms}")
            await client.ask_text("alarm 2200")
            await cluster.asleep()
            assert await client.text() == "timer early 1"
            await cluster.asleep()  # it counts as rung: else it rings again, as timers do at least once
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            rung = [await client.text(timeout=20 * SLOWNESS) for _ in range(4)]
            assert rung == ["timer second 1", "ring", "timer again 1", "timer late 1"], rung
            await cluster.asleep()
            assert await client.ask_text("timer early 50") == "timer early 50"
            assert await client.text() == "timer early 2"


async def test_a_timer_whose_owner_dies_meanwhile_rings_at_the_next_one():
    with Cluster(store="redis", statekeepers=2, statekeeper_program=PROGRAM) as cluster:
        urls = [cluster.ws_url(f"/crash/hub-{number}") for number in range(12)]
        async with all_open(connect(url) for url in urls) as clients:
            await asyncio.gather(*(client.ask_text("timer t 1500") for client in clients))
            cluster.kill_statekeeper(statekeeper=1)
            assert [await client.text(timeout=20 * SLOWNESS) for client in clients] == ["timer t 1"] * 12
