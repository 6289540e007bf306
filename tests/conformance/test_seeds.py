"""The seed documents, literally: what their authors' clients would see."""

import asyncio

import pytest
from cluster import Cluster, until
from ws import connect, echo

from .frames import Frame
from .protocol import ENVELOPE
from .scenario import Save, Saved, Scenario, closed, connect as joins, does, published, rows, say

SEED_002 = """{
     "type": "hub:heartbeat",
     "from": "browser/client-ui",
     "to": "cloudflare/signal-hub",
     "payload": {
       "timestamp": 1708272030000
     }
   }"""


async def _heartbeat(run):
    await run.send("a", SEED_002)
    ack = await run.next("a", lambda it: True)
    run.check("ack", {"type": "hub:heartbeat_ack", "from": "cloudflare/signal-hub", "to": "browser/client-ui",
                      "correlationId": None, "payload": {"timestamp": 1708272030000, "serverTime": int}}, ack.fields)


CLIENT_UI = "browser/client-ui"

ROWS = [
    Scenario("seed 002: the bare heartbeat, without any hub:connect", [
        does("the heartbeat", _heartbeat), does("again", _heartbeat),
    ], dialects=("1.0",), forms=("bare",), patterns=("ask",)),
    Scenario("seed 002: registry, session and subscriptions are what they were", [
        joins("a", sender=CLIENT_UI, expect={"sessionId": Save("session")}),
        say("a", "hub:register", {"actorAddress": CLIENT_UI, "capabilities": ["ui"]}, sender=CLIENT_UI,
            expect={"version": 1, "renewalToken": Save("token")}),
        say("a", "hub:subscribe", {"topic": "t"}, sender=CLIENT_UI),
        does("the heartbeat that wakes", _heartbeat),
        say("a", "hub:list_actors", {}, sender=CLIENT_UI, expect={
            "actors": [{"address": CLIENT_UI, "capabilities": ["ui"]}]}),
        does("the heartbeat that wakes", _heartbeat),
        say("a", "hub:renew", {"renewalToken": Saved("token")}, sender=CLIENT_UI),
        say("a", "hub:publish", {"topic": "t", "type": "x", "data": 1}, sender=CLIENT_UI,
            expect={"subscriberCount": 1}),
        published("a", "x", CLIENT_UI, "t", 1, to=CLIENT_UI),
        say("a", "hub:disconnect", {}, sender=CLIENT_UI, expect={"sessionId": Saved("session")}),
        closed("a", 1000),
    ], forms=("bare",)),
]
test_row = rows(ROWS)


@pytest.mark.parametrize("edge", ["true", "false"])
async def test_seed_002_heartbeat_wakes_the_hub_where_it_should(edge):
    options = {"hibernate-after": "20ms", "edge-heartbeats": edge}
    with Cluster(options=options) as cluster:
        async with connect(cluster.ws_url("/ws")) as client:
            await until(cluster.hub_wakes, "the hub has heard of the socket")
            await cluster.asleep()
            wakes = cluster.hub_wakes()
            await client.send(SEED_002)
            ack = Frame(await client.protocol.recv())
            assert ack["type"] == "hub:heartbeat_ack" and ack.fields.keys() == ENVELOPE.keys()
            await cluster.asleep()
            assert cluster.hub_wakes() == wakes + (edge == "false")


async def test_seed_002_eviction_closes_with_1001():
    """The gateway's eviction of its sockets: Going Away. The client reconnects and registers again."""
    with Cluster(gateways=2, options={"resume-window": "0"}) as cluster:
        async with connect(cluster.ws_url("/ws")) as client:
            await client.ask(SEED_002)
            ended = asyncio.ensure_future(client.closed())
            await asyncio.sleep(0)
            assert await asyncio.to_thread(cluster.kill_gateway, 0, 15) == 0
            assert (await ended)[0] == 1001
        async with connect(cluster.ws_url("/ws", gateway=1)) as client:
            assert (await client.ask(SEED_002))["type"] == "hub:heartbeat_ack"


@pytest.mark.parametrize("edge", ["true", "false"])
async def test_seed_000_session(edge):
    """Its test script: messages, a silence in which the hub hibernates, a heartbeat that wakes it, messages."""
    with Cluster(options={"hibernate-after": "20ms", "edge-heartbeats": edge}) as cluster:
        async with echo(cluster.ws_url("/websocket")) as client:
            for number in range(3):
                reply = await client.ask({"type": "message", "message": f"Message {number}"})
                assert (reply["type"], reply["message"], reply["connectionId"]) == ("echo", f"Message {number}", client.id)
            await cluster.asleep()
            assert (await client.ask({"type": "heartbeat"}))["type"] == "heartbeat_ack"
            assert (await client.ask({"type": "ping"}))["type"] == "pong"
            reply = await client.ask({"type": "message", "message": "after hibernation"})
            assert (reply["message"], reply["connections"], reply["connectionId"]) == ("after hibernation", 1, client.id)
