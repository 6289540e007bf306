"""Malformed, oversized, half-finished and slow clients get a clear error or close code; nobody else notices."""

import asyncio
import contextlib
import json
import os
import socket
import time

import pytest
import websockets
from attack import bystander, close_code, raw_websocket
from cluster import SLOWNESS, Cluster, until
from ws import WAIT, actor, connect, count_becomes, echo


@pytest.fixture(scope="module")
def cluster():
    with Cluster(options={"max-message-size": "1KiB", "rate-limit": "0", "hibernate-after": "1s"}) as it:
        yield it


@pytest.mark.parametrize("frame", [
    "not JSON", "", "[]", "7", '"hub:heartbeat"', "{", '{"type":"hub:connect"}', '{"from":"test/a"}',
    '{"type":7,"from":"test/a"}', '{"type":"hub:connect","from":"test/a","payload":{"version":"1.0"}} trailing',
    "[" * 1000, b"\xff\xfe\x00\x01",
], ids=lambda frame: repr(frame)[:30])
async def test_frame_that_is_no_envelope_is_an_error_and_the_socket_stays(cluster, frame):
    async with bystander(cluster), connect(cluster.ws_url("/ws/malformed")) as client:
        reply = await client.ask(frame)
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "internal_error"), reply
        assert reply["payload"]["message"] and reply["payload"]["resolution"]
        ack = await client.ask({"type": "hub:heartbeat", "from": "test/a", "payload": {"timestamp": 1}})
        assert ack["type"] == "hub:heartbeat_ack"


async def test_unknown_hub_type_is_an_error_and_the_socket_stays(cluster):
    async with actor(cluster.ws_url("/ws/unknown"), "test/a") as client:
        reply = await client.call("hub:make_coffee")
        assert reply["type"] == "hub:error" and "hub:make_coffee" in json.dumps(reply["payload"])
        assert await client.addresses() == ["test/a"]


@pytest.mark.parametrize("version", [None, "2.0", "7", ""])
async def test_other_protocol_version_is_refused(cluster, version):
    async with connect(cluster.ws_url("/ws/versions")) as client:
        payload = {} if version is None else {"version": version}
        reply = await client.ask({"id": "1", "type": "hub:connect", "from": "test/a", "payload": payload})
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "version_mismatch")
        assert {"expected", "received"} <= reply["payload"]["details"].keys()


async def test_oversized_frame_is_an_error_and_the_socket_stays(cluster):
    async with bystander(cluster), actor(cluster.ws_url("/ws/large"), "test/a") as client:
        frame = json.dumps(client.envelope("hub:send", {"to": "test/b", "type": "x", "data": "d" * 2000}))
        await client.send(frame)
        reply = await client.recv()
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "message_too_large")
        details = reply["payload"]["details"]
        assert (details["actualSize"], details["maxSize"]) == (len(frame), 1024)
        assert (details["size"], details["limit"]) == (len(frame), 1024)
        assert await client.addresses() == ["test/a"]


@pytest.mark.parametrize("path", ["/websocket/large", "/ws/large"])
@pytest.mark.parametrize("pieces", [1, 50])
async def test_far_oversized_frame_closes_the_socket(cluster, path, pieces):
    async with bystander(cluster), connect(cluster.ws_url(path)) as client:
        # The server may close while the rest is still being sent.
        with contextlib.suppress(websockets.ConnectionClosed):
            await client.protocol.send(["d" * (5000 // pieces)] * pieces if pieces > 1 else "d" * 5000)
        assert (await client.closed())[0] == 1009


@pytest.mark.parametrize("frame", [
    pytest.param(b"\x81\x05hello", id="unmasked"),
    pytest.param(b"\x83\x80aaaa", id="reserved opcode"),
    pytest.param(b"\xc1\x80aaaa", id="reserved bit"),
    pytest.param(b"\x80\x80aaaa", id="continuation of nothing"),
    pytest.param(b"\x09\x80aaaa", id="fragmented ping"),
    pytest.param(b"\x89\xfe\x00\x7eaaaa" + b"a" * 126, id="ping of 126 bytes"),
])
async def test_protocol_violation_ends_the_connection(cluster, frame):
    async with bystander(cluster):
        with raw_websocket(cluster) as connection:
            connection.sendall(frame)
            # 1002, protocol error; a reason, if any, is up to the gateway. Where it says nothing, it just hangs up.
            assert await asyncio.to_thread(close_code, connection) in (1002, None)


async def test_invalid_utf8_text_does_no_harm(cluster):
    async with bystander(cluster):
        with raw_websocket(cluster) as connection:
            connection.sendall(b"\x81\x82\0\0\0\0\xff\xfe")
            # Either it is answered with valid text, or the socket is closed with 1007.
            await asyncio.to_thread(connection.recv, 65536)


async def test_half_open_handshakes_keep_nobody_out(cluster):
    async with bystander(cluster):
        with contextlib.ExitStack() as stack:
            for number in range(2000):
                connection = stack.enter_context(socket.create_connection(("127.0.0.1", cluster.port()), timeout=WAIT))
                connection.sendall([b"", b"G", b"GET /websocket HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgr"][number % 3])
            for _ in range(5):
                asked = time.monotonic()
                async with echo(cluster.ws_url("/websocket/beside")) as client:
                    assert (await client.ask("x"))["message"] == "x"
                assert time.monotonic() - asked < 2 * SLOWNESS
    # And when they are gone, so are their descriptors.
    descriptors = f"/proc/{cluster.gateways[0].pid}/fd"
    await until(lambda: len(os.listdir(descriptors)) < 500, "the gateway closes them", timeout=20)


async def test_garbage_instead_of_http_is_closed(cluster):
    async with bystander(cluster):
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), b"A" * 100_000, b"\r\n" * 5000):
            with socket.create_connection(("127.0.0.1", cluster.port()), timeout=WAIT) as connection:
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    connection.sendall(garbage + b"\r\n\r\n")
                    connection.shutdown(socket.SHUT_WR)
                    while await asyncio.to_thread(connection.recv, 65536):
                        pass


async def test_slow_reader_is_closed_and_the_others_get_everything():
    options = {"rate-limit": "0", "resume-window": "0s", "outbound-pause": "64KiB", "outbound-resume": "32KiB",
               "outbound-limit": "256KiB"}
    with Cluster(options=options) as cluster:
        url = cluster.ws_url("/ws/slow")
        async with actor(url, "test/sender") as sender, actor(url, "test/healthy") as healthy, \
                actor(url, "test/slow") as slow:
            slow.protocol.transport.pause_reading()
            count = 1000  # of 16 KiB: more than the kernel buffers on both sides and the limit together
            received = asyncio.create_task(_receive(healthy, count))
            for number in range(count):
                await sender.must("hub:broadcast", {"type": "bulk", "data": [number, "d" * 16384],
                                                    "excludeSelf": True})
            assert await received == list(range(count))
            assert "test/slow" not in await sender.addresses()
            slow.protocol.transport.resume_reading()
            # 1013 where it still got through; the close frame comes after all that was queued before it.
            assert (await slow.closed())[0] in (1013, 1006)


async def _receive(client, count):
    return [(await client.next())["payload"][0] for _ in range(count)]


async def test_connection_torn_off_in_the_middle_of_a_frame(cluster):
    async with bystander(cluster) as other:
        for _ in range(50):
            connection = raw_websocket(cluster, "/websocket/bystander")
            connection.sendall(b"\x81\xfe\x03\x00aaaa" + b"half a frame")
            # A reset instead of a close.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
        await count_becomes(other, 1)


@pytest.mark.parametrize("hello", [
    bytes.fromhex("16030100c8010000c40303") + bytes(50), bytes.fromhex("802e0103010015"), b"\0" * 16])
async def test_who_speaks_tls_to_the_plain_port_is_answered_at_once(cluster, hello):
    """Not after the time that a client has for its request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port())
    writer.write(hello)
    answer = await asyncio.wait_for(reader.read(), 2 * SLOWNESS)
    writer.close()
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert (b"plain HTTP" in answer) == hello.startswith(b"\x16")


@pytest.mark.parametrize("name", [".", "..", "%2e%2e", "%2E"])
async def test_a_hub_is_not_called_as_a_directory_is(cluster, name):
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port())
    writer.write(f"GET /ws/{name} HTTP/1.1\r\nHost: here\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                 "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AQIDBAUGBwgJCgsMDQ4PEA==\r\n\r\n".encode())
    assert (await reader.readline()).split()[1] in (b"400", b"404")
    writer.close()
