"""The Python client's requests: answers, errors, queueing, pauses, rate limits, losses in between."""

import asyncio

import pytest
from dormouse import Backlog, DormouseError
from fake_hub import FakeHub, error
from manual_clock import until


def sent(hub, connection=None):
    return [frame["payload"]["data"] for frame in hub.got("hub:send", connection)]


def errors(client):
    return [seen[1] for seen in client.seen if seen[0] == "error"]


async def offline(client, hub):
    hub.cut()
    await until(lambda: any(seen[0] == "reconnecting" for seen in client.seen), "the loss to be noticed")


async def test_send_is_a_tell_and_ask_waits_for_the_delivery(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.send("browser/other", "chat", {"n": 1}, metadata={"trace": "t"}, ttl=1.5)
        hub.answers["hub:send"] = ("hub:delivery_ack", {"status": "delivered"})
        assert await client.ask("browser/other", "chat", "two") == {"status": "delivered"}
        tell, ask = hub.got("hub:send")
        assert (tell["pattern"], tell["ttl"], tell["metadata"]) == ("tell", 1500, {"trace": "t"})
        assert tell["payload"] == {"to": "browser/other", "type": "chat", "data": {"n": 1}}
        assert (tell["from"], tell["to"], tell["timestamp"]) == ("browser/me", "cloudflare/signal-hub", 1_000_000)
        assert (ask["pattern"], ask["ttl"]) == ("ask", None)


async def test_addresses_are_written_as_the_actor_is(make_client):
    async with FakeHub().serving() as hub, make_client(hub, actor="@(browser/me)") as client:
        await client.send("@(browser/other)", "chat", sender="@(browser/second)")
        frame = (await hub.until_got("hub:send"))[0]
        assert (frame["from"], frame["to"]) == ("@(browser/second)", "@(cloudflare/signal-hub)")


async def test_requests_carry_what_they_were_given(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.broadcast("all", 1, capability="render", metadata={"trace": "t"}, ttl=2)
        await client.publish("news", "flash", [2], metadata={"trace": "u"}, ttl=1.5)
        await client.discover("browser/*", capabilities=["a"], metadata={"b": 1}, limit=5, offset=10)
        await client.list_actors(offset=3, limit=4)
        await client.queue_stats()
        frame = hub.got("hub:broadcast")[0]
        assert frame["payload"] == {"type": "all", "data": 1, "excludeSelf": True}
        assert (frame["metadata"], frame["ttl"]) == ({"trace": "t", "targetCapability": "render"}, 2000)
        frame = hub.got("hub:publish")[0]
        assert (frame["metadata"], frame["ttl"]) == ({"trace": "u"}, 1500)
        payloads = [hub.got(kind)[0]["payload"] for kind in ("hub:publish", "hub:discover", "hub:list_actors")]
        assert payloads == [
            {"topic": "news", "type": "flash", "data": [2]},
            {"pattern": "browser/*", "limit": 5, "offset": 10, "capabilities": ["a"], "metadata": {"b": 1}},
            {"offset": 3, "limit": 4},
        ]
        assert len(hub.got("hub:queue_stats")) == 1


async def test_discover_all_turns_the_pages(make_client):
    actors = [{"address": f"browser/{number}"} for number in range(250)]

    def page(frame):
        offset = frame["payload"]["offset"]
        found = actors[offset : offset + 100]
        return ("hub:discovery_result", {"actors": found, "hasMore": offset + 100 < len(actors)})

    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:discover"] = page
        assert [actor async for actor in client.discover_all()] == actors


async def test_error_of_the_hub_has_all_its_parts(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:publish"] = error("unauthorized", why="not yours")
        with pytest.raises(DormouseError) as caught:
            await client.publish("news", "flash")
        failure = caught.value
        assert (failure.code, failure.resolution, failure.retryable) == ("unauthorized", "do so", False)
        assert (failure.message, failure.details) == ("says the script: unauthorized", {"why": "not yours"})


async def test_unknown_actor_is_an_error(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = ("hub:unknown_actor", {"actorAddress": "browser/nobody", "message": "nobody"})
        with pytest.raises(DormouseError, match="browser/nobody") as caught:
            await client.ask("browser/nobody", "chat")
        assert (caught.value.code, caught.value.retryable) == ("unknown_actor", False)


async def test_error_that_no_call_waits_for_is_an_event(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = error("message_expired")
        await client.send("browser/other", "chat")
        await until(lambda: errors(client), "the error")
        assert errors(client)[0].details["messageId"] == hub.got("hub:send")[0]["id"]


async def test_ask_without_an_answer_times_out(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = None
        asking = asyncio.create_task(client.ask("browser/other", "chat", timeout=3))
        await clock.pass_timer(3)
        with pytest.raises(DormouseError, match="within 3 s") as caught:
            await asking
        assert (caught.value.code, caught.value.retryable) == ("timeout", True)


async def test_what_never_left_says_so_and_that_it_may_be_sent_again(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        async def late(call, said, sent_at_all):
            asking = asyncio.create_task(call)
            await clock.pass_timer(3)
            with pytest.raises(DormouseError, match=said) as caught:
                await asking
            assert (caught.value.code, caught.value.retryable) == ("timeout", True)
            assert caught.value.details.get("sent", True) is sent_at_all
            assert ("Send it again" in caught.value.resolution) is not sent_at_all

        await hub.send("hub:pause", {})
        await until(lambda: ("paused", None) in client.seen, "the pause")
        await late(client.ask("a/b", "x", timeout=3), "Not sent: it waited 3 s for the end of a pause", False)
        await hub.send("hub:resume", {})
        await until(lambda: ("unpaused",) in client.seen, "its end")
        hub.answers["hub:send"] = ("hub:delivery_ack", {})
        await late(client.request("a/b", "x", timeout=3), "a/b gave no answer within 3 s", True)
        hub.answers["hub:send"] = None
        await late(client.request("a/b", "x", timeout=3), "No answer within 3 s", True)
        doubtful = asyncio.create_task(client.ask("a/b", "x", timeout=2, idempotent=True))
        await hub.until_got("hub:send", 3)
        await offline(client, hub)
        clock.advance(0.05)
        for call in (client.ask, client.request):
            asking = asyncio.create_task(call("a/b", "x", timeout=0.04))
            await until(lambda: 0.04 in clock.delays(), "its timer")
            clock.advance(0.04)
            with pytest.raises(DormouseError, match="Not sent: it waited 0.04 s for a connection"):
                await asking
        clock.advance(2)
        with pytest.raises(DormouseError, match="No answer within 2 s"):
            await doubtful


async def test_messages_wait_for_the_next_connection_in_order(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await offline(client, hub)
        for number in range(5):
            await client.send("browser/other", "chat", number)
        hub.answers["hub:send"] = ("hub:delivery_ack", {})
        asking = asyncio.create_task(client.ask("browser/other", "chat", 5))
        await clock.pass_timer(0.1)
        await asking
        assert sent(hub, 1) == [0, 1, 2, 3, 4, 5]


async def test_queue_is_bounded_while_nothing_can_leave(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, outbox_limit=3) as client:
        await offline(client, hub)
        for number in range(3):
            await client.send("browser/other", "chat", number)
        with pytest.raises(DormouseError, match="3 messages wait already") as caught:
            await client.send("browser/other", "chat", 3)
        assert (caught.value.code, caught.value.retryable) == ("queue_full", True)
        await clock.pass_timer(0.1)
        await hub.until_got("hub:send", 3)
        await client.send("browser/other", "chat", "room again")


async def test_fast_sender_is_slowed_down_not_refused(make_client):
    async with FakeHub().serving() as hub, make_client(hub, outbox_limit=3) as client:
        for number in range(100):
            await client.send("browser/other", "chat", number)
        await hub.until_got("hub:send", 100)
        assert sent(hub) == list(range(100))


async def test_disconnect_sends_first_what_is_waiting(make_client):
    async with FakeHub().serving() as hub:
        async with make_client(hub) as client:
            for number in range(50):
                await client.send("browser/other", "chat", number)
        assert sent(hub) == list(range(50))


async def test_message_that_is_never_sent_is_reported(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        await offline(client, hub)
        await client.send("browser/other", "chat")
        await client.disconnect()
        assert errors(client)[0].details == {"unsent": 1}


async def test_ask_in_flight_at_a_loss_fails_retryably(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = None
        asking = asyncio.create_task(client.ask("browser/other", "chat"))
        await hub.until_got("hub:send")
        hub.cut()
        with pytest.raises(DormouseError) as caught:
            await asking
        assert (caught.value.code, caught.value.retryable) == ("connection_lost", True)


async def test_idempotent_ask_is_repeated_after_a_loss(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = None
        asking = asyncio.create_task(client.ask("browser/other", "chat", idempotent=True))
        await hub.until_got("hub:send")
        hub.cut()
        hub.answers["hub:send"] = ("hub:delivery_ack", {"status": "delivered"})
        await clock.pass_timer(0.1)
        assert (await asking)["status"] == "delivered"
        first, second = hub.got("hub:send")
        assert first == second


async def test_question_to_the_hub_itself_is_repeated_after_a_loss(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:list_actors"] = None
        asking = asyncio.create_task(client.list_actors())
        await hub.until_got("hub:list_actors")
        hub.cut()
        del hub.answers["hub:list_actors"]
        await clock.pass_timer(0.1)
        await asking


async def test_pause_holds_messages_to_others_back_and_nothing_else(make_client):
    async with FakeHub().serving() as hub, make_client(hub, outbox_limit=2) as client:
        await hub.send("hub:pause", {"reason": "queue_full"})
        await until(lambda: ("paused", "queue_full") in client.seen, "the pause")
        await client.send("browser/other", "chat", 1)
        await client.list_actors()
        await client.send("browser/other", "chat", 2)
        with pytest.raises(DormouseError, match="asked for a pause"):
            await client.send("browser/other", "chat", 3)
        assert not hub.got("hub:send")
        await hub.send("hub:resume", {})
        await hub.until_got("hub:send", 2)
        assert sent(hub) == [1, 2]
        assert ("unpaused",) in client.seen


async def test_pause_ends_with_its_connection(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await hub.send("hub:pause", {"reason": "queue_full"})
        await until(lambda: ("paused", "queue_full") in client.seen, "the pause")
        await client.send("browser/other", "chat", 1)
        hub.cut()
        await clock.pass_timer(0.1)
        await hub.until_got("hub:send")


async def test_rate_limited_messages_go_out_again_in_order(clock, make_client):
    refusal = error("rate_limited", retryAfter=2)

    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = lambda frame: refusal if frame["payload"]["data"] == 2 else None
        for number in (1, 2, 3):
            await client.send("browser/other", "chat", number)
        await until(lambda: len(hub.got("hub:send")) == 3 and 2 in clock.delays(), "the refusal")
        hub.answers["hub:send"] = None
        await client.send("browser/other", "chat", 4)
        await hub.send(*refusal, correlationId=hub.got("hub:send")[2]["id"])
        messages = client.messages()
        await hub.forward("behind the second refusal")
        await anext(messages)
        await clock.pass_timer(2)
        await hub.until_got("hub:send", 4)
        await clock.pass_timer(0.1)  # from now on at ten a second
        await hub.until_got("hub:send", 5)
        await clock.pass_timer(0.1)
        await hub.until_got("hub:send", 6)
        assert sent(hub) == [1, 2, 3, 2, 3, 4]
        assert not errors(client)
        clock.advance(1)  # or the goodbye would wait


async def test_another_limit_than_that_of_the_rate_holds_messages_and_sets_no_pace(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = error("rate_limited", retryAfterMs=300, limit=1)
        hub.answers["hub:send"][1]["details"]["code"] = "MAILBOX_FULL"
        await client.send("browser/other", "chat", 1)
        await until(lambda: 0.3 in clock.delays(), "the refusal")
        hub.answers["hub:send"] = None
        for number in (2, 3):
            await client.send("browser/other", "chat", number)
        await clock.pass_timer(0.3)
        await hub.until_got("hub:send", 4)
        assert sent(hub) == [1, 1, 2, 3]


async def test_of_messages_of_which_the_latest_counts_one_waits(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:publish"] = error("rate_limited", retryAfterMs=500, limit=10)
        refused = asyncio.create_task(client.publish("board", "cursor", 1, latest=True))
        await until(lambda: 0.5 in clock.delays(), "the refusal")
        hub.answers["hub:publish"] = ("hub:delivery_ack", {"subscriberCount": 1})
        await client.send("browser/other", "chat", "between")
        later = []
        for number in (2, 3):
            later.append(asyncio.create_task(client.publish("board", "cursor", number, latest=True)))
            await asyncio.sleep(0)
        elsewhere = asyncio.create_task(client.publish("board", "drag", 4, latest="shape-1"))
        assert await refused == await later[0] == {"superseded": True}
        assert client.backlog.waiting == 3
        await clock.pass_timer(0.5)
        await hub.until_got("hub:publish", 2)
        await clock.pass_timer(0.1)
        await hub.until_got("hub:send", 1)
        await clock.pass_timer(0.1)
        await hub.until_got("hub:publish", 3)
        assert "superseded" not in await later[1]
        assert "superseded" not in await elsewhere
        assert [frame["payload"]["data"] for frame in hub.got("hub:publish")] == [1, 3, 4]
        clock.advance(1)


async def test_a_refused_message_gives_way_to_a_later_one(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = lambda frame: None
        await client.send("browser/other", "cursor", 1, latest=True)
        await hub.until_got("hub:send", 1)
        refused = hub.got("hub:send")[0]["id"]
        hub.answers["hub:send"] = None
        await hub.send("hub:pause", {"reason": "slow"})
        await until(lambda: ("paused", "slow") in client.seen, "the pause")
        await client.send("browser/other", "cursor", 2, latest=True)
        await hub.send(*error("rate_limited", retryAfter=1), correlationId=refused)
        await until(lambda: 1 in clock.delays(), "the refusal")
        assert client.backlog.waiting == 1
        await hub.send("hub:resume", {})
        await clock.pass_timer(1)
        await hub.until_got("hub:send", 2)
        assert sent(hub) == [1, 2]
        clock.advance(1)


async def test_who_sends_more_than_leaves_is_told(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, backlog_after=0.25) as client:
        told = []
        client.on("backlog", lambda backlog: told.append((backlog.waiting, backlog.reason)))
        await hub.send("hub:pause", {"reason": "slow"})
        await until(lambda: ("paused", "slow") in client.seen, "the pause")
        await client.send("browser/other", "chat", 1)
        assert client.backlog == Backlog(1, 0.0, "pause")
        await clock.pass_timer(0.25)
        await until(lambda: told == [(1, "pause")], "the first word")
        for number in (2, 3, 4):
            await client.send("browser/other", "chat", number)
        await until(lambda: told == [(1, "pause"), (2, "pause"), (4, "pause")], "the next ones")
        await hub.send("hub:resume", {})
        await hub.until_got("hub:send", 4)
        await until(lambda: told[3:] == [(0, None)], "the end")
        assert client.backlog == Backlog()


async def test_rate_limit_is_obeyed_a_bounded_number_of_times(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, rate_limit_retries=2) as client:
        hub.answers["hub:publish"] = error("rate_limited", retryAfter=1)
        asking = asyncio.create_task(client.publish("news", "flash", timeout=60))
        await clock.pass_timer(1)
        await hub.until_got("hub:publish", 2)
        await clock.pass_timer(1)
        with pytest.raises(DormouseError) as caught:
            await asking
        assert (caught.value.code, caught.value.retryable, caught.value.retry_after) == ("rate_limited", True, 1)
        assert len(hub.got("hub:publish")) == 3
        clock.advance(1)  # or the goodbye would wait


async def test_message_that_is_too_large_is_refused_here(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        with pytest.raises(DormouseError, match="message_too_large") as caught:
            await client.send("browser/other", "chat", "ä" * (1 << 19))
        assert caught.value.details["maxSize"] == 1 << 20
        assert client.connected


async def test_what_json_has_no_words_for_is_refused_here(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        for data in (object(), float("nan")):
            with pytest.raises((TypeError, ValueError)):
                await client.send("browser/other", "chat", data)


async def test_cancelled_ask_is_not_sent(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await offline(client, hub)
        asking = asyncio.create_task(client.ask("browser/other", "chat", "never"))
        await asyncio.sleep(0)
        asking.cancel()
        await client.send("browser/other", "chat", "only")
        await clock.pass_timer(0.1)
        await hub.until_got("hub:send")
        await client.list_actors()
        assert sent(hub) == ["only"]
