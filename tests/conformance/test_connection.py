"""Table "Dialects", and the rows hub:connect, hub:heartbeat, hub:disconnect, hub:refresh_token of "Messages"."""

from .frames import dump
from .protocol import HUB, Exactly, NOW, TEXT
from .scenario import (ANY, NULL, OMIT, Address, Save, Saved, Scenario, closed, connect, dialect, does, other_form,
                       register, registered_are, rows, say)

OLD = ("0.1",)
NEW = ("1.0",)


def refused_version(given, *, payload=None, metadata=None):
    return Scenario(f"hub:connect with version {given!r} -> version_mismatch {{expected, received}}", [
        say("a", "hub:connect", payload or {}, metadata=metadata or {}, error="version_mismatch",
            details={"expected": TEXT, "received": given}),
        connect("a"),
    ], dialects=NEW)


def accepted_version(given, connected, *, payload=None, metadata=None):
    return Scenario(f"hub:connect with version {given!r} is dialect {connected}", [
        say("a", "hub:connect", payload or {}, metadata=metadata or {}),
        say("a", "hub:discover", {}),
    ], dialects=(connected,))


def _silent_after_disconnect():
    """The dialect of a disconnect's reply; what was the session's is gone when it comes."""
    return [
        connect("a", expect={"sessionId": Save("session")}), register("a"),
        say("a", "hub:subscribe", {"topic": "t"}),
        connect("b"), register("b"),
        say("a", "hub:disconnect", None, expect={
            "sessionId": Saved("session"), "cleanedUp": True}),
        closed("a", 1000),
        registered_are("b", "b"),
        say("b", "hub:publish", {"topic": "t", "type": "x", "data": 1}, expect={"subscriberCount": 0}),
    ]


ROWS = [
    Scenario("hub:connect is never expired by its own ttl", [
        connect("a", timestamp=1_600_000_000_000, ttl=5), register("a"),
    ]),
    Scenario("hub:metrics -> hub:metrics_response", [
        connect("a"), register("a"), say("a", "hub:subscribe", {"topic": "t"}),
        say("a", "hub:metrics", {}, expect={"sessions": 1, "actors": 1, "topics": 1, "subscriptions": 1}),
    ]),
    Scenario("hub:connect -> hub:connected", [
        connect("a", expect={
            "actorIdentity": Address("a"), "maxMessageSize": 1048576, "heartbeatInterval": 30000, "resumed": False,
            "serverTime": NOW}),
    ]),
    Scenario("hub:connected says the granted capabilities", [
        connect("a", expect={"capabilities": dialect(
            Exactly({"maxActorsPerInstance": 50000, "supportsBackpressure": True,
                     "supportedContentTypes": ["application/json"]}), ANY)}),
    ]),
    Scenario("every session has an id of its own", [
        connect("a", expect={"sessionId": Save("first")}),
        does("b's is another", lambda run: _other_session(run)),
    ]),
    Scenario("0.1: metadata.capabilities missing or empty -> unauthorized", [
        *(say("a", "hub:connect", {}, metadata={"protocolVersion": "0.1.0", **more}, error="unauthorized")
          for more in ({}, {"capabilities": []}, {"capabilities": "send"}, {"capabilities": None})),
        connect("a"),
    ], dialects=OLD),
    Scenario("1.0: no capabilities needed", [
        say("a", "hub:connect", {"version": "1.0"}, metadata=OMIT),
    ], dialects=NEW),
    Scenario("0.1: metadata.authToken with and without bearer, authentication off", [
        connect("a", metadata={"authToken": "bearer whatever"}),
        connect("b", metadata={"authToken": "whatever"}),
    ], dialects=OLD),
    Scenario("1.0: payload.jwt, authentication off", [connect("a", payload={"jwt": "whatever"})], dialects=NEW),
    Scenario("hub:connect without any version -> version_mismatch", [
        say("a", "hub:connect", {}, error="version_mismatch", details={"expected": TEXT, "received": None}),
        say("a", "hub:connect", None, metadata={"capabilities": ["x"]}, error="version_mismatch",
            details={"expected": TEXT, "received": None}),
        connect("a"),
    ]),
    refused_version("2.0", payload={"version": "2.0"}),
    Scenario("hub:connect with payload.version 0.9 -> version_mismatch, before anything else", [
        say("a", "hub:connect", {"version": "0.9"}, sender="\n", timestamp=1, ttl=1, error="version_mismatch",
            details={"expected": "1.0", "received": "0.9"}),
        connect("a"),
    ], dialects=NEW),
    refused_version("7", payload={"version": "7"}),
    refused_version("10.0", payload={"version": "10.0"}),
    refused_version("banana", payload={"version": "banana"}),
    refused_version("2.0.0", metadata={"protocolVersion": "2.0.0", "capabilities": ["x"]}),
    accepted_version("0.1.7", "0.1", metadata={"protocolVersion": "0.1.7", "capabilities": ["x"]}),
    accepted_version("1.3", "1.0", payload={"version": "1.3"}),
    Scenario("until hub:connect the dialect is 1.0", [
        say("a", "hub:discover", {}),
        register("a", capabilities=[]),
        say("a", "hub:unregister", {"actorAddress": Address("a")}),
    ], dialects=NEW),
    Scenario("with authentication off messages before hub:connect work, the identity is the from", [
        connect("b"), register("b"),
        say("a", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1}),
        does("b sees who", lambda run: _note_from(run, "b", "a")),
    ], dialects=NEW),
    Scenario("dialects and address forms are each session's own", [
        connect("a"), register("a"),
        connect("b", form=other_form),
        register("b"),
        say("a", "hub:send", {"to": Address("b"), "type": "note", "data": 1}),
        does("b sees its own form", lambda run: _note_from(run, "b", "a")),
    ]),
    Scenario("hub:heartbeat -> hub:heartbeat_ack, for a tell too", [
        connect("a"),
        say("a", "hub:heartbeat", {"timestamp": 1708272030000}, expect={"timestamp": 1708272030000}),
        say("a", "hub:heartbeat", {"timestamp": 0}, expect={"timestamp": 0}),
        say("a", "hub:heartbeat", {}),
    ]),
    Scenario("hub:heartbeat with payload null", [
        connect("a"),
        say("a", "hub:heartbeat", NULL),
        does("without a timestamp", lambda run: _plain_heartbeat(run)),
    ]),
    Scenario("hub:heartbeat without hub:connect, from an actor that is not registered", [
        say("a", "hub:heartbeat", {"timestamp": 5}, sender=Address("x/another"), expect={"timestamp": 5}),
    ], dialects=NEW),
    Scenario("hub:heartbeat without id, and without to", [
        connect("a"),
        say("a", "hub:heartbeat", {"timestamp": 5}, id=OMIT),
        say("a", "hub:heartbeat", {"timestamp": 5}, to=OMIT, expect={"timestamp": 5}),
        say("a", "hub:heartbeat", {"timestamp": 5}, pattern=OMIT, metadata=OMIT, correlationId=OMIT),
    ]),
    Scenario("hub:disconnect -> acknowledged, then close 1000; the session is gone by then",
             _silent_after_disconnect()),
    Scenario("0.1: hub:disconnect says acknowledged: true", [
        connect("a"), say("a", "hub:disconnect", {}, expect={"acknowledged": True}), closed("a", 1000),
    ], dialects=OLD),
    Scenario("hub:disconnect without hub:connect", [say("a", "hub:disconnect", {}), closed("a", 1000)], dialects=NEW),
    Scenario("hub:refresh_token with a foreign token, authentication off -> invalid_token", [
        connect("a"),
        say("a", "hub:refresh_token", {"token": "not one of yours"}, error="invalid_token"),
        say("a", "hub:refresh_token", {}, error={"invalid_token", "internal_error"}),
    ]),
]
test_row = rows(ROWS)


async def _other_session(run):
    payload, metadata = run.connect_fields("b")
    reply = await run.ask("b", "hub:connect", payload, metadata=metadata)
    assert reply["payload"]["sessionId"] != run.saved["first"]


async def _note_from(run, client, sender):
    it = await run.next(client, lambda frame: frame["type"] == "note")
    run.check("from", Address(sender), it["from"], client)
    run.check("to", Address(client), it["to"], client)
    run.check("metadata.via", Address(HUB), it["metadata"]["via"], client)


async def _plain_heartbeat(run):
    await run.send("a", dump(run.envelope("a", "hub:heartbeat", None, {"payload": None})))
    reply = await run.next("a", lambda frame: frame["type"] == "hub:heartbeat_ack")
    assert reply["payload"].keys() == {"serverTime"}, reply.text
