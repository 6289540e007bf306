"""Table "envelope": liberal in, strict out."""

import json

from .frames import Raw, dump
from .protocol import HUB, Where
from .scenario import (NULL, OMIT, Address, Scenario, connect, does, frame, gets, register, rows, say)



def bare_fields():
    """Only `type` and `from`, and what the row is about."""
    return {"id": OMIT, "to": OMIT, "pattern": OMIT, "correlationId": OMIT, "timestamp": OMIT, "metadata": OMIT,
            "ttl": OMIT, "signature": OMIT}


ROWS = [
    Scenario("only type and from are required: {type, from, to, payload}", [
        connect("a"), register("a", fields={**bare_fields(), "to": Address(HUB)}),
        say("a", "hub:heartbeat", {"timestamp": 1}, **{**bare_fields(), "to": Address(HUB)}, expect={"timestamp": 1}),
        say("a", "hub:publish", {"topic": "t", "type": "x", "data": 1}, **{**bare_fields(), "to": Address(HUB)}),
    ]),
    Scenario("only type and from are required: {type, from}", [
        connect("a"),
        *(say("a", kind, OMIT, **bare_fields()) for kind in ("hub:heartbeat", "hub:list_actors", "hub:discover")),
    ]),
    Scenario("missing id -> correlationId null", [
        connect("a"), say("a", "hub:list_actors", {}, id=OMIT), say("a", "hub:list_actors", {}, id=None),
        say("a", "hub:send", {"to": Address("x/y"), "type": "n", "data": 1}, id=OMIT, pattern="ask",
            reply="hub:unknown_actor"),
        say("a", "hub:make_coffee", {}, id=OMIT, error="internal_error"),
    ]),
    Scenario("correlationId is the id as the sender chose it", [
        connect("a"),
        *(say("a", "hub:list_actors", {}, id=each) for each in ("", "x" * 300, "Ω ≠ 🐭", 'quote " back \\', "a\tb")),
    ]),
    Scenario("what the hub repeats has 4096 bytes at most", [
        connect("a"), say("a", "hub:list_actors", {}, id="x" * 4000),
        *(frame("a", dump({"id": "1", "type": "hub:list_actors", "from": "test/a", "to": HUB,
                           field: "x" * 5000}), error="internal_error") for field in ("id", "type", "from", "to")),
        say("a", "hub:list_actors", {}),
    ], forms=("bare",), patterns=("ask",)),
    Scenario("missing pattern -> ask for types that have a reply, else tell", [
        connect("a"), register("a"),
        say("a", "hub:unregister", {"actorAddress": Address("a")}, pattern=OMIT),
        say("a", "hub:unsubscribe", {"topic": "t"}, pattern=OMIT),
        say("a", "hub:send", {"to": Address("nobody/here"), "type": "x", "data": 1}, pattern=OMIT,
            reply="hub:unknown_actor"),
        say("a", "app:thing", {}, to=Address("nobody/here"), pattern=OMIT, silent=True),
    ], patterns=("ask",)),
    Scenario("missing metadata -> {}", [
        connect("a"), register("a", fields={"metadata": OMIT}),
        say("a", "hub:send", {"to": Address("a"), "type": "note", "data": 1}, metadata=OMIT),
        gets("a", "note", 1, sender=Address("a"), metadata=Where(
            "forwarded, via, originalMessageId", lambda it: it.keys() == {"forwarded", "via", "originalMessageId"})),
    ]),
    Scenario("a reply's from is the to that the client wrote", [
        connect("a"), register("a"),
        say("a", "hub:list_actors", {}, to=Address(HUB, other=True)),
        say("a", "hub:heartbeat", {}, to=Address(HUB, other=True)),
        say("a", "hub:list_actors", {}, to="some/other-name-of-the-hub"),
    ]),
    Scenario("a reply without a to is from the hub's address in the client's form", [
        connect("a"), say("a", "hub:list_actors", {}, to=OMIT), say("a", "hub:list_actors", {}, to=None),
        say("a", "hub:heartbeat", {}, to=OMIT), say("a", "hub:connect_again", {}, to=OMIT, error="internal_error"),
    ]),
    Scenario("bare and canonical name the same actor", [
        connect("a"), register("a", actorAddress=Address("a", other=True), expect={
            "actorAddress": Address("a", other=True)}),
        register("a", expect={"version": 2}),
        say("a", "hub:send", {"to": Address("a", other=True), "type": "note", "data": 1}),
        gets("a", "note", 1, sender=Address("a")),
    ]),
    Scenario("unknown fields are passed over", [
        connect("a"), register("a", fields={"extra": {"deep": [1]}, "version": "9"}),
        say("a", "hub:list_actors", {"colour": "red"}, extra=None, expect={"total": 1}),
    ]),
    Scenario("fields of other types than the table's do no harm", [
        connect("a"),
        say("a", "hub:list_actors", [1, 2]), say("a", "hub:list_actors", "text"), say("a", "hub:list_actors", 7),
        say("a", "hub:list_actors", NULL),
        say("a", "hub:list_actors", {}, metadata=None), say("a", "hub:list_actors", {}, metadata=[1]),
        say("a", "hub:list_actors", {}, timestamp="yesterday"), say("a", "hub:list_actors", {}, ttl="long"),
        say("a", "hub:list_actors", {}, pattern="shout"), say("a", "hub:list_actors", {}, pattern=7),
        say("a", "hub:list_actors", {}, correlationId=7), say("a", "hub:list_actors", {}, signature={"x": 1}),
    ]),
    Scenario("order of fields and white space do not matter", [
        connect("a"),
        does("a spaced frame", lambda run: _spaced(run)),
    ]),
    Scenario("a binary frame is read as UTF-8", [
        connect("a"),
        does("binary", lambda run: _binary(run)),
    ]),
    Scenario("ttl: older than timestamp + ttl -> message_expired, for any type", [
        connect("a"),
        say("a", "hub:list_actors", {}, timestamp=1_600_000_000_000, ttl=5, error="message_expired"),
        say("a", "hub:heartbeat", {"timestamp": 1}, timestamp=1_600_000_000_000, ttl=5, error="message_expired"),
        register("a", fields={"timestamp": 1_600_000_000_000, "ttl": 5}, error="message_expired"),
        say("a", "hub:list_actors", {}, timestamp=1_600_000_000_000, ttl=10**13, expect={"total": 0}),
        say("a", "hub:list_actors", {}, timestamp=1_600_000_000_000, ttl=None),
        say("a", "hub:list_actors", {}, timestamp=OMIT, ttl=5),
        say("a", "hub:heartbeat", {"timestamp": 1}, ttl=60_000),
        say("a", "hub:list_actors", {}, ttl=60_000),
    ]),
    Scenario("escapes in the envelope's own strings are read as JSON", [
        connect("a"), register("a"),
        say("a", "hub:send", {"to": Address("a"), "type": "note", "data": 1},
            type=Raw(r'"hub:\u0073end"'), pattern="ask", reply="hub:delivery_ack"),
        gets("a", "note", 1, sender=Address("a")),
    ], patterns=("ask",)),
    Scenario("every frame of the hub has all fields, errors before any envelope too", [
        frame("a", "not JSON", error="internal_error"),
        connect("a"),
        frame("a", "not JSON", error="internal_error", to=Address("a")),
    ]),
]
test_row = rows(ROWS)


async def _spaced(run):
    request = run.envelope("a", "hub:list_actors", {}, {})
    fields = ",\n".join(f"\t{json.dumps(key)} : {dump(request[key])}" for key in reversed(request))
    await run.send("a", " \r\n{" + fields + "\n} ")
    run.check_reply(await run.next("a", lambda it: it["type"] == "hub:actor_list"), request)


async def _binary(run):
    request = run.envelope("a", "hub:list_actors", {}, {"id": "Ω"})
    await run.send("a", json.dumps(request, ensure_ascii=False).encode())
    run.check_reply(await run.next("a", lambda it: it["type"] == "hub:actor_list"), request)
    heartbeat = run.envelope("a", "hub:heartbeat", {"timestamp": 3}, {})
    await run.send("a", json.dumps(heartbeat).encode())
    run.check_reply(await run.next("a", lambda it: it["type"] == "hub:heartbeat_ack"), heartbeat)
