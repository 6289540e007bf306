"""Who gateways let in, how many, and how much they may say."""

import asyncio
import time

import pytest
import websockets
from attack import bystander, raw_client
from cluster import Cluster
from tokens import SECRET, signed
from ws import Actor, actor, connect, echo, upgrade_status


async def status(cluster, **options):
    return await upgrade_status(cluster.ws_url("/websocket/door"), **options)


# --- origins

async def test_pages_of_other_origins_are_refused():
    with Cluster(options={"allowed-origins": "https://app.example,http://*.team.example:3000"}) as cluster:
        async def from_page(origin):
            return await status(cluster, origin=origin)

        assert await status(cluster) == 101, "not a browser"
        assert await from_page("https://APP.example") == 101
        assert await from_page("http://a.team.example:3000") == 101
        for other in ("http://app.example", "https://app.example:8443", "http://team.example:3000", "null",
                      "https://app.example.evil.example"):
            assert await from_page(other) == 403, other


@pytest.mark.parametrize("option, value, status", [
    ("allowed-origins", "app.example", 1), ("trusted-proxies", "10.0.0.0/40", 1), ("role-limits", "board=60", 2)])
def test_what_cannot_be_read_refuses_the_start(option, value, status):
    with Cluster(start=False) as cluster:
        code, said = cluster.run_to_end([*cluster.gateways[0].command, f"--{option}", value])
        assert code == status
        assert f"--{option}: '{value}'" in said


# --- how many

async def test_a_full_gateway_says_come_back():
    with Cluster(options={"max-connections": "2"}) as cluster:
        async with echo(cluster.ws_url("/websocket/a")), bystander(cluster):
            with pytest.raises(websockets.InvalidStatusCode) as refusal:
                async with connect(cluster.ws_url("/websocket/b")):
                    pass
            assert refusal.value.status_code == 503
            assert refusal.value.headers["Retry-After"] == "1"
        async with echo(cluster.ws_url("/websocket/b")):
            pass


async def test_one_address_has_so_many_sockets():
    with Cluster(options={"max-connections-per-address": "2", "handshake-timeout": "60s"}) as cluster:
        async with echo(cluster.ws_url("/websocket/a")):
            with raw_client(cluster, b"GET /websocket HTTP/1.1\r\n"):
                assert await status(cluster) == 429, "a handshake counts, too"
                assert await status(cluster, local_addr=("127.0.0.2", 0)) == 101

            # The test's own time limit ends this where the seat is not given back.
            while await status(cluster) != 101:
                await asyncio.sleep(0.01)


async def test_behind_a_trusted_proxy_its_clients_count():
    with Cluster(options={"max-connections-per-address": "1", "trusted-proxies": "127.0.0.1/32,10.0.0.0/8"}) as cluster:
        def forwarded(chain):
            return {"extra_headers": {"X-Forwarded-For": chain}}

        async with connect(cluster.ws_url("/websocket/a"), **forwarded("203.0.113.9, 192.0.2.1, 10.1.1.1")):
            assert await status(cluster, **forwarded("192.0.2.1")) == 429
            assert await status(cluster, **forwarded("192.0.2.1, 192.0.2.2")) == 101, "what the client makes up does not count"
            # Somebody who is no proxy of ours may write what it likes.
            async with connect(cluster.ws_url("/websocket/b"), local_addr=("127.0.0.2", 0), **forwarded("192.0.2.3")):
                assert await status(cluster, local_addr=("127.0.0.2", 0), **forwarded("192.0.2.4")) == 429


# --- how much

async def refusals(client, requests):
    """Sends the requests at once; how many replies are rate_limited, which must be complete errors."""
    for request in requests:
        await client.send(request)
    replies = {}
    while len(replies) < len(requests):
        reply = await client.recv()
        replies[reply["correlationId"]] = reply
    refused = [replies[request["id"]] for request in requests
               if replies[request["id"]]["payload"].get("code") == "rate_limited"]
    for error in refused:
        assert error["type"] == "hub:error"
        details = dict(error["payload"]["details"])
        assert 1 <= details.pop("retryAfterMs") <= 100, "a tenth of a second is a message"
        assert details == {"retryAfter": 1, "limit": 10, "code": "RATE_LIMIT_EXCEEDED"}
        assert error["payload"]["resolution"]
    return len(refused)


@pytest.mark.parametrize("kind, payload", [
    ("hub:heartbeat", {}),
    ("hub:register", {"actorAddress": "test/a", "capabilities": ["x"]}),
    ("hub:list_actors", {}),
])
async def test_ten_messages_a_second_and_twenty_at_once(kind, payload):
    with Cluster() as cluster:
        async with bystander(cluster), actor(cluster.ws_url("/ws/rate"), "test/a", register=False) as client:
            began = time.monotonic()
            refused = await refusals(client, [client.envelope(kind, payload) for _ in range(60)])
            refilled = 10 * (time.monotonic() - began)
            assert 40 - refilled - 1 <= refused <= 40, (refused, refilled)
            await asyncio.sleep(1)  # as retryAfter says
            assert await refusals(client, [client.envelope(kind, payload)]) == 0


async def test_connecting_again_is_counted():
    with Cluster() as cluster:
        async with connect(cluster.ws_url("/ws/rate")) as client:
            self = Actor(client.protocol, "test/a")
            began = time.monotonic()
            refused = await refusals(client, [self.envelope("hub:connect", {"version": "1.0"}) for _ in range(61)])
            refilled = 10 * (time.monotonic() - began)
            assert 40 - refilled - 1 <= refused <= 40, (refused, refilled)


async def test_no_limit():
    with Cluster(options={"rate-limit": "0"}) as cluster:
        async with actor(cluster.ws_url("/ws/rate"), "test/a") as client:
            assert await refusals(client, [client.envelope("hub:list_actors") for _ in range(500)]) == 0


# --- how soon

async def test_where_tokens_are_asked_for_a_signal_socket_must_connect_in_time(tmp_path):
    key = tmp_path / "secret"
    key.write_text(SECRET)
    with Cluster(options={"auth-algorithm": "HS256", "auth-key": str(key), "connect-timeout": "500ms"}) as cluster:
        async with bystander(cluster), connect(cluster.ws_url("/ws/late")) as late, \
                connect(cluster.ws_url("/ws/late")) as client:
            known = Actor(client.protocol, "browser/alice")
            await known.must("hub:connect", {"version": "1.0", "jwt": signed(actor="browser/alice")})
            assert await late.closed() == (1008, "Connect timeout")
            await asyncio.sleep(1)
            assert await known.addresses() == [], "who has connected stays"
