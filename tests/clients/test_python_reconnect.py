"""The Python client and the loss of connections: back-off, resumption, restoration, what is final."""

import asyncio
import base64
import json

import pytest
from dormouse import DormouseError
from fake_hub import FakeHub, error
from manual_clock import until


def events(client, name):
    return [seen[1:] for seen in client.seen if seen[0] == name]


async def until_event(client, name, count=1):
    await until(lambda: len(events(client, name)) >= count, f"{count} events {name}; there are {client.seen}")
    return events(client, name)[count - 1]


async def test_any_close_leads_to_a_new_connection_after_growing_delays(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        for number, (code, delay) in enumerate([(1001, 0.1), (1000, 0.2), (1011, 0.4), (1013, 0.8)], 1):
            await hub.close(code)
            assert (await until_event(client, "disconnected", number))[0] == code
            assert (await until_event(client, "reconnecting", number))[:2] == (number, delay)
            await clock.pass_timer(delay)
            await until_event(client, "connected", number + 1)
        assert client.session_id == "s5"


async def test_backoff_starts_over_after_a_connection_that_lasted(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.cut()
        await clock.pass_timer(0.1)
        await until_event(client, "connected", 2)
        clock.advance(5)
        hub.cut()
        assert (await until_event(client, "reconnecting", 2))[:2] == (1, 0.1)


async def test_connect_keeps_trying_and_says_in_the_end_why_it_failed(clock, make_client):
    async with FakeHub().serving() as hub:
        url = hub.url
    hub.url = url  # nobody listens there any more
    client = make_client(hub)
    connecting = asyncio.create_task(client.connect(timeout=1.0))
    await clock.pass_timer(0.1)
    await clock.pass_timer(0.2)
    await clock.pass_timer(0.7)
    with pytest.raises(DormouseError, match="connection refused") as caught:
        await connecting
    assert caught.value.retryable


async def test_requested_disconnect_is_the_end(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        await client.disconnect()
        assert len(hub.got("hub:disconnect")) == 1
        assert len(hub.connections) == 1
        assert not events(client, "reconnecting")
        assert events(client, "disconnected")[0][0] == 1000
        with pytest.raises(DormouseError, match="disconnected"):
            await client.send("browser/other", "chat")
        with pytest.raises(DormouseError, match="connects once"):
            await client.connect()


async def test_disconnect_while_offline_ends_the_attempts(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        hub.cut()
        await until_event(client, "reconnecting")
        await client.disconnect()
        assert len(hub.connections) == 1


async def test_disconnect_ends_a_connect_that_is_under_way(make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = None
        client = make_client(hub)
        connecting = asyncio.create_task(client.connect())
        await hub.until_got("hub:connect")
        await client.disconnect()
        with pytest.raises(DormouseError, match="disconnected"):
            await connecting


@pytest.mark.parametrize("code", ["unauthorized", "invalid_token", "version_mismatch"])
async def test_refusal_is_final_and_says_why(make_client, code):
    async def refuse_and_close(frame):
        await hub.send(*error(code), correlationId=frame["id"])
        await hub.sockets[-1].close(1008)

    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = lambda frame: asyncio.create_task(refuse_and_close(frame)) and None
        client = make_client(hub)
        with pytest.raises(DormouseError) as caught:
            await client.connect()
        assert (caught.value.code, caught.value.resolution) == (code, "do so")
        assert len(hub.connections) == 1


async def test_refusal_after_a_loss_ends_the_client_with_an_error(clock, make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        messages = client.messages()
        hub.answers["hub:connect"] = error("unauthorized")
        hub.cut()
        await clock.pass_timer(0.1)
        with pytest.raises(DormouseError, match="unauthorized"):
            await anext(messages)
        assert (await until_event(client, "error"))[0].code == "unauthorized"
        with pytest.raises(DormouseError):
            await client.list_actors()
        await client.disconnect()


async def test_busy_hub_is_asked_again(clock, make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = error("timeout")
        client = make_client(hub)
        connecting = asyncio.create_task(client.connect())
        await hub.until_got("hub:connect")
        del hub.answers["hub:connect"]
        await clock.pass_timer(0.1)
        await connecting
        await client.disconnect()


async def test_duplicate_connection_is_final(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        await hub.send("hub:disconnect", {"reason": "duplicate_connection", "message": "another one"})
        await hub.close(1000)
        failure = (await until_event(client, "error"))[0]
        assert (failure.code, failure.message) == ("duplicate_connection", "another one")
        assert not events(client, "reconnecting")
        await client.disconnect()


@pytest.mark.parametrize("protocol, place", [("1.0", "payload"), ("0.1", "metadata")])
async def test_session_is_resumed_with_its_token_and_the_last_message(clock, make_client, protocol, place):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="again")
        async with make_client(hub, protocol=protocol, capabilities=["chat"]) as client:
            assert "resumeToken" not in (hub.got("hub:connect")[0][place] or {})
            await client.register()
            await client.subscribe("news")
            messages = client.messages()
            await hub.forward("one", "m1")
            await hub.forward("two", "m2")
            assert [(await anext(messages)).data for _ in range(2)] == ["one", "two"]

            hub.answers["hub:connect"] = hub.connected(True, "once more", missed=3)
            hub.cut()
            await clock.pass_timer(0.1)
            details = (await until_event(client, "resumed"))[0]
            said = hub.got("hub:connect")[1][place]
            assert (said["resumeToken"], said["lastMessageId"]) == ("again", "m2")
            assert (details.resumed, details.missed) == (True, 3)
            assert not hub.got("hub:register", 1) and not hub.got("hub:subscribe", 1)

            hub.cut()
            await clock.pass_timer(0.2)
            await until_event(client, "resumed", 2)
            assert hub.got("hub:connect")[2][place]["resumeToken"] == "once more"


async def test_new_session_gets_registrations_and_subscriptions_back_before_anything_else(clock, make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="again")
        async with make_client(hub, capabilities=["chat"]) as client:
            await client.register(metadata={"role": "cook"}, ttl=60)
            await client.register("browser/second")
            await client.register("browser/third")
            await client.unregister("browser/third")
            await client.subscribe("news")
            await client.subscribe("weather")
            await client.unsubscribe("weather")
            hub.answers["hub:connect"] = hub.connected(False, "other")
            hub.cut()
            await until_event(client, "reconnecting")
            await client.send("browser/other", "chat", "meanwhile")
            await clock.pass_timer(0.1)
            await until_event(client, "connected", 2)
            await until(lambda: hub.got("hub:send", 1), "the message of meanwhile")
            again = [(frame["type"], frame["payload"]) for frame in hub.connections[1][1:]]
            own = {"actorAddress": "browser/me", "capabilities": ["chat"], "metadata": {"role": "cook"}, "ttl": 60000}
            assert again == [
                ("hub:register", own),
                ("hub:register", {"actorAddress": "browser/second", "capabilities": ["chat"], "metadata": {}}),
                ("hub:subscribe", {"topic": "news"}),
                ("hub:send", {"to": "browser/other", "type": "chat", "data": "meanwhile"}),
            ]


async def test_restoration_waits_out_the_rate_limit(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.register()
        hub.answers["hub:register"] = error("rate_limited", retryAfter=2)
        hub.cut()
        await clock.pass_timer(0.1)
        await hub.until_got("hub:register", 2)
        del hub.answers["hub:register"]
        await until(lambda: clock.delays().count(2) == 2, "that the restoration waits, and not only what is in the queue")
        await clock.pass_time(2)
        await until_event(client, "connected", 2)
        assert not events(client, "error")
        assert len(hub.connections) == 2


async def test_registration_that_a_new_session_may_not_have_is_given_up(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await client.register()
        hub.answers["hub:register"] = error("unauthorized")
        hub.cut()
        await clock.pass_timer(0.1)
        await until_event(client, "connected", 2)
        assert (await until_event(client, "error"))[0].code == "unauthorized"
        hub.cut()
        await clock.pass_timer(0.2)
        await until_event(client, "connected", 3)
        assert not hub.got("hub:register", 2)


async def test_message_that_comes_twice_is_handed_over_once(clock, make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="again")
        async with make_client(hub) as client:
            messages = client.messages()
            await hub.forward("one", "m1")
            await anext(messages)
            hub.answers["hub:connect"] = hub.connected(True, "again")
            hub.cut()
            await clock.pass_timer(0.1)
            await until_event(client, "resumed")
            await hub.forward("one", "m1")
            await hub.forward("for another address of this client", "m1", to="browser/second")
            await hub.forward("two", "m2")
            got = [(await anext(messages)).data for _ in range(2)]
            assert got == ["for another address of this client", "two"]


async def test_heartbeats_come_at_the_advertised_interval(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        for count in (1, 2, 3):
            await clock.pass_timer(30)
            await hub.until_got("hub:heartbeat", count)
            await until(lambda: 30 in clock.delays(), "the acknowledgement")
        assert client.connected
        assert hub.got("hub:heartbeat")[0]["payload"] == {"timestamp": 1_030_000}


async def test_connection_that_answers_no_heartbeat_is_replaced(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:heartbeat"] = None
        await clock.pass_timer(30)
        await clock.pass_timer(10)
        await hub.until_got("hub:heartbeat", 2)
        await clock.pass_timer(10)
        assert await until_event(client, "disconnected") == (1006, "no answer to 2 heartbeats")
        await clock.pass_timer(0.1)
        await until_event(client, "connected", 2)


@pytest.mark.parametrize("protocol, place, field", [("1.0", "payload", "jwt"), ("0.1", "metadata", "authToken")])
async def test_token_is_asked_for_at_each_connect(clock, make_client, protocol, place, field):
    numbers = iter(range(9))

    async def token():
        return f"token {next(numbers)}"

    async with FakeHub().serving() as hub, make_client(hub, protocol=protocol, token=token) as client:
        hub.cut()
        await clock.pass_timer(0.1)
        await until_event(client, "connected", 2)
        assert [frame[place][field] for frame in hub.got("hub:connect")] == ["token 0", "token 1"]


async def test_token_goes_with_the_upgrade_where_wanted(make_client):
    async with FakeHub().serving() as hub, make_client(hub, token="secret", upgrade_auth=True):
        assert hub.headers[0]["Authorization"] == "Bearer secret"
        assert "jwt" not in hub.got("hub:connect")[0]["payload"]


async def test_failing_token_source_is_tried_again(clock, make_client):
    answers = iter([OSError("no token server"), "token"])

    def token():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async with FakeHub().serving() as hub:
        client = make_client(hub, token=token)
        connecting = asyncio.create_task(client.connect())
        await clock.pass_timer(0.1)
        await connecting
        assert "no token server" in events(client, "reconnecting")[0][2]
        await client.disconnect()


async def test_refreshed_token_is_used_from_then_on(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, token="old") as client:
        assert (await client.refresh_token())["token"] == "fresh"
        assert hub.got("hub:refresh_token")[0]["payload"] == {"token": "old"}
        hub.cut()
        await clock.pass_timer(0.1)
        await until_event(client, "connected", 2)
        assert hub.got("hub:connect")[1]["payload"]["jwt"] == "fresh"


def jwt(expires, name=""):
    """A JSON Web Token in all but its signature."""
    parts = ({"alg": "HS256"}, {"exp": expires, "sub": name})
    encoded = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts]
    return ".".join((*encoded, "signature"))


@pytest.mark.parametrize("upgrade_auth", [False, True])
async def test_session_gets_a_new_token_before_its_own_expires(clock, make_client, upgrade_auth):
    tokens = [jwt(1100, "first"), jwt(1500, "second"), jwt(2000, "third")]
    source = iter(tokens)
    async with FakeHub().serving() as hub:
        async with make_client(hub, token=lambda: next(source), upgrade_auth=upgrade_auth) as client:
            await clock.pass_timer(80)
            await hub.until_got("hub:connect", 2)
            await clock.pass_timer(336)  # 80 % of what is left of 1500 s at 1080 s
            connects = await hub.until_got("hub:connect", 3)
            assert [frame["payload"]["jwt"] for frame in connects[1:]] == tokens[1:]
            assert len(hub.connections) == 1 and client.session_id == "s1"


async def test_session_that_got_a_new_token_is_resumed_with_what_it_got_then(clock, make_client):
    source = iter([jwt(1100), jwt(2000), jwt(2000)])
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="first")
        async with make_client(hub, token=lambda: next(source)) as client:
            hub.answers["hub:connect"] = hub.connected(resume_token="second")
            await clock.pass_timer(80)
            await until(lambda: 736 in clock.delays(), "the next renewal")
            hub.cut()
            await clock.pass_timer(0.1)
            await until_event(client, "connected", 2)
            assert [frame["payload"].get("resumeToken") for frame in hub.got("hub:connect")] == [None, None, "second"]


async def test_token_without_a_source_is_refreshed_by_the_hub(clock, make_client):
    async with FakeHub().serving() as hub:
        async with make_client(hub, token=jwt(1100)) as client:
            hub.answers["hub:refresh_token"] = ("hub:token_refreshed", {"token": jwt(1500, "fresh")})
            await clock.pass_timer(80)
            assert (await hub.until_got("hub:refresh_token"))[0]["payload"] == {"token": jwt(1100)}
            await clock.pass_timer(336)
            assert (await hub.until_got("hub:refresh_token", 2))[1]["payload"] == {"token": jwt(1500, "fresh")}
            assert not events(client, "error")


async def test_token_that_cannot_be_refreshed_is_an_error_and_no_loss(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub, token=jwt(1100)) as client:
        hub.answers["hub:refresh_token"] = error("invalid_token")
        await clock.pass_timer(80)
        assert (await until_event(client, "error"))[0].code == "invalid_token"
        await client.list_actors()
        assert 16 not in clock.delays()  # 80 % of the rest
        assert len(hub.connections) == 1


async def test_only_a_requested_disconnect_tells_the_hub_that_the_session_is_over(clock, make_client):
    async with FakeHub().serving() as hub:
        async with make_client(hub) as client:
            hub.answers["hub:heartbeat"] = None
            await clock.pass_timer(30)
            await clock.pass_timer(10)
            await clock.pass_timer(10)
            await clock.pass_timer(0.1)
            await until_event(client, "connected", 2)
            hub.answers["hub:disconnect"] = None
            leaving = asyncio.create_task(client.disconnect())
            await clock.pass_timer(2)
            await leaving
        assert [socket.close_code for socket in hub.sockets] == [1006, 1000]


async def test_token_to_resume_with_can_be_refreshed(clock, make_client):
    async with FakeHub().serving() as hub:
        hub.answers["hub:connect"] = hub.connected(resume_token="old")
        async with make_client(hub) as client:
            await client.refresh_token()
            assert hub.got("hub:refresh_token")[0]["payload"] == {"token": "old"}
            hub.cut()
            await clock.pass_timer(0.1)
            await until_event(client, "connected", 2)
            assert hub.got("hub:connect")[1]["payload"]["resumeToken"] == "fresh"
            assert "jwt" not in hub.got("hub:connect")[1]["payload"]
