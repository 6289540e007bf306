"""The Python client of signal hubs against real processes."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from cluster import SLOWNESS, Cluster
from conftest import CLIENTS
from dormouse import Client, DormouseError
from manual_clock import until

LIMIT = 20 * SLOWNESS


def client(url, actor, **settings):
    return Client(url, actor=actor, capabilities=["chat"], timeout=LIMIT, **settings)


async def next_of(messages):
    return await asyncio.wait_for(anext(messages), LIMIT)


@pytest.mark.parametrize("protocol", ["1.0", "0.1"])
async def test_two_actors_talk(protocol):
    with Cluster() as cluster:
        url = cluster.ws_url("/ws/kitchen")
        async with (
            client(url, "browser/anna", protocol=protocol) as anna,
            client(url, "@(browser/bert)", protocol=protocol) as bert,
        ):
            assert (await anna.register(metadata={"role": "cook"})).version == 1
            await bert.register()
            messages = bert.messages()
            await anna.send("browser/bert", "chat", {"n": 1})
            assert (await anna.ask("browser/bert", "chat", "two"))["status"] == "delivered"
            assert [(await next_of(messages)).data for _ in range(2)] == [{"n": 1}, "two"]
            with pytest.raises(DormouseError, match="unknown_actor"):
                await anna.ask("browser/nobody", "chat")

            news = await bert.subscribe("news")
            assert (await anna.publish("news", "flash", 3))["subscriberCount"] == 1
            message = await next_of(news)
            assert (message.sender, message.topic, message.data) == ("@(browser/anna)", "news", 3)
            await news.unsubscribe()
            assert (await anna.publish("news", "flash", 4))["subscriberCount"] == 0
            assert (await anna.broadcast("all", 5))["deliveredCount"] == 1

            found = await anna.discover("browser/*", metadata={"role": "cook"})
            assert [actor["address"] for actor in found["actors"]] == ["browser/anna"]
            assert {actor["address"] async for actor in anna.discover_all()} == {"browser/anna", "browser/bert"}
            presence = await anna.subscribe("hub/presence")
            await bert.unregister()
            message = await next_of(presence)
            assert (message.type, message.data["event"]) == ("hub:presence", "left")
            assert message.data["actorAddress"] == "browser/bert"
            assert (await anna.list_actors())["total"] == 1


async def test_discover_all_turns_real_pages():
    with Cluster(options={"rate-limit": "0"}) as cluster:
        async with client(cluster.ws_url("/ws/crowd"), "browser/anna") as anna:
            await asyncio.gather(*(anna.register(f"robot/{number}") for number in range(230)))
            assert len([actor async for actor in anna.discover_all("robot/*")]) == 230


async def test_lost_gateway_is_survived_with_everything_that_was_registered():
    with Cluster() as cluster:
        url = cluster.ws_url("/ws/kitchen")
        async with client(url, "browser/anna") as anna:
            back, left = [], []
            anna.on("connected", back.append)
            anna.on("resumed", back.append)
            anna.on("disconnected", lambda code, _reason: left.append(code))
            await anna.register()
            news = await anna.subscribe("news")
            cluster.gateways[0].send_signal(signal.SIGTERM)
            await until(lambda: left, "the loss")
            assert left == [1001]
            cluster.gateways[0].await_end()
            await anna.send("browser/anna", "note", "written while away")
            cluster.start_gateway(0)
            await until(lambda: back, "the way back")
            messages = anna.messages()
            await anna.publish("news", "flash", "after")
            assert (await next_of(news)).data == "after"
            assert {(await next_of(messages)).data} <= {"written while away", "after"}
            assert [actor["address"] async for actor in anna.discover_all()] == ["browser/anna"]


async def test_statekeeper_killed_is_a_pause():
    with Cluster() as cluster:
        async with client(cluster.ws_url("/ws/kitchen"), "browser/anna") as anna:
            left = []
            anna.on("disconnected", lambda *details: left.append(details))
            await anna.register()
            session = anna.session_id
            cluster.kill_statekeeper()
            asking = asyncio.create_task(anna.ask("browser/anna", "chat", "through"))
            cluster.start_statekeeper()
            assert (await asking)["status"] == "delivered"
            assert (anna.session_id, left) == (session, [])


async def test_actor_taken_over_ends_the_first_client():
    with Cluster() as cluster:
        url = cluster.ws_url("/ws/kitchen")
        async with client(url, "browser/anna") as first, client(url, "browser/anna") as second:
            await first.register()
            messages = first.messages()
            await second.register()
            with pytest.raises(DormouseError, match="duplicate_connection"):
                await next_of(messages)
            assert (await second.list_actors())["total"] == 1


async def test_registration_outlives_its_time_to_live():
    with Cluster() as cluster:
        async with client(cluster.ws_url("/ws/kitchen"), "browser/anna") as anna:
            registration = await anna.register(ttl=1)
            first = registration.expires_at
            await until(lambda: registration.expires_at >= first + 1000, "renewals for longer than the time to live")
            assert (await anna.list_actors())["total"] == 1


async def test_rate_limit_is_waited_out():
    with Cluster(options={"rate-limit": "20", "rate-burst": "5"}) as cluster:
        async with client(cluster.ws_url("/ws/kitchen"), "browser/anna", rate_limit_retries=50) as anna:
            await anna.register()
            messages = anna.messages()
            for number in range(30):
                await anna.send("browser/anna", "chat", number)
            assert {(await next_of(messages)).data for _ in range(30)} == set(range(30))


def talk(*arguments, typed):
    return subprocess.run(
        [sys.executable, "-m", "dormouse", *arguments],
        input=typed, capture_output=True, text=True, timeout=60 * SLOWNESS, check=False,
        env={**os.environ, "PYTHONPATH": str(CLIENTS)},
    )


def test_terminal_client_does_what_is_typed():
    typed = """subscribe news
publish news flash {"n": 1}
ask browser/me chat hello to myself
discover browser/*
broadcast all
unsubscribe news
quit
"""
    with Cluster() as cluster:
        done = talk(cluster.ws_url("/ws/kitchen"), "--actor", "browser/me", typed=typed)
    assert (done.returncode, done.stderr) == (0, "")
    for part in ("session ", "subscribed to news", '"subscriberCount": 1', 'flash from browser/me on news: {"n": 1}',
                 'chat from browser/me: "hello to myself"', "browser/me  chat", "1 found", "unsubscribed from news"):
        assert part in done.stdout


def test_terminal_client_says_what_went_wrong():
    with Cluster() as cluster:
        done = talk(cluster.ws_url("/ws/kitchen"), typed="ask browser/nobody chat\nsing\nsend\n")
    assert (done.returncode, done.stderr) == (1, "")
    for part in ("unknown_actor: ", "no command 'sing'", "send needs more words"):
        assert part in done.stdout
