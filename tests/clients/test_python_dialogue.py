"""Requests between actors, over real processes."""

import asyncio

import pytest
from cluster import SLOWNESS, Cluster
from dormouse import Client, DormouseError

LIMIT = 20 * SLOWNESS


def client(url, actor):
    return Client(url, actor=actor, timeout=LIMIT)


async def test_requests_are_answered_by_handlers():
    with Cluster() as cluster:
        url = cluster.ws_url("/ws/kitchen")
        async with client(url, "browser/anna") as anna, client(url, "@(browser/bert)") as bert:
            await anna.register()
            await bert.register()
            others = anna.messages()

            async def divide(message):
                return message.data[0] / message.data[1]

            bert.handle("divide", divide)
            answers = await asyncio.gather(*(anna.request("browser/bert", "divide", [n, 2]) for n in range(5)))
            assert answers == [0, 0.5, 1, 1.5, 2]
            with pytest.raises(DormouseError, match="division by zero") as caught:
                await anna.request("browser/bert", "divide", [1, 0])
            assert caught.value.code == "request_failed"
            with pytest.raises(DormouseError, match="unknown_actor"):
                await anna.request("browser/nobody", "divide", [1, 1])

            bert.on("message", lambda message: bert.reply(message, "by hand") if message.expects_reply else None)
            bert.handle("divide", None)
            assert await anna.request("browser/bert", "divide", [1, 1]) == "by hand"
            await bert.send("browser/anna", "chat", "no answer")
            assert (await asyncio.wait_for(anext(others), LIMIT)).data == "no answer"


async def test_request_without_an_answer_times_out():
    with Cluster() as cluster:
        async with client(cluster.ws_url("/ws/kitchen"), "browser/anna") as anna:
            await anna.register()
            anna.handle("sing", lambda message: None)  # keeps its answer to itself
            with pytest.raises(DormouseError, match="gave no answer") as caught:
                await anna.request("browser/anna", "sing", timeout=0.2)
            assert (caught.value.code, caught.value.retryable) == ("timeout", True)


async def test_disconnect_ends_a_request():
    with Cluster() as cluster:
        async with client(cluster.ws_url("/ws/kitchen"), "browser/anna") as anna:
            await anna.register()
            messages = anna.messages()
            asking = asyncio.create_task(anna.request("browser/anna", "sing"))
            await asyncio.wait_for(anext(messages), LIMIT)
        with pytest.raises(DormouseError, match="disconnected|connection_lost"):
            await asking
