"""Resume: a session outlives its socket; its token; what was sent to it meanwhile. Asleep in between or not."""

import time

import pytest
from cluster import Cluster, until
from ws import Actor, actor, connect as open_socket

from .frames import dump
from .protocol import NUMBER, TEXT, Where
from .scenario import (Address, Save, Saved, Scenario, closed, connect, does, gets, hangs_up, not_saved, published,
                       register, registered_are, rows, say)

KEPT = 5
OPTIONS = {"resume-window": "1m", "resume-messages": str(KEPT), "resume-bytes": "64KiB"}


def joins(client):
    """Connects, registers, subscribes; the token is saved as CLIENT's, the session too."""
    return [connect(client, expect={"resumeToken": Save(f"token {client}", TEXT), "resumed": False,
                                    "sessionId": Save(f"session {client}")}),
            register(client, expect={"version": 1, "renewalToken": Save(f"renewal {client}")}),
            say(client, "hub:subscribe", {"topic": f"topic-{client}"})]


def resumes(client, who="a", token="token a", missed=0, place="payload"):
    """Comes back as `who`; the next token is saved under the same name."""
    return connect(client, sender=Address(who), **{place: {"resumeToken": Saved(token)}}, expect={
        "resumed": True, "missed": missed, "sessionId": Saved(f"session {who}"),
        "resumeToken": Where("another token", lambda it: isinstance(it, str) and it != "")})


def fresh(client, token, who="a", place="payload"):
    """The token is good for nothing: a session of its own."""
    return connect(client, sender=Address(who), **{place: {"resumeToken": token}}, expect={
        "resumed": False, "sessionId": not_saved("session a"), "resumeToken": TEXT})


def note(number, sender="b", to="a", **more):
    return say(sender, "hub:send", {"to": Address(to), "type": "note", "data": number}, **more)


def all_handled(client):
    """Nothing that the client sent is on its way any more: frames of two sockets have no order between them."""
    return registered_are(client, "a", "b")


def was_sent(client, number):
    return gets(client, "note", number, sender=Address("b"), to=Address("a"))


def rotated(client):
    """The resumed session's token is another one, and is kept for the next."""
    async def play(run):
        payload, metadata = run.connect_fields("a")
        payload["resumeToken"] = run.saved["token a"]
        reply = await run.ask(client, "hub:connect", payload, metadata=metadata, **{"from": run.address("a")})
        run.check("payload", {"resumed": True, "missed": 0, "resumeToken": not_saved("token a")}, reply["payload"])
        run.saved["used"], run.saved["token a"] = run.saved["token a"], reply["payload"]["resumeToken"]
    return does(f"{client} resumes", play)


def elsewhere(client):
    """The client's next socket leads to another hub."""
    async def play(run):
        run.paths[client] = run.path + "-other"
    return does(f"{client} goes to another hub", play)


ROWS = [
    Scenario("hub:connected carries a resumeToken and resumed: false", joins("a")),
    Scenario("tokens differ, and have 128 bits of randomness at least", [
        *joins("a"),
        *(step for name in "cdef" for step in (connect(name, expect={"resumeToken": not_saved("token a")}),)),
        does("long enough", lambda run: _long(run)),
    ]),
    *(Scenario(f"{place}.resumeToken -> the same session: resumed, registrations, subscriptions", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        resumes("a2", place=place),
        registered_are("a2", "a", "b"),
        say("b", "hub:list_actors", {}, expect={"actors": [{"version": 1}, {"version": 1}]}),
        note("x"), was_sent("a2", "x"),
        say("b", "hub:publish", {"topic": "topic-a", "type": "item", "data": 1}, expect={"subscriberCount": 1}),
        published("a2", "item", "b", "topic-a", 1, to=Address("a")),
        say("a2", "hub:renew", {"renewalToken": Saved("renewal a")}, sender=Address("a")),
        say("a2", "hub:unsubscribe", {"topic": "topic-a"}, sender=Address("a"), pattern="ask"),
        say("b", "hub:publish", {"topic": "topic-a", "type": "item", "data": 1}, expect={"subscriberCount": 0}),
    ]) for place in ("payload", "metadata")),
    Scenario("without its socket the session's actor stays registered, what is sent to it waits", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        note(1), note(2),
        say("b", "hub:publish", {"topic": "topic-a", "type": "item", "data": 3}, expect={"subscriberCount": 1}),
        say("b", "hub:broadcast", {"type": "news", "data": 4, "excludeSelf": True},
            expect={"deliveredCount": 0, "queuedCount": 1, "delivered": False}),
        note(5, pattern="ask", expect={"status": "queued", "delivered": False, "queued": True}),
        registered_are("b", "a", "b"),
        resumes("a2"),
        does("in order", lambda run: _in_order(run, "a2", [1, 2, 3, 4, 5])),
        note(6), was_sent("a2", 6),
    ]),
    Scenario("what waited comes after hub:connected", [
        *joins("a"), *joins("b"), hangs_up("a", None), note(1), note(2),
        does("hub:connected first", lambda run: _connected_first(run)),
    ]),
    Scenario("at most resume-messages are kept; missed says how many were dropped", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        *(note(number, pattern="tell", silent=True) for number in range(KEPT + 3)), all_handled("b"),
        resumes("a2", missed=3),
        does("in order", lambda run: _ascending(run, "a2", KEPT)),
        note("after"), was_sent("a2", "after"),
    ]),
    Scenario("at most resume-bytes are kept; missed says how many were dropped", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        *(note([number, "x" * 30_000], pattern="tell", silent=True) for number in range(4)), all_handled("b"),
        does("a resumes", lambda run: _bounded_bytes(run)),
    ], forms=("bare",)),
    Scenario("what is not kept is not acknowledged either", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        *(note(number, pattern="ask") for number in range(KEPT)),
        note("beyond", pattern="ask", error="rate_limited", details={"retryAfter": NUMBER}),
        connect("a2", sender=Address("a"), payload={"resumeToken": Saved("token a")}, expect={"resumed": True}),
        *(was_sent("a2", number) for number in range(KEPT)),
        note("after", pattern="ask"), was_sent("a2", "after"),
    ]),
    Scenario("the token is rotated at every resumption", [
        *joins("a"), *joins("b"),
        hangs_up("a", None), rotated("a2"), note(1), was_sent("a2", 1),
        hangs_up("a2", None), rotated("a3"), note(2), was_sent("a3", 2),
        hangs_up("a3", None), note(3), rotated("a4"), was_sent("a4", 3),
    ]),
    Scenario("a replayed token is good for nothing, and disturbs nobody", [
        *joins("a"), *joins("b"), hangs_up("a", None), rotated("a2"),
        note("mine"), was_sent("a2", "mine"),
        fresh("thief", Saved("used")),
        note("still mine"), was_sent("a2", "still mine"),
    ]),
    Scenario("somebody else's token is good for nothing, and stays good for its owner", [
        *joins("a"), *joins("b"), hangs_up("a", None), note("secret"),
        fresh("thief", Saved("token a"), who="thief"),
        resumes("a2"), was_sent("a2", "secret"),
    ]),
    Scenario("another hub's token is good for nothing, and stays good for its hub", [
        *joins("a"), *joins("b"), hangs_up("a", None), note("secret"),
        elsewhere("lost"), fresh("lost", Saved("token a")),
        resumes("a2"), was_sent("a2", "secret"),
    ]),
    Scenario("no token at all -> a fresh session", [
        *joins("a"),
        *(fresh(f"f{number}", bad) for number, bad in enumerate(
            ["", "garbage", "0" * 32, None, 7, {"x": 1}, "x" * 5000, "a.b.c", "\u0000Ω"])),
    ], forms=("bare",)),
    Scenario("a token with one character changed -> a fresh session", [
        *joins("a"), hangs_up("a", None),
        does("a thief guesses", lambda run: _guess(run)),
        resumes("a2"),
    ]),
    Scenario("hub:disconnect ends the session, its token is good for nothing", [
        *joins("a"), *joins("b"),
        say("a", "hub:disconnect", {}), closed("a", 1000),
        registered_are("b", "b"),
        fresh("a2", Saved("token a")),
        registered_are("a2", "b"),
    ]),
    Scenario("hub:disconnect ends a resumed session, too", [
        *joins("a"), *joins("b"), hangs_up("a", None), rotated("a2"),
        say("a2", "hub:disconnect", {}, sender=Address("a"), expect={"sessionId": Saved("session a")}),
        closed("a2", 1000), registered_are("b", "b"), fresh("a3", Saved("token a")),
    ]),
    Scenario("the loser of a hand-over cannot resume", [
        *joins("a"), connect("b"),
        say("b", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a")),
        gets("a", "hub:disconnect", {"reason": "duplicate_connection"}), closed("a", 1000),
        fresh("a2", Saved("token a")),
        say("b", "hub:list_actors", {}, expect={"total": 1}),
    ]),
    *(Scenario(f"a close by the client with {code or 'no code'} is a good-bye", [
        *joins("a"), *joins("b"), hangs_up("a", code),
        registered_are("b", "b"), fresh("a2", Saved("token a")), registered_are("a2", "b"),
    ]) for code in (1000, 1005)),
    *(Scenario(f"a close by the client with {code} is none", [
        *joins("a"), *joins("b"), hangs_up("a", code), note(1, pattern="ask", expect={"status": "queued"}),
        resumes("a2"), was_sent("a2", 1),
    ]) for code in (1001, 4000)),
    Scenario("a new session of the same identity that registers the address gets what waits, once and in order", [
        *joins("a"), *joins("b"), hangs_up("a", None),
        *(note(number, pattern="ask", expect={"status": "queued"}) for number in range(KEPT)),
        connect("a2", sender=Address("a")),
        say("a2", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a"),
            expect={"version": 2}),
        does("in order", lambda run: _in_order(run, "a2", list(range(KEPT)))),
        note("after", pattern="ask", expect={"status": "delivered", "delivered": True}), was_sent("a2", "after"),
        say("b", "hub:publish", {"topic": "topic-a", "type": "item", "data": 1}, expect={"subscriberCount": 1}),
        published("a2", "item", "b", "topic-a", 1, to=Address("a")),
        fresh("a3", Saved("token a")),
    ]),
    Scenario("what waits is for nobody else", [
        *joins("a"), *joins("b"), hangs_up("a", None), note("secret"),
        connect("c"),
        say("c", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a")),
        connect("a2", sender=Address("a")),
        say("a2", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a")),
        gets("c", "hub:disconnect", {"reason": "duplicate_connection"}, to=Address("a")), closed("c", 1000),
        note("for a"), was_sent("a2", "for a"),
    ]),
    Scenario("a hand-over from a session without a socket: its token is good for nothing", [
        *joins("a"), *joins("b"), hangs_up("a", None), note("for whom"),
        connect("c"),
        say("c", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a"),
            expect={"version": 2}),
        fresh("a2", Saved("token a")),
        note("for c"),
        does("c gets the later one", lambda run: _ends_with(run, "c", "for c")),
    ]),
    Scenario("a client that comes back before its old socket is known to be dead", [
        *joins("a"), *joins("b"),
        does("a2 takes over", lambda run: _take_over(run)),
        note(1), was_sent("a2", 1),
    ]),
    Scenario("a registration expires without a socket as with one", [
        *joins("a"), *joins("b"), register("a", ttl=1000), hangs_up("a", None),
        registered_are("b", "b"),
        resumes("a2"), registered_are("a2", "b"), register("a2", "a", fields={"sender": Address("a")}),
        note(1), was_sent("a2", 1),
    ]),
    Scenario("hub:refresh_token without authentication: the session's own token, rotated", [
        *joins("a"), *joins("b"),
        say("a", "hub:refresh_token", {"token": Saved("token b")}, error="invalid_token"),
        say("a", "hub:refresh_token", {"token": Saved("token a")}, expect={
            "token": Save("new", not_saved("token a")), "expiresAt": Where("later", lambda it: it > time.time() * 1000)}),
        say("a", "hub:refresh_token", {"token": Saved("token a")}, error="invalid_token"),
        say("a", "hub:refresh_token", {"token": Saved("new")}, expect={"token": Save("newer", not_saved("new"))}),
        hangs_up("a", None),
        fresh("thief", Saved("token a")),
        resumes("a2", token="newer"),
    ]),
]
test_row = rows(ROWS, stage="staged")


async def _long(run):
    assert len(run.saved["token a"]) >= 22, run.saved["token a"]


async def _in_order(run, client, data):
    for expected in data:
        it = await run.next(client, lambda frame: frame["type"] in ("note", "item", "news"))
        run.check("payload", expected, it["payload"])


async def _ascending(run, client, count):
    got = [(await run.next(client, lambda frame: frame["type"] == "note"))["payload"] for _ in range(count)]
    assert got == sorted(set(got)), got


async def _connected_first(run):
    payload, metadata = run.connect_fields("a")
    payload["resumeToken"] = run.saved["token a"]
    await run.send("a2", dump(run.envelope("a2", "hub:connect", payload, {"metadata": metadata, "sender": Address("a")})))
    types = [(await run.receive("a2"))["type"] for _ in range(3)]
    assert types == ["hub:connected", "note", "note"], types


async def _bounded_bytes(run):
    payload, metadata = run.connect_fields("a")
    payload["resumeToken"] = run.saved["token a"]
    reply = await run.ask("a2", "hub:connect", payload, metadata=metadata, **{"from": run.address("a")})
    missed = reply["payload"]["missed"]
    assert reply["payload"]["resumed"] is True and 2 <= missed <= 3, reply.text
    got = [(await run.next("a2", lambda frame: frame["type"] == "note"))["payload"][0] for _ in range(4 - missed)]
    assert got == sorted(set(got)), got


async def _guess(run):
    token = run.saved["token a"]
    for at in (0, len(token) // 2, len(token) - 1):
        wrong = token[:at] + ("0" if token[at] != "0" else "1") + token[at + 1:]
        payload, metadata = run.connect_fields("a")
        payload["resumeToken"] = wrong
        reply = await run.ask(f"thief{at}", "hub:connect", payload, metadata=metadata, **{"from": run.address("a")})
        run.check("resumed", False, reply["payload"]["resumed"])


async def _ends_with(run, client, data):
    while (await run.next(client, lambda frame: frame["type"] == "note"))["payload"] != data:
        pass


async def _take_over(run):
    old = run.peers.pop("a")
    payload, metadata = run.connect_fields("a")
    payload["resumeToken"] = run.saved["token a"]
    reply = await run.ask("a2", "hub:connect", payload, metadata=metadata, **{"from": run.address("a")})
    run.check("payload", {"resumed": True, "sessionId": Saved("session a")}, reply["payload"])
    await old.closed()


# --- The window

async def test_after_the_window_the_session_is_gone():
    options = {"resume-window": "500ms", "hibernate-after": "20ms", "rate-limit": "0"}
    with Cluster(options=options) as cluster:
        url = cluster.ws_url("/ws/window")
        async with actor(url, "test/b") as b:
            async with actor(url, "test/a") as a:
                token, session = a.session["resumeToken"], a.session["sessionId"]
                a.protocol.transport.abort()
            await b.addresses_become("test/b")
            async with open_socket(url) as client:
                late = await Actor(client.protocol, "test/a").must(
                    "hub:connect", {"version": "1.0", "resumeToken": token})
                assert late["resumed"] is False and late["sessionId"] != session


async def test_no_window_no_token():
    with Cluster(options={"resume-window": "0", "rate-limit": "0"}) as cluster:
        url = cluster.ws_url("/ws/none")
        async with actor(url, "test/b") as b:
            async with actor(url, "test/a") as a:
                assert a.session["resumeToken"] is None and a.session["resumed"] is False
                a.protocol.transport.abort()
            await b.addresses_become("test/b")


# --- Across the loss of processes

@pytest.mark.parametrize("lost", ["gateway", "statekeeper", "both"])
@pytest.mark.parametrize("noticed", [True, False], ids=["noticed", "unnoticed"])
async def test_resume_across_the_loss_of(lost, noticed, store):
    """`noticed`: nothing is sent before the gateway, where it lives, knows that the socket is gone."""
    options = {"resume-window": "1m", "rate-limit": "0", "gateway-grace": "300ms"}
    with Cluster(store=store, gateways=2, options=options) as cluster:
        async with actor(cluster.ws_url("/ws/loss", gateway=1), "test/b") as b:
            async with actor(cluster.ws_url("/ws/loss"), "test/a") as a:
                session = a.session
                await a.must("hub:subscribe", {"topic": "t"})
                if lost != "statekeeper":
                    cluster.kill_gateway(0)
                else:
                    a.protocol.transport.abort()
                    await a.protocol.wait_closed()  # else b might be faster than the end of the socket
                    if noticed:
                        await until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_connections"] == 0,
                                    "the gateway notices")
                for number in range(3):
                    await b.must("hub:send", {"to": "test/a", "type": "note", "data": number})
                if lost != "gateway":
                    cluster.kill_statekeeper()
                    cluster.start_statekeeper(wait=False)
                    await until(cluster.statekeeper.is_ready, "the statekeeper is ready", timeout=20)
                for number in range(3, 6):
                    await b.must("hub:send", {"to": "test/a", "type": "note", "data": number})
                await b.must("hub:publish", {"topic": "t", "type": "note", "data": 6})
            async with open_socket(cluster.ws_url("/ws/loss", gateway=1)) as client:
                again = Actor(client.protocol, "test/a")
                said = await again.must("hub:connect", {"version": "1.0", "resumeToken": session["resumeToken"]})
                assert said["resumed"] is True and said["sessionId"] == session["sessionId"], said
                assert said["missed"] == 0
                await b.must("hub:send", {"to": "test/a", "type": "note", "data": "last"})
                got = []
                while got[-1:] != ["last"]:
                    got.append((await again.next())["payload"])
                assert got == [*range(7), "last"]
                assert await b.addresses() == ["test/a", "test/b"]
