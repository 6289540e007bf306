"""The bullets under "Rules" that are not a limit (test_limits.py), a token's (test_authentication.py), a topic's
(test_topics.py) or a resumption's (test_resume.py)."""

import asyncio
import time

from cluster import Cluster
from ws import actor

from .frames import dump
from .protocol import TEXT, Exactly, from_now
from .scenario import (Address, Save, Saved, Scenario, closed, connect, does, gets, hangs_up, not_saved, other_form,
                       published, register, registered_are, rows, say, sent)


def take_over(client, name, **expect):
    """The client registers somebody else's address, as that actor."""
    return say(client, "hub:register", {"actorAddress": Address(name), "capabilities": ["test"]}, sender=Address(name),
               expect=expect)


ROWS = [
    Scenario("states: after hub:disconnect nothing is answered any more", [
        connect("a"), register("a"), connect("b"),
        does("two frames at once", lambda run: _disconnect_and_more(run)),
        closed("a", 1000),
        registered_are("b"),
    ]),
    Scenario("states: a refused hub:connect leaves the session connecting", [
        say("a", "hub:connect", {"version": "9"}, error="version_mismatch"),
        say("a", "hub:connect", {"version": "9"}, error="version_mismatch"),
        connect("a"), register("a"),
    ]),
    Scenario("re-registration by another session: last one wins, the older is told and closed with 1000", [
        connect("a"), register("a", expect={"version": 1, "renewalToken": Save("old")}),
        connect("b"),
        take_over("b", "a", version=2, renewalToken=not_saved("old")),
        gets("a", "hub:disconnect", {"reason": "duplicate_connection", "message": TEXT}),
        closed("a", 1000),
        registered_are("b", "a"),
        say("b", "hub:send", {"to": Address("a"), "type": "note", "data": 1}, sender=Address("a")),
        sent("b", "note", "a", 1, to=Address("a")),
        say("b", "hub:renew", {"renewalToken": Saved("old")}, error="unauthorized"),
    ]),
    Scenario("hand-over: all that the older session had is gone but what belongs to the address", [
        connect("a"), register("a"), register("a", "second/of-a"), say("a", "hub:subscribe", {"topic": "t"},
                                                                       sender=Address("a")),
        connect("b", form=other_form), take_over("b", "a", version=2),
        gets("a", "hub:disconnect", {"reason": "duplicate_connection"}),
        closed("a", 1000),
        registered_are("b", "a"),
    ]),
    Scenario("expiry hides the actor and does not close the socket", [
        connect("a"), register("a", ttl=1000, expect={"expiresAt": from_now(1000)}), connect("b"), register("b"),
        registered_are("b", "b"),
        say("b", "hub:discover", {"pattern": Address("a")}, expect={"count": 0}),
        say("b", "hub:send", {"to": Address("a"), "type": "x", "data": 1}, pattern="ask", reply="hub:unknown_actor"),
        say("a", "hub:list_actors", {}, expect={"total": 1}),
        register("a", expect={"version": 1}),
        say("b", "hub:send", {"to": Address("a"), "type": "x", "data": Exactly({})}),
        sent("a", "x", "b"),
    ]),
    Scenario("a registration does not expire while its socket is heard, be it with heartbeats", [
        connect("a"), register("a", ttl=1000), connect("b"), register("b"),
        does("a beats for 3 s", lambda run: _beats(run, 3)),
        say("b", "hub:discover", {"pattern": Address("a")}, expect={"count": 1, "totalMatches": 1}),
        registered_are("b", "b"),
    ], patterns=("ask",)),
    Scenario("renewal puts the expiry off", [
        connect("a"), register("a", ttl=1000, expect={"renewalToken": Save("token")}),
        say("a", "hub:renew", {"renewalToken": Saved("token"), "ttl": 60_000}, expect={"expiresAt": from_now(60_000)}),
        connect("b"), register("b", ttl=1000), registered_are("a", "a"),
    ], dialects=("1.0",)),
    Scenario("client interval advertised: 30 s", [connect("a", expect={"heartbeatInterval": 30_000})]),
]
test_row = rows(ROWS)


NO_RESUME = [
    Scenario(f"session end by {how}: its registrations and subscriptions go, nobody is told", [
        connect("a"), register("a"), say("a", "hub:subscribe", {"topic": "t"}),
        connect("b"), register("b"), say("b", "hub:subscribe", {"topic": "u"}),
        hangs_up("a", code),
        registered_are("b", "b"),
        say("b", "hub:publish", {"topic": "t", "type": "x", "data": 1}, expect={"subscriberCount": 0}),
        say("b", "hub:publish", {"topic": "u", "type": "x", "data": 1}, expect={"subscriberCount": 1}),
        published("b", "x", "b", "u", 1),
    ]) for how, code in (("close 1000", 1000), ("close 1001", 1001), ("close 4000", 4000), ("a broken socket", None))
]
OPTIONS = {"resume-window": "0"}
test_end = rows(NO_RESUME, stage="staged")


async def test_heartbeat_timeout_closes_1000():
    """60 s without any frame -> close 1000 `Heartbeat timeout`. Here: 1 s."""
    options = {"idle-timeout": "1s", "cleanup-interval": "100ms", "hibernate-after": "20ms", "resume-window": "0"}
    with Cluster(options=options) as cluster:
        url = cluster.ws_url("/ws/silent")
        async with actor(url, "test/silent") as silent, actor(url, "test/beats") as beats:
            while silent.is_open:
                assert (await beats.call("hub:heartbeat", {"timestamp": 1}))["type"] == "hub:heartbeat_ack"
                try:
                    assert await silent.closed(timeout=0.2) == (1000, "Heartbeat timeout")
                except TimeoutError:
                    continue
            await beats.addresses_become("test/beats")


async def _beats(run, seconds):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        assert (await run.ask("a", "hub:heartbeat", {"timestamp": 1}))["type"] == "hub:heartbeat_ack"
        await asyncio.sleep(0.2)


async def _disconnect_and_more(run):
    for kind in ("hub:disconnect", "hub:register"):
        payload = {"actorAddress": Address("a"), "capabilities": ["x"]}
        await run.send("a", dump(run.envelope("a", kind, payload, {})))
    reply = await run.next("a", lambda it: True)
    run.check("type", run.variant.of(("hub:disconnect", "hub:disconnect_ack")), reply["type"])
