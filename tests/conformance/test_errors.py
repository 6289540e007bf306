"""Table "Errors". Each code, and that the socket stays open. Limits and tokens have files of their own."""

import pytest
from cluster import Cluster, until
from ws import actor

from .protocol import TEXT
from .scenario import Address, Scenario, connect, frame, register, registered_are, rows, say

NO_ENVELOPES = [
    "not JSON", "", " ", "[]", "[1,2]", "7", "null", "true", '"hub:heartbeat"', "{", "{}", '{"type":"hub:connect"}',
    '{"from":"test/a"}', '{"type":7,"from":"test/a"}', '{"type":"","from":"test/a"}',
    '{"type":"hub:list_actors","from":7}', '{"type":"hub:list_actors","from":null}', '{"type":null,"from":"test/a"}',
    '{"type":"hub:list_actors","from":"test/a"} trailing', '{"type":"hub:list_actors","from":"test/a",}',
    "{'type':'hub:list_actors','from':'test/a'}", '{"type":"hub:list_actors","from":"test/a","payload":NaN}',
    '{"type":"hub:list_actors","from":"test/a","payload":01}', b"\xff\xfe\x00\x01", b"\x00", "\ufeff{}",
]

ROWS = [
    *(Scenario(f"a frame that is not an envelope -> internal_error, the socket stays open: {str(bad)[:60]!r}", [
        connect("a"), frame("a", bad, error="internal_error", to=Address("a")),
        say("a", "hub:list_actors", {}),
    ], dialects=("1.0",), patterns=("ask",), forms=("bare",)) for bad in NO_ENVELOPES),
    Scenario("an unknown hub type -> internal_error", [
        connect("a"), register("a"), say("a", "hub:make_coffee", {}, error="internal_error"),
        say("a", "hub:", {}, error="internal_error"), registered_are("a", "a"),
    ]),
    Scenario("version_mismatch", [
        say("a", "hub:connect", {"version": "3.1"}, error="version_mismatch", details={"expected": TEXT, "received": "3.1"}),
    ]),
    Scenario("unauthorized: the hub's own address", [
        connect("a"), say("a", "hub:register", {"actorAddress": Address("cloudflare/signal-hub"), "capabilities": ["x"]},
                          error="unauthorized"),
    ]),
    Scenario("unauthorized: a renewal with a wrong token", [
        connect("a"), register("a"), say("a", "hub:renew", {"renewalToken": "wrong"}, error="unauthorized"),
    ]),
    Scenario("unauthorized: unregistering somebody else's address", [
        connect("a"), register("a"), connect("b"), register("b"),
        say("b", "hub:unregister", {"actorAddress": Address("a")}, error="unauthorized"),
        registered_are("b", "a", "b"),
    ]),
    Scenario("hub:unknown_actor {actorAddress, message}", [
        connect("a"), register("a"),
        say("a", "hub:send", {"to": Address("nobody/here"), "type": "x", "data": 1}, pattern="ask",
            reply="hub:unknown_actor", expect={"actorAddress": Address("nobody/here"), "message": TEXT}),
    ]),
    Scenario("unknown_actor: an application's ask to the hub itself", [
        connect("a"), register("a"), say("a", "app:question", {}, pattern="ask", error="unknown_actor"),
    ]),
    Scenario("message_expired", [
        connect("a"), say("a", "hub:list_actors", {}, timestamp=1000, ttl=1, error="message_expired"),
    ]),
    Scenario("invalid_token", [
        connect("a"), say("a", "hub:refresh_token", {"token": "x"}, error="invalid_token"),
    ]),
    Scenario("an error answers the request as a reply does", [
        connect("a"),
        say("a", "hub:make_coffee", {}, id="order 66", to=Address("cloudflare/signal-hub", other=True),
            error="internal_error"),
    ]),
]
test_row = rows(ROWS)


@pytest.mark.parametrize("version, metadata", [("1.0", {}), (None, {"protocolVersion": "0.1.0", "capabilities": ["x"]})],
                         ids=["1.0", "0.1"])
async def test_timeout_while_the_store_is_away(version, metadata):
    """timeout: a change is refused, retryably."""
    options = {"commit-timeout": "300ms", "rate-limit": "0"}
    with Cluster(store="redis", options=options) as cluster:
        async with actor(cluster.ws_url("/ws/away"), "test/a") as a:
            await a.must("hub:connect", {"version": version} if version else {}, metadata=metadata)
            cluster.pause(cluster.redis)
            reply = await a.call("hub:register", {"actorAddress": "test/b", "capabilities": ["x"]})
            assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "timeout"), reply
            assert reply["payload"]["message"] and reply["payload"]["resolution"] and "details" in reply["payload"]
            # What changes nothing goes on.
            assert (await a.call("hub:heartbeat", {"timestamp": 1}))["type"] == "hub:heartbeat_ack"
            cluster.resume(cluster.redis)
            await until(cluster.statekeeper.is_ready, "the statekeeper has its store again")
            await a.register("test/b")
