"""Callback classes on real processes: events are posted to an endpoint, and what it answers is done; endpoints that are
slow, broken or away; and a statekeeper that is killed while a request is under way."""

import asyncio
import contextlib
import time

import pytest
from cluster import until
from process import SLOWNESS
from webhooks import Endpoint, WebhookCluster, new_secret
from ws import connect, echo

SECRET = new_secret()


@contextlib.asynccontextmanager
async def room(store="file", options=None, statekeepers=1, more=None, **keys):
    """One class, `room`, and its endpoint; `more`: other classes."""
    async with Endpoint(SECRET) as endpoint:
        classes = {"room": {"url": endpoint.url, **keys}, **(more or {})}
        with WebhookCluster(classes, SECRET, store=store, options=options, statekeepers=statekeepers) as cluster:
            yield cluster, endpoint


def send(connection, data):
    return {"verb": "send", "connection": connection, "data": data}


def echoing(request):
    """Says to each client what it has said, and counts."""
    commands = [send(event["connection"], "you said " + event["data"])
                for event in request.events if event["type"] == "message"]
    count = request.said["state"].get("count", 0) + len(commands)
    return [*commands, {"verb": "put", "key": "count", "value": count}]


def counted(cluster, name):
    """The sum over the series that begin with `name`."""
    series = cluster.metrics(cluster.statekeeper).items()
    return sum(value for each, value in series if each.startswith(name) and "{" in each)


# --- What it does.

async def test_events_are_posted_and_what_is_answered_is_done(store):
    async with room(store, options={"hibernate-after": "200ms"}) as (cluster, endpoint):
        endpoint.answer = echoing
        async with connect(cluster.ws_url("/room/lobby?token=7")) as client:
            first = await endpoint.arrived(1)
            assert (first.said["class"], first.said["hub"], first.path) == ("room", "lobby", "/hook")
            assert first.headers["content-type"] == "application/json" and first.headers["user-agent"].startswith("dormouse/")
            assert first.types == ["connect"] and first.said["state"] == {}
            opened = first.events[0]
            assert (opened["path"], opened["query"]) == ("/room/lobby", "token=7") and opened["remoteAddress"]
            await cluster.asleep()  # while nothing is to be said
            assert await client.ask_text("hello") == "you said hello"
            second = await endpoint.arrived(2)
            assert second.said["state"] == {"count": 0} and second.id != first.id
            assert second.events[0]["connection"] == opened["connection"]
            endpoint.answer = lambda request: [
                {"verb": "tag", "connection": opened["connection"], "tags": ["vip"]},
                {"verb": "send", "tag": "vip", "base64": "AAEC"}, {"verb": "delete", "key": "count"},
                {"verb": "alarm", "in": 300}]
            await client.send(b"\x01\x02")
            assert await client.text() == b"\x00\x01\x02"
            assert (await endpoint.arrived(3)).events[0]["base64"] == "AQI="
            endpoint.answer = lambda request: [
                {"verb": "broadcast", "data": {"type": "tick"}},
                {"verb": "disconnect", "tag": "vip", "code": 4001, "reason": "bye"}]
            assert await client.recv() == {"type": "tick"}
            timer = await endpoint.arrived(4)
            assert timer.types == ["timer"] and timer.said["state"] == {}
            assert await client.closed() == (4001, "bye")
        endpoint.answer = lambda request: []
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await endpoint.arrived(5)
            await client.close(3000, "done")
            gone = (await endpoint.arrived(6)).events[0]
            assert (gone["type"], gone["code"], gone["reason"], gone["byClient"]) == ("disconnect", 3000, "done", True)
        await cluster.asleep()


async def test_a_connect_is_refused_by_an_answer_and_what_it_said_meanwhile_goes_nowhere(store):
    async with room(store) as (cluster, endpoint):
        asked = asyncio.Event()

        async def refuse_strangers(request):
            if "connect" in request.types:
                await asked.wait()
            return [{"verb": "disconnect", "connection": event["connection"], "code": 4003, "reason": "who are you?"}
                    for event in request.events if event["type"] == "connect" and event["query"] != "key=1"]

        asked.set()
        endpoint.answer = refuse_strangers
        async with connect(cluster.ws_url("/room/lobby?key=1")) as friend:
            await endpoint.arrived(1)
            asked.clear()
            async with connect(cluster.ws_url("/room/lobby?key=2")) as stranger:
                await endpoint.arrived(2)
                await stranger.send("let me in")
                await friend.send("who is there?")
                # Not yet answered, it hears nothing that is for all.
                await until(lambda: cluster.metrics(cluster.statekeeper), "it is alive")
                asked.set()
                assert await stranger.closed() == (4003, "who are you?")
            await endpoint.got(lambda events: any(event.get("data") == "who is there?" for event in events))
            assert "let me in" not in [event.get("data") for event in endpoint.events()]
            assert [event["type"] for event in endpoint.events()].count("disconnect") == 0


async def test_who_has_not_been_answered_hears_no_broadcast(store):
    async with room(store, **{"batch-events": 1}) as (cluster, endpoint):
        held = asyncio.Event()

        async def answer(request):
            if request.types == ["message"]:
                await held.wait()
                return [{"verb": "broadcast", "data": "for members"}]
            return [{"verb": "send", "connection": request.events[0]["connection"], "data": "welcome"}]

        endpoint.answer = answer
        async with connect(cluster.ws_url("/room/lobby")) as member:
            assert await member.text() == "welcome"
            await member.send("tell all")
            await endpoint.arrived(2)
            async with connect(cluster.ws_url("/room/lobby")) as newcomer:
                held.set()
                assert await member.text() == "for members"
                assert await newcomer.text() == "welcome"


async def test_batches_grow_while_one_is_under_way_and_keep_their_order(store):
    async with room(store) as (cluster, endpoint):
        held = asyncio.Event()

        async def answer(request):
            if len(endpoint.requests) == 1:
                await held.wait()
            return echoing(request)

        endpoint.answer = answer
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await endpoint.arrived(1)
            for number in range(50):
                await client.send(str(number))
            other = await endpoint_is_used_by_another_hub(cluster, endpoint)
            assert other == "you said hello"
            held.set()
            assert [await client.text() for _ in range(50)] == [f"you said {number}" for number in range(50)]
            of_hub = [request for request in endpoint.requests if request.said["hub"] == "lobby"]
            assert len(of_hub) <= 6, [len(request.events) for request in of_hub]
            assert len({request.id for request in endpoint.requests}) == len(endpoint.requests)


async def endpoint_is_used_by_another_hub(cluster, endpoint):
    """What a client of another hub of the class is told, while the first one's request is under way."""
    async with connect(cluster.ws_url("/room/another")) as client:
        return await client.ask_text("hello")


# --- Crashes.

async def test_a_killed_statekeeper_repeats_the_request_with_its_id_and_nothing_is_done_twice(store):
    async with room(store, timeout="1s") as (cluster, endpoint):
        hang = {"at": "seventh"}

        def answer(request):
            # It was carried out there, and its answer is lost.
            return None if hang["at"] in request.texts else echoing(request)

        endpoint.answer = answer
        async with connect(cluster.ws_url("/room/lobby")) as client:
            for number in range(6):
                assert await client.ask_text(f"say {number}") == f"you said say {number}"
            await client.send("seventh")
            await endpoint.got(lambda events: any(event.get("data") == "seventh" for event in events))
            held = endpoint.requests[-1]
            await client.send("eighth")
            hang["at"] = None
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await client.text() == "you said seventh"
            assert await client.text() == "you said eighth"
            again = [request for request in endpoint.requests if request.id == held.id]
            assert len(again) >= 2 and all(request.body == held.body for request in again)
            assert await client.ask_text("ninth") == "you said ninth"
            assert endpoint.requests[-1].said["state"]["count"] == 8
            texts = [event["data"] for event in endpoint.events() if event["type"] == "message"]
            assert texts == [f"say {number}" for number in range(6)] + ["seventh", "eighth", "ninth"]


@pytest.mark.parametrize("kind,statekeepers", [("file", 1), ("redis", 1), ("redis", 2)])
async def test_a_request_whose_statekeeper_dies_is_made_again_at_once(kind, statekeepers):
    async with room(kind, statekeepers=statekeepers, timeout="60s") as (cluster, endpoint):
        endpoint.answer = lambda request: None if len(endpoint.requests) < 3 and request.texts else echoing(request)
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await client.send("one")
            held = await endpoint.arrived(2)
            await asyncio.sleep(3)  # longer than a lease: the owner that lives asks once
            assert len(endpoint.requests) == 2
            # Its owner goes, or both who may be it; the client says nothing.
            began = time.monotonic()
            cluster.kill_statekeeper()
            if statekeepers == 1:
                cluster.start_statekeeper()
            else:
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(endpoint.arrived(3), 6 * SLOWNESS)
                if len(endpoint.requests) == 2:  # the other one is
                    cluster.start_statekeeper()
                    began = time.monotonic()
                    cluster.kill_statekeeper(statekeeper=1)
            again = await endpoint.arrived(3)
            assert time.monotonic() - began < 6 * SLOWNESS
            assert (again.id, again.body) == (held.id, held.body)
            assert await client.text() == "you said one"


async def test_the_hub_moves_while_its_request_is_under_way():
    async with room("redis", statekeepers=2, timeout="1s") as (cluster, endpoint):
        hold = {"it": True}
        endpoint.answer = lambda request: None if hold["it"] and request.texts else echoing(request)
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await client.send("one")
            await endpoint.got(lambda events: any(event.get("data") == "one" for event in events))
            held = endpoint.requests[-1]
            hold["it"] = False
            for number in range(2):  # whoever has it
                cluster.kill_statekeeper(statekeeper=number)
                cluster.start_statekeeper(statekeeper=number)
            assert await client.text() == "you said one"
            assert await client.ask_text("two") == "you said two"
            posted = [request for request in endpoint.requests if "one" in request.texts]
            assert len(posted) >= 2 and all((each.id, each.body) == (held.id, held.body) for each in posted)
            # What was accepted before is known, whatever its gateway repeats.
            kinds = [event["type"] for request in endpoint.requests if request.id != held.id for event in request.events]
            assert kinds == ["connect", "message"]


# --- Endpoints that do not do as they should.

BROKEN = {
    "500": lambda request: 500,
    "redirect": lambda request: b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n",
    "garbage": lambda request: b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n<html>!",
    "no http": lambda request: b"SSH-2.0-OpenSSH_9.2\r\n",
    "10 MB": lambda request: b"HTTP/1.1 200 OK\r\ncontent-length: 10000000\r\n\r\n" + b" " * 10_000_000,
    "an end": lambda request: b"",
    "half an answer": lambda request: b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{",
    "a wrong command": lambda request: [send("7", "x")],
    "too much state": lambda request: [{"verb": "put", "key": str(n), "value": "x" * 1000} for n in range(80)],
    "silence": lambda request: None,
}


@pytest.mark.parametrize("kind", BROKEN)
async def test_what_is_broken_is_asked_again_with_the_same_id_and_holds_up_nobody_else(kind):
    async with Endpoint(SECRET) as good:
        good.answer = echoing
        async with room(timeout="1s", more={"other": {"url": good.url}}) as (cluster, endpoint):
            endpoint.answer = echoing
            async with connect(cluster.ws_url("/room/lobby")) as client, connect(cluster.ws_url("/other/x")) as other, \
                    echo(cluster.ws_url("/websocket/x")) as third:
                assert await client.ask_text("hello") == "you said hello"
                endpoint.answer = BROKEN[kind]
                before = len(endpoint.requests)
                await client.send("what now?")
                failed = await endpoint.arrived(before + 1)
                for _ in range(20):
                    assert await other.ask_text("still there?") == "you said still there?"
                    assert (await third.ask("x"))["message"] == "x"
                again = await endpoint.arrived(before + 2)
                assert again.id == failed.id and again.body == failed.body
                endpoint.answer = echoing
                assert await client.text() == "you said what now?"
                assert endpoint.requests[-1].said["state"] == {"count": 1}
                assert counted(cluster, 'dormouse_callback_failures_total{cause="') >= 1
                log = open(f"{cluster.directory}/statekeeper.log", encoding="utf-8").read()
                assert "a callback has failed" in log and "what now?" not in log


async def test_a_second_answer_on_a_connection_is_nobodys():
    async with room() as (cluster, endpoint):
        content = b'{"commands": []}'
        one = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(content), content)
        twice = {"it": True}
        endpoint.answer = lambda request: one + one if twice["it"] else echoing(request)
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await endpoint.arrived(1)
            twice["it"] = False
            assert await client.ask_text("a") == "you said a"
            assert await client.ask_text("b") == "you said b"


async def test_an_endpoint_that_refuses_tls_is_no_endpoint():
    async with Endpoint(SECRET) as plain:
        url = plain.url.replace("http:", "https:")
        with WebhookCluster({"room": {"url": url, "give-up-after": "500ms"}}, SECRET) as cluster:
            async with connect(cluster.ws_url("/room/lobby")) as client:
                assert await client.closed() == (1013, "The backend is not available; try again later")
            assert not plain.requests


async def test_what_cannot_be_delivered_is_given_up_and_its_clients_are_told(store):
    async with room(store, timeout="500ms", **{"give-up-after": "1s"}) as (cluster, endpoint):
        endpoint.answer = echoing
        async with connect(cluster.ws_url("/room/lobby")) as silent, connect(cluster.ws_url("/room/lobby")) as speaker:
            assert await speaker.ask_text("hello") == "you said hello"
            assert await silent.ask_text("me, too") == "you said me, too"
            endpoint.answer = lambda request: 500
            await speaker.send("lost?")
            assert await speaker.closed() == (1013, "The backend is not available; try again later")
            assert silent.is_open
            endpoint.answer = echoing
            assert await silent.ask_text("again") == "you said again"
            events = endpoint.events()
            gone = [event for event in events if event["type"] == "disconnect"]
            assert [(event["code"], event["byClient"]) for event in gone] == [(1013, False)]
            assert counted(cluster, "dormouse_callback_events_given_up_total") == 1


async def test_a_queue_has_an_end_and_who_meets_it_is_told(store):
    async with room(store, timeout="60s", **{"queue-events": 5}) as (cluster, endpoint):
        async with connect(cluster.ws_url("/room/lobby")) as client:
            await endpoint.arrived(1)
            await until(lambda: counted(cluster, "dormouse_callback_seconds_count") == 1, "the connect is answered")
            endpoint.answer = lambda request: None
            for number in range(6):
                await client.send(str(number))
            assert await client.closed() == (1013, "The backend does not keep up; try again later")
            async with connect(cluster.ws_url("/room/lobby")) as another:
                assert (await another.closed())[0] == 1013
            async with connect(cluster.ws_url("/room/elsewhere")):
                await endpoint.arrived(3)
            assert counted(cluster, "dormouse_callback_refused_total") == 2


async def test_an_endpoint_that_is_away_refuses_new_sockets_until_it_is_back():
    async with Endpoint(SECRET) as good:
        good.answer = echoing
        more = {"other": {"url": good.url}}
        async with room(timeout="500ms", more=more, **{"give-up-after": "0"}) as (cluster, endpoint):
            endpoint.answer = echoing
            async with connect(cluster.ws_url("/room/0")) as old, connect(cluster.ws_url("/other/x")) as other, \
                    contextlib.AsyncExitStack() as stack:
                assert await old.ask_text("hello") == "you said hello"
                await endpoint.stop()
                sockets = [await stack.enter_async_context(connect(cluster.ws_url(f"/room/{number}")))
                           for number in range(1, 9)]
                await until(lambda: counted(cluster, "dormouse_callback_endpoint_down{class=\"room\"}") == 1, "it is down",
                            timeout=20)
                await old.send("are you there?")

                async def is_refused():
                    async with connect(cluster.ws_url("/room/new")) as client:
                        with contextlib.suppress(asyncio.TimeoutError):
                            return (await client.closed(timeout=0.3))[0] == 1013
                    return False

                for _ in range(100):
                    if await is_refused():
                        break
                else:
                    raise AssertionError("no new socket is refused")
                assert await other.ask_text("hello") == "you said hello"
                assert counted(cluster, "dormouse_callback_endpoint_down{class=\"other\"}") == 0
                await endpoint.start()
                assert await old.text(timeout=60 * SLOWNESS) == "you said are you there?"
                # Those that came before it counted as down have waited for it.
                assert len([client for client in sockets if client.is_open]) >= 4


# --- What operators get wrong.

@pytest.mark.parametrize("classes, sentence", [
    ({"room": {}}, "has no url"),
    ({"room": {"url": "gopher://x"}}, "begins with https://"),
    ({"room": {"url": "http://x", "timeuot": "1s"}}, "is it to be timeout?"),
    ({"echo": {"url": "http://127.0.0.1:1/"}}, "there is a hub class echo already")])
def test_a_wrong_description_refuses_the_start(classes, sentence):
    cluster = WebhookCluster(classes, SECRET)
    cluster._start = False  # pylint: disable=protected-access
    with cluster:
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status != 0 and "--callbacks" in said and sentence in said, said
