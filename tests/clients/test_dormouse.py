"""What the command line clients share."""

import asyncio
import http
import json
import socket

import dormouse
import pytest
from dormouse import echo


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_backoff_doubles_from_100_ms_to_30_s():
    backoff = dormouse.Backoff(uniform=lambda low, high: 1.0)
    delays = [backoff.next_delay() for _ in range(12)]
    assert delays[:4] == pytest.approx([0.1, 0.2, 0.4, 0.8])
    assert delays[8:] == pytest.approx([25.6, 30, 30, 30])


def test_backoff_moves_delays_by_a_quarter_either_way():
    low = dormouse.Backoff(uniform=lambda low, high: low)
    high = dormouse.Backoff(uniform=lambda low, high: high)
    assert [low.next_delay(), low.next_delay()] == pytest.approx([0.075, 0.15])
    assert [high.next_delay(), high.next_delay()] == pytest.approx([0.125, 0.25])
    assert len({dormouse.Backoff().next_delay() for _ in range(20)}) > 1


def test_backoff_starts_over_after_a_reset():
    backoff = dormouse.Backoff(uniform=lambda low, high: 1.0)
    backoff.next_delay()
    backoff.next_delay()
    backoff.reset()
    assert backoff.next_delay() == pytest.approx(0.1)


def test_frames_are_those_of_the_protocol():
    assert json.loads(dormouse.encode(echo.message("Grüße"))) == {"type": "message", "message": "Grüße"}
    assert echo.ping()["type"] == "ping"
    assert echo.heartbeat()["type"] == "heartbeat"
    assert echo.heartbeat()["timestamp"].endswith("Z")


def test_decode_takes_json_objects_only():
    assert dormouse.decode('{"type":"echo"}') == {"type": "echo"}
    assert dormouse.decode(b'{"type":"echo"}') == {"type": "echo"}
    for other in ("[1]", "1", "plain text", ""):
        assert dormouse.decode(other) is None


def connect_error(url):
    with pytest.raises(dormouse.ConnectError) as caught:
        asyncio.run(dormouse.open_socket(url))
    return caught.value


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_refused_connection_is_named_and_worth_another_try(host):
    error = connect_error(f"ws://{host}:{free_port()}/websocket")
    assert "connection refused: nothing listens at" in str(error)
    assert error.retryable


def test_bad_address_is_named_and_final():
    error = connect_error("http://127.0.0.1/websocket")
    assert "not a WebSocket address" in str(error)
    assert not error.retryable


@pytest.mark.parametrize(
    "status, part, retryable",
    [
        (http.HTTPStatus.NOT_FOUND, "404 Not Found: there is no hub at /websocket", False),
        (http.HTTPStatus.UNAUTHORIZED, "401 Unauthorized", False),
        (http.HTTPStatus.TOO_MANY_REQUESTS, "429 Too Many Requests", True),
        (http.HTTPStatus.SERVICE_UNAVAILABLE, "503 Service Unavailable", True),
    ],
)
def test_refusal_by_status_is_named(serve, status, part, retryable):
    async def refuse(_path, _headers):
        return status, [], b""

    async def run():
        async with serve(None, process_request=refuse) as url:
            with pytest.raises(dormouse.ConnectError) as caught:
                await dormouse.open_socket(url)
            return caught.value

    error = asyncio.run(run())
    assert part in str(error)
    assert error.retryable == retryable


def test_server_of_another_protocol_is_named():
    async def run():
        async def grumble(_reader, writer):
            writer.write(b"220 mail.example ESMTP\r\n")
            writer.close()

        server = await asyncio.start_server(grumble, "127.0.0.1", 0)
        async with server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(dormouse.ConnectError, match="no WebSocket server at"):
                await dormouse.open_socket(f"ws://127.0.0.1:{port}/websocket")

    asyncio.run(run())


@pytest.mark.parametrize("code, reason", [(1001, "Going Away"), (1000, "Connection timeout")])
def test_close_info_has_code_and_reason(serve, code, reason):
    async def close(socket):
        await socket.close(code, reason)

    async def run():
        async with serve(close) as url:
            opened = await dormouse.open_socket(url)
            with pytest.raises(dormouse.ConnectionClosed) as caught:
                await opened.recv()
            return dormouse.close_info(caught.value)

    assert asyncio.run(run()) == (code, reason)


def test_close_info_of_a_broken_connection(serve):
    async def cut(socket):
        socket.transport.abort()

    async def run():
        async with serve(cut) as url:
            opened = await dormouse.open_socket(url)
            with pytest.raises(dormouse.ConnectionClosed) as caught:
                await opened.recv()
            return dormouse.close_info(caught.value)

    assert asyncio.run(run()) == (1006, "connection lost")
