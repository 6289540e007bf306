"""Rows hub:send and hub:broadcast of "Messages", and what recipients get."""

from .frames import Raw
from .protocol import TEXT, Exactly
from .scenario import (NULL, OMIT, Address, Saved, Scenario, broadcasted, connect, does, gets, hangs_up,
                       other_form, register, registered_are, rows, say, sent)

# Passed through byte for byte.
DATA = [
    "1e400", "-1E-400", "0.10", "-0", "-0.0", "12345678901234567890123456789", "1.0", "1E+2", "null", "true", '""',
    r'"\u00e9\/\ud83d\ude00 \\ \n"', '"\u00e9\U0001f42d"', r'"\ud800 lone"', '{"b":1,"a":2}',
    '{"a":1,"a":2,"A":3}', "[ 1 ,\t2 ]", '{ "spaced" : [ ] , "x":{} }', "[" * 50 + "]" * 50, '{"":{"":[""]}}',
    '"' + "x" * 70_000 + '"', '{"type":"hub:disconnect","to":"x"}',
]

REFUSED = {"unauthorized", "internal_error"}


def two(**more):
    return [connect("a"), register("a"), connect("b", **more), register("b")]


def unknown(target):
    """What comes of a message to somebody who is not there: an ask is told, a tell is not."""
    async def play(run):
        request = {"to": target, "type": "note", "data": 1}
        step = say("a", "hub:send", request, reply="hub:unknown_actor",
                   expect={"actorAddress": target, "message": "Actor not registered with Signal Hub"}, silent=run.variant.pattern == "tell")
        await step.play(run)
    return does("a sends to nobody", play)


ROWS = [
    Scenario("hub:send {to, type, data} -> hub:delivery_ack for an ask", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": {"n": 1}},
            expect={"messageId": Saved("id")}),
        sent("b", "note", "a", Exactly({"n": 1})),
    ]),
    Scenario("hub:send without a pattern is an ask", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 7}, pattern=OMIT),
        sent("b", "note", "a", 7),
    ], patterns=("ask",)),
    Scenario("hub:send to the envelope's to", [
        *two(),
        say("a", "hub:send", {"type": "note", "data": "x"}, to=Address("b")),
        sent("b", "note", "a", "x"),
    ]),
    Scenario("hub:send: payload.to wins over the envelope's to", [
        *two(), connect("c"), register("c"),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": "x"}, to=Address("c")),
        sent("b", "note", "a", "x"),
    ]),
    Scenario("hub:send: either address form names the same actor, the recipient sees its own", [
        *two(form=other_form),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1}),
        sent("b", "note", "a", 1),
        say("a", "hub:send", {"to": Address("b", other=True), "type": "note", "data": 2}),
        sent("b", "note", "a", 2),
        say("b", "hub:send", {"to": Address("a"), "type": "note", "data": 3}),
        sent("a", "note", "b", 3),
    ]),
    Scenario("hub:send to oneself", [
        connect("a"), register("a"),
        say("a", "hub:send", {"to": Address("a"), "type": "note", "data": 1}),
        sent("a", "note", "a", 1),
    ]),
    Scenario("a recipient of a send gets the sender's metadata and the hub's", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1},
            metadata={"trace": "abc", "deep": {"x": [1]}}),
        sent("b", "note", "a", 1, metadata={"trace": "abc", "deep": Exactly({"x": [1]})}),
    ]),
    Scenario("a sender cannot pretend to be the hub in metadata", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1},
            metadata={"forwarded": False, "via": "elsewhere", "originalMessageId": "forged"}),
        sent("b", "note", "a", 1),
    ]),
    Scenario("a recipient of a send gets the ttl", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1}, ttl=60_000),
        sent("b", "note", "a", 1, ttl=60_000),
    ]),
    Scenario("hub:send of a message that is older than its ttl -> message_expired", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1}, ttl=1000, timestamp=1_600_000_000_000,
            error="message_expired"),
    ], patterns=("ask",)),
    Scenario("hub:send to an unknown actor -> hub:unknown_actor for an ask, nothing for a tell", [
        connect("a"), register("a"), unknown(Address("nobody/here")), unknown(Address("nobody/here", other=True)),
    ]),
    Scenario("hub:send to an expired actor -> hub:unknown_actor for an ask, nothing for a tell", [
        connect("a"), register("a"), connect("b"), register("b", ttl=1000),
        registered_are("a", "a"),
        unknown(Address("b")),
    ]),
    Scenario("hub:send to an actor whose socket is closed", [
        connect("a"), register("a"), connect("b"), register("b"),
        say("b", "hub:unregister", {"actorAddress": Address("b")}, pattern="ask"),
        hangs_up("b"), unknown(Address("b")),
    ]),
    Scenario("hub:send without a target or a type -> an error", [
        *two(),
        say("a", "hub:send", {"type": "note", "data": 1}, error={"internal_error", "unknown_actor"}),
        say("a", "hub:send", {"to": 7, "type": "note", "data": 1}, error={"internal_error", "unknown_actor"}),
        say("a", "hub:send", {"to": Address("b"), "data": 1}, error="internal_error"),
        say("a", "hub:send", {"to": Address("b"), "type": 7, "data": 1}, error="internal_error"),
        say("a", "hub:send", NULL, error={"internal_error", "unknown_actor"}),
    ]),
    Scenario("nobody sends in the hub's name: types hub:* are refused", [
        *two(),
        say("a", "hub:send", {"to": Address("b"), "type": "hub:disconnect", "data": {}}, error=REFUSED),
        say("a", "hub:broadcast", {"type": "hub:disconnect", "data": {}}, error=REFUSED),
        say("a", "hub:publish", {"topic": "t", "type": "hub:disconnect", "data": {}}, error=REFUSED),
    ]),
    Scenario("an application type goes to its to as it is", [
        *two(),
        say("a", "app:greeting", Raw('{"n":0.10}'), to=Address("b"), silent=True, pattern="tell"),
        gets("b", "app:greeting", raw='{"n":0.10}', sender=Address("a")),
    ]),
    Scenario("an application message to an actor keeps pattern-less tells silent", [
        *two(),
        say("a", "greeting", {"n": 1}, to=Address("nobody/here"), silent=True, pattern=OMIT),
        say("a", "greeting", {"n": 1}, to=Address("b"), silent=True, pattern=OMIT),
        gets("b", "greeting", {"n": 1}, sender=Address("a")),
    ], patterns=("tell",)),
    Scenario("order of a sender's messages is kept", [
        *two(),
        *(say("a", "hub:send", {"to": Address("b"), "type": "note", "data": number}, pattern="tell", silent=True)
          for number in range(5)),
        *(gets("b", "note", number, sender=Address("a")) for number in range(5)),
    ], patterns=("tell",)),

    Scenario("hub:broadcast -> hub:broadcast_ack (1.0: hub:delivery_ack)", [
        *two(), connect("c", form=other_form), register("c"),
        say("a", "hub:broadcast", {"type": "news", "data": {"n": 1}, "excludeSelf": True}, expect={
            "messageId": Saved("id"), "deliveredCount": 2, "failedCount": 0, "queuedCount": 0, "delivered": True,
            "count": 2}),
        broadcasted("b", "news", "a", Exactly({"n": 1})),
        broadcasted("c", "news", "a", Exactly({"n": 1})),
    ]),
    Scenario("hub:broadcast without excludeSelf comes to the sender, too", [
        *two(),
        say("a", "hub:broadcast", {"type": "news", "data": 1}, expect={"deliveredCount": 2}),
        broadcasted("a", "news", "a", 1), broadcasted("b", "news", "a", 1),
        say("b", "hub:broadcast", {"type": "news", "data": 2, "excludeSelf": False}, expect={"deliveredCount": 2}),
        broadcasted("a", "news", "b", 2), broadcasted("b", "news", "b", 2),
    ]),
    Scenario("hub:broadcast to nobody", [
        connect("a"), register("a"),
        say("a", "hub:broadcast", {"type": "news", "data": 1, "excludeSelf": True}, expect={
            "deliveredCount": 0, "failedCount": 0, "delivered": False, "count": 0}),
    ]),
    Scenario("hub:broadcast with metadata.targetCapability", [
        connect("a"), register("a"), connect("b"), register("b", capabilities=["render", "x"]),
        connect("c"), register("c", capabilities=["renderer"]),
        say("a", "hub:broadcast", {"type": "news", "data": 1}, metadata={"targetCapability": "render"},
            expect={"deliveredCount": 1}),
        broadcasted("b", "news", "a", 1),
        say("a", "hub:broadcast", {"type": "news", "data": 1}, metadata={"targetCapability": "none has it"},
            expect={"deliveredCount": 0, "delivered": False}),
    ]),
    Scenario("hub:broadcast goes to every registered address, to = that recipient", [
        connect("a"), register("a"), connect("b"), register("b"), register("b", "more/of-b"),
        say("a", "hub:broadcast", {"type": "news", "data": 1, "excludeSelf": True}, expect={"deliveredCount": 2}),
        does("both come", lambda run: _both(run)),
    ]),
    Scenario("hub:broadcast with fields that are not what they should be -> an error", [
        *two(),
        say("a", "hub:broadcast", {"data": 1}, error="internal_error"),
        say("a", "hub:broadcast", {"type": "x", "data": 1, "excludeSelf": "yes"}, error="internal_error"),
        say("a", "hub:broadcast", {"type": "x", "data": 1}, metadata={"targetCapability": 7}, error="internal_error"),
    ]),
    Scenario("an actor whose registration expired gets no broadcast", [
        connect("a"), register("a"), connect("b"), register("b", ttl=1000), registered_are("a", "a"),
        say("a", "hub:broadcast", {"type": "news", "data": 1, "excludeSelf": True}, expect={"deliveredCount": 0}),
    ]),
]
test_row = rows(ROWS)


def _byte_for_byte(data):
    return Scenario(f"data is passed through byte for byte: {data[:40]}", [
        *two(), say("b", "hub:subscribe", {"topic": "t"}),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": Raw(data)}),
        sent("b", "note", "a", raw=data),
        say("a", "hub:broadcast", {"type": "note", "data": Raw(data), "excludeSelf": True}),
        broadcasted("b", "note", "a", raw=data),
        say("a", "hub:publish", {"topic": "t", "type": "note", "data": Raw(data)}),
        gets("b", "note", raw=data, sender=Address("a"), correlation=Saved("id")),
    ], dialects=("1.0",), forms=("bare",), patterns=("ask",))


test_byte_for_byte = rows([_byte_for_byte(data) for data in DATA])


async def _both(run):
    to = set()
    for _ in range(2):
        it = await run.next("b", lambda frame: frame["type"] == "news")
        to.add(it["to"])
    run.check("to", True, to == {run.address("b"), run.address("more/of-b")})
