"""The Python client over a path that goes silent without saying so, and what it refuses at once."""

import asyncio
import math
import time

import pytest
import websockets
from dormouse import Client, DormouseError
from dormouse.heartbeat import Heartbeat, HeartbeatLost
from fake_hub import FakeHub
from manual_clock import until


def deaf(hub):
    """From now on the hub hears nothing, or cannot be heard."""
    for kind in ("hub:heartbeat", "hub:send"):
        hub.answers[kind] = None


async def asked(hub, client, **settings):
    asking = asyncio.create_task(client.ask("browser/other", "chat", 1, **settings))
    await hub.until_got("hub:send")
    return asking


def lost(client):
    return [details for name, *details in client.seen if name == "disconnected"]


async def test_idle_connection_is_asked_nothing_beyond_its_heartbeats(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub):
        await until(lambda: {2.5, 30} <= set(clock.delays()), "the start of the heartbeats")
        await clock.pass_time(29.9)
        assert not hub.got("hub:heartbeat")
        await clock.pass_time(0.2)
        await hub.until_got("hub:heartbeat")


async def test_silence_while_an_answer_is_awaited_costs_the_connection_within_seconds(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        deaf(hub)
        asking = await asked(hub, client)
        await clock.pass_timer(2.5)
        await hub.until_got("hub:heartbeat")
        assert not lost(client)
        await clock.pass_timer(4)
        with pytest.raises(DormouseError, match="no answer within 4 s") as caught:
            await asking
        assert caught.value.code == "connection_lost"
        await until(lambda: lost(client), "the loss")
        assert lost(client)[0][0] == 1006
        await clock.pass_timer(0.1)
        await until(lambda: client.connected, "the next connection")


async def test_silence_while_another_actor_thinks_costs_the_connection_too(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        asking = asyncio.create_task(client.request("browser/other", "add", 1))
        await hub.until_got("hub:send")
        messages = client.messages()
        await hub.forward("behind the acknowledgement", "m1")
        assert (await anext(messages)).id == "m1"
        deaf(hub)
        await clock.pass_time(2.6)
        await hub.until_got("hub:heartbeat")
        await clock.pass_time(4.1)
        await until(lambda: lost(client), "the loss")
        asking.cancel()


async def test_hub_that_answers_pings_may_think_for_long(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        hub.answers["hub:send"] = None
        asking = await asked(hub, client, timeout=60)
        for count in range(1, 11):
            await clock.pass_timer(2.5)
            heard = len(hub.got("hub:heartbeat"))
            assert heard >= count - 1
            await hub.until_got("hub:heartbeat", count)
            await until(lambda: 2.5 in clock.delays(), "the answer to be heard")
        assert not lost(client) and not asking.done()
        asking.cancel()


async def test_machine_that_slept_asks_at_once(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        deaf(hub)
        await until(lambda: 2.5 in clock.delays(), "the watch")
        wall = clock.wall_ms
        clock.wall_ms = lambda: wall() + 600_000
        await clock.pass_timer(2.5)  # the next look
        await hub.until_got("hub:heartbeat")
        await clock.pass_timer(4)
        await until(lambda: lost(client), "the loss")


async def test_stopped_program_reads_what_waits_before_it_judges(clock, make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        deaf(hub)
        asking = await asked(hub, client, timeout=500)
        await clock.pass_timer(2.5)
        await hub.until_got("hub:heartbeat")
        clock.advance(70)  # all at once: the timers are late
        held = await hub.forward("held")
        await hub.until_got("hub:heartbeat", 2)
        await hub.send("hub:delivery_ack", {"status": "delivered"}, correlationId=hub.got("hub:send")[0]["id"])
        assert (await asking)["status"] == "delivered" and held
        assert not lost(client)


async def test_path_that_takes_no_more_bytes_is_noticed(clock):
    async def blocked():
        await asyncio.get_running_loop().create_future()

    heartbeat = Heartbeat(clock, blocked)
    running = asyncio.create_task(heartbeat.run(30))
    await clock.pass_timer(30)
    await clock.pass_timer(10)
    await clock.pass_timer(10)
    with pytest.raises(HeartbeatLost):
        await running


async def test_time_of_the_client_is_that_of_connecting_too():
    async def silent(socket):
        await socket.wait_closed()

    async with websockets.serve(silent, "127.0.0.1", 0) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/test"
        started = time.monotonic()
        with pytest.raises(DormouseError, match="No session within 0.3 s") as caught:
            await Client(url, actor="browser/me", timeout=0.3).connect()
        assert caught.value.code == "connect_failed"
        assert time.monotonic() - started < 10  # the hub would have had 30 s


@pytest.mark.parametrize("answers", ["nothing", "the upgrade"])
async def test_time_for_connecting_is_not_overrun_by_a_goodbye(answers, monkeypatch):
    monkeypatch.setattr("dormouse.transport.CLOSE_TIMEOUT", 5)  # it gets that, once or more often, to answer a goodbye

    over = asyncio.Event()

    async def silent(socket):
        socket.transport.pause_reading()
        await over.wait()
        socket.transport.abort()

    async def mute(_reader, writer):
        await over.wait()
        writer.transport.abort()

    serving = asyncio.start_server(mute, "127.0.0.1", 0) if answers == "nothing" else websockets.serve(silent, "127.0.0.1", 0)
    async with await serving as server:
        for connecting in (lambda client: client.connect(timeout=0.1), lambda client: asyncio.wait_for(client.connect(), 0.1)):
            client = Client(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws/test", actor="browser/me")
            started = time.monotonic()
            with pytest.raises((DormouseError, TimeoutError)):
                await connecting(client)
            assert time.monotonic() - started < 5
        over.set()


@pytest.mark.parametrize("name, value, error", [
    ("timeout", -1, ValueError), ("timeout", 0, ValueError), ("timeout", math.nan, ValueError), ("timeout", "5", TypeError),
    ("timeout", True, TypeError), ("backlog_after", math.nan, ValueError), ("backlog_after", "1", TypeError),
    ("outbox_limit", -1, ValueError), ("outbox_limit", math.nan, TypeError), ("inbox_limit", 0, ValueError),
    ("rate_limit_retries", -1, ValueError),
])
def test_number_that_is_none_is_refused(name, value, error):
    with pytest.raises(error, match=f"^{name} is .*, not "):
        Client("ws://127.0.0.1/ws/room", actor="browser/me", **{name: value})


@pytest.mark.parametrize("value, error", [(-1, ValueError), (0, ValueError), (math.nan, ValueError), ("5", TypeError)])
async def test_so_is_the_timeout_of_a_call(value, error, make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        with pytest.raises(error, match="^timeout is "):
            await client.connect(value)
        async with client:
            for call in (client.ask("a/b", "x", timeout=value), client.request("a/b", "x", timeout=value),
                         client.broadcast("x", timeout=value), client.publish("t", "x", timeout=value)):
                with pytest.raises(error, match="^timeout is "):
                    await call
            assert not hub.got("hub:send")


@pytest.mark.parametrize("actor", ["", "@()", "a\nb", "x" * 257])
def test_actor_that_is_nobody_is_refused(actor):
    with pytest.raises(ValueError, match="^actor (is empty|has control characters)"):
        Client("ws://127.0.0.1/ws/room", actor=actor)


@pytest.mark.parametrize("name", ["", "my room", "a/b", "..", "%2e", "ä", "x" * 129, "a#b", "a%0a"])
def test_name_that_no_hub_can_have_is_refused(name):
    with pytest.raises(ValueError, match="is no name of a hub"):
        Client(f"ws://127.0.0.1/ws/{name}", actor="browser/me")
    with pytest.raises(ValueError, match="is no name of a hub"):
        Client(f"ws://127.0.0.1/websocket/{name}", actor="browser/me")


@pytest.mark.parametrize("url", ["", "nonsense", "http://127.0.0.1/ws", "127.0.0.1:8080/ws", "ws:///ws", "ws://127.0.0.1:70000/ws",
                                 "ws://127.0.0.1:x/ws"])
def test_address_that_is_none_is_refused(url):
    with pytest.raises(ValueError, match="not a WebSocket address"):
        Client(url, actor="browser/me")


@pytest.mark.parametrize("path", ["", "/", "/ws", "/ws/room", "/ws/a.b_c~d-1", "/app/ws/%61?x=/ws/!", "/websocket/ws/room"])
def test_names_that_hubs_have_are_taken(path):
    Client(f"wss://hub:8443{path}", actor="@(browser/änna)")


async def test_calls_after_a_takeover_say_so(make_client):
    async with FakeHub().serving() as hub:
        client = make_client(hub)
        await client.connect()
        await hub.send("hub:disconnect", {"reason": "duplicate_connection", "message": "taken"})
        await hub.close(1000)
        await until(lambda: any(name == "error" for name, *_ in client.seen), "the error")
        for call in (client.ask("a/b", "x"), client.send("a/b", "x"), client.register(), client.connect()):
            with pytest.raises(DormouseError, match="This client has ended: taken") as caught:
                await call
            assert caught.value.code == "duplicate_connection"
        await client.disconnect()
        with pytest.raises(DormouseError, match="taken"):
            await client.ask("a/b", "x")


async def test_request_that_nobody_here_handles_is_answered_at_once(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        await hub.forward(1, request=True, originalMessageId="q1")
        refusal = (await hub.until_got("hub:send"))[0]
        assert refusal["metadata"] == {"inReplyTo": "q1", "failed": True}
        text = "browser/me has no handler for chat."
        assert refusal["payload"]["data"] == {"code": "no_handler", "message": text}

        async def later(message):
            await asyncio.sleep(0)
            if message.data == "mine":
                await client.reply(message, "answered")

        client.on("message", later)
        await hub.forward("mine", request=True, originalMessageId="q2")
        await hub.forward("not mine", request=True, originalMessageId="q3")
        replies = await hub.until_got("hub:send", 3)
        assert [reply["payload"]["data"] for reply in replies[1:]][0] == "answered"
        assert replies[2]["payload"]["data"]["code"] == "no_handler"


async def test_reader_of_all_messages_answers_in_its_own_time(make_client):
    async with FakeHub().serving() as hub, make_client(hub) as client:
        messages = client.messages()
        await hub.forward("theirs", request=True, originalMessageId="q1")
        await client.reply(await anext(messages), "answered")
        assert [frame["payload"]["data"] for frame in hub.got("hub:send")] == ["answered"]
        client.handle("other", print)  # answers are what handlers give
        await hub.forward("theirs", request=True, originalMessageId="q2")
        replies = await hub.until_got("hub:send", 2)
        assert replies[1]["payload"]["data"]["code"] == "no_handler"
