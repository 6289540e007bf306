"""What comes to the Python client: messages, topics, callbacks; and registrations that stay alive."""

import asyncio
import logging

import pytest
from dormouse import DormouseError
from fake_hub import FakeHub, error
from manual_clock import until


async def test_message_has_its_parts(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        messages = client.messages()
        await hub.forward({"n": 1}, "m1", originalMessageId="o1")
        message = await anext(messages)
        assert (message.id, message.sender, message.to) == ("m1", "browser/other", "browser/me")
        assert (message.type, message.data, message.topic) == ("chat", {"n": 1}, None)
        assert message.metadata["originalMessageId"] == "o1"


async def test_topic_goes_to_its_own_readers_and_to_those_of_everything(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        heard = []
        everything = client.messages()
        news = await client.subscribe("news")
        await client.subscribe("weather", lambda message: heard.append(message.data))
        await hub.forward(1, topic="weather", publication=True)
        await hub.forward(2, topic="news", publication=True)
        await hub.forward(3)
        assert (await anext(news)).data == 2
        assert [(await anext(everything)).data for _ in range(3)] == [1, 2, 3]
        assert heard == [1]

        await news.unsubscribe()
        assert [message async for message in news] == []
        assert hub.got("hub:unsubscribe")[0]["payload"] == {"topic": "news"}


async def test_presence_reaches_its_subscribers_and_is_no_place_to_resume_from(clock, make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="r")
        async with make_client(hub) as client:
            seen = await client.subscribe("hub/presence")
            await hub.forward(1, "m1")
            joined = {"actorAddress": "browser/other", "event": "joined", "at": 1}
            await hub.send("hub:presence", joined, metadata={"topic": "hub/presence", "publication": True, "forwarded": True})
            message = await anext(seen)
            assert (message.type, message.data, message.topic) == ("hub:presence", joined, "hub/presence")
            hub.cut()
            await clock.pass_timer(0.1)
            await hub.until_got("hub:connect", 2)
            assert hub.got("hub:connect")[-1]["payload"]["lastMessageId"] == "m1"


async def test_own_publication_is_a_message_and_no_reply(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        news = await client.subscribe("news")

        def publish(frame):
            asyncio.create_task(
                hub.send("flash", "mine", correlationId=frame["id"], metadata={"topic": "news", "publication": True})
            )
            return ("hub:delivery_ack", {"subscriberCount": 1})

        hub.answers["hub:publish"] = publish
        assert (await client.publish("news", "flash"))["subscriberCount"] == 1
        assert (await anext(news)).data == "mine"


async def test_refused_subscription_leaves_nothing_behind(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:subscribe"] = error("unauthorized")
        with pytest.raises(DormouseError):
            await client.subscribe("news")
        hub.cut()
        await clock.pass_timer(0.1)
        await until(lambda: len(client.seen) == 4, "the second connection")
        assert not hub.got("hub:subscribe", 1)


async def test_handlers_run_in_order_and_may_ask_the_hub(make_client):
    order = []

    async with FakeHub().serving() as hub, make_client(hub) as client:

        @client.on("message")
        async def slow(message):
            await client.list_actors()
            order.append(message.data)

        for number in range(5):
            await hub.forward(number)
        await until(lambda: len(order) == 5, "five messages")
        assert order == [0, 1, 2, 3, 4]
        client.off("message", slow)
        await hub.forward(5)
        messages = client.messages()
        await hub.forward(6)
        while (await anext(messages)).data != 6:
            pass
        assert order == [0, 1, 2, 3, 4]


async def test_failing_handler_is_logged_and_stops_nobody(make_client, caplog):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        heard = []

        def fail(_message):
            raise ZeroDivisionError

        client.on("message", fail)
        client.on("message", heard.append)
        with caplog.at_level(logging.ERROR, "dormouse"):
            await hub.forward(1)
            await until(lambda: heard, "the second handler")
        assert "ZeroDivisionError" in caplog.text


async def test_handler_may_disconnect(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        messages = client.messages()
        client.on("message", lambda _: client.disconnect())
        await hub.forward("enough")
        assert [message.data async for message in messages] == ["enough"]
        await client.disconnect()


async def test_unknown_event_is_an_error(make_client):
    async with FakeHub().serving() as hub:
        with pytest.raises(ValueError, match="no event 'massage'"):
            make_client(hub).on("massage", print)


async def test_reader_that_is_behind_loses_the_oldest_and_is_told(make_client):
    async with FakeHub().serving() as hub, make_client(hub, inbox_limit=3) as client:
        messages = client.messages()
        for number in range(5):
            await hub.forward(number)
        await client.list_actors()
        assert [(await anext(messages)).data for _ in range(3)] == [2, 3, 4]
        assert [seen[1].code for seen in client.seen if seen[0] == "error"] == ["inbox_full"]


async def test_registration_is_renewed_half_way_with_the_latest_token(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, capabilities=["chat"]) as client:
        hub.answers["hub:register"] = lambda frame: hub.registered(frame, lifetime=40)
        registration = await client.register(ttl=40)
        first = registration.renewal_token
        await clock.pass_timer(20)
        renewal = (await hub.until_got("hub:renew"))[0]["payload"]
        assert renewal == {"actorAddress": "browser/me", "renewalToken": first, "ttl": 40000}
        await clock.pass_timer(150)
        second = (await hub.until_got("hub:renew", 2))[1]["payload"]["renewalToken"]
        assert second != first and registration.expires_at > 0


async def test_registration_that_the_connection_keeps_is_not_renewed(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:register"] = lambda frame: hub.registered(frame, renewalNeeded=False)
        await client.register()
        hub.answers["hub:register"] = hub.registered
        await client.register("browser/other")
        await clock.pass_timer(150)
        renewals = await hub.until_got("hub:renew")
        assert [frame["payload"]["actorAddress"] for frame in renewals] == ["browser/other"]


async def test_registration_that_has_expired_is_made_again(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.register()
        hub.answers["hub:renew"] = error("unauthorized")
        await clock.pass_timer(150)
        await hub.until_got("hub:register", 2)
        await until(lambda: 150 in clock.delays(), "the next renewal")
        assert not [seen for seen in client.seen if seen[0] == "error"]


async def test_renewal_that_fails_for_the_moment_is_tried_again(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.register()
        hub.answers["hub:renew"] = error("timeout")
        await clock.pass_timer(150)
        await clock.pass_timer(1)
        await hub.until_got("hub:renew", 2)
        assert len(hub.got("hub:register")) == 1


async def test_unregistered_address_is_not_renewed(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.register()
        await client.unregister()
        clock.advance(300)
        await client.list_actors()
        assert not hub.got("hub:renew")
