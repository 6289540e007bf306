"""What a backend's call costs over HTTP and over gRPC, beside the same through a WebSocket, in one run; what it costs to
publish to a thousand subscribers from a backend; and what a call from hub to hub costs, beside a message that writes as much.

A call is of class echo, which answers with what it is given; from hub to hub of the tests' class crash, which counts its
calls. Clients write by hand, as little as they can (over gRPC by Python's library), and wait for each answer; how many there
are at once is said. CPU is that of gateway and statekeeper together."""

import asyncio
import json
import os
import time

from backends import ApiCluster
from ws import all_open, actor

_TICK = os.sysconf("SC_CLK_TCK")
_BODY = b'{"type":"x","message":"a body of some forty bytes"}'


def show(name, value, unit):
    print(f"{name:<44} {value:12.2f} {unit}", flush=True)


def _cpu(cluster):
    """Seconds of processor time that the cluster's processes have used."""
    used = 0
    for process in (*cluster.gateways, *cluster.statekeepers):
        with open(f"/proc/{process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        used += int(fields[11]) + int(fields[12])
    return used / _TICK


def measure(store, calls, subscribers, publications):
    asyncio.run(_measure(store, calls, subscribers, publications))


async def _measure(store, calls, subscribers, publications):
    options = {"rate-limit": "0", "connection-cpu": "0", "idle-timeout": "0"}
    with ApiCluster(store=store, options=options, grpc=True) as cluster:
        for clients in (1, 16, 64):
            for name, talk in (("http", _over_http), ("websocket", _over_websocket)):
                await _row(cluster, name, talk, clients, calls)
            await _over_grpc(cluster, clients, calls)
        await _row(cluster, "http, with a key", _over_http_with_keys, 16, calls)
        await _publish(cluster, subscribers, publications)
    with ApiCluster(store=store, options=options, statekeeper_program="dormouse-crash-statekeeper") as cluster:
        for clients in (1, 16, 64):
            await _row(cluster, "hub, message", _to_hub, clients, calls)
            await _row(cluster, "hub to hub", _hub_to_hub, clients, calls)


async def _row(cluster, name, talk, clients, calls):
    times = []
    each = max(calls // clients, 1)
    begin = asyncio.Event()
    tasks = [asyncio.create_task(talk(cluster, number, each, begin, times)) for number in range(clients)]
    await asyncio.sleep(0.5)  # all are connected
    cpu, start = _cpu(cluster), time.monotonic()
    begin.set()
    await asyncio.gather(*tasks)
    _show(name, clients, times, time.monotonic() - start, _cpu(cluster) - cpu)


def _show(name, clients, times, took, cpu):
    times.sort()
    show(f"calls.{name}.{clients}.cpu", 1e6 * cpu / len(times), "us of CPU a call")
    show(f"calls.{name}.{clients}.p50", 1e6 * times[len(times) // 2], "us")
    show(f"calls.{name}.{clients}.p99", 1e6 * times[len(times) * 99 // 100], "us")
    show(f"calls.{name}.{clients}.rate", len(times) / took, "calls/s")


async def _over_http(cluster, number, calls, begin, times, keys=False):
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.api_ports[0])
    head = (f"POST /api/hubs/echo/bench-{number % 8}/call HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {cluster.api_key}"
            f"\r\nContent-Length: {len(_BODY)}\r\n").encode()
    await begin.wait()
    for call in range(calls):
        key = f"Idempotency-Key: {number}-{call}-{time.monotonic_ns()}\r\n".encode() if keys else b""
        start = time.monotonic()
        writer.write(head + key + b"\r\n" + _BODY)
        answer = await reader.readuntil(b"\r\n\r\n")
        assert answer.startswith(b"HTTP/1.1 200"), answer
        length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        await reader.readexactly(length)
        times.append(time.monotonic() - start)
    writer.close()


async def _over_grpc(cluster, clients, calls):
    program = os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "integration", "grpc_backend.py")
    process = await asyncio.create_subprocess_exec("/usr/bin/python3", program, "--times", stdin=asyncio.subprocess.PIPE,
                                                   stdout=asyncio.subprocess.PIPE, limit=1 << 26)
    told = {"port": cluster.grpc_ports[0], "key": cluster.api_key, "hubs": [f"echo/bench-{n}" for n in range(8)],
            "payload": _BODY.decode(), "clients": clients, "calls": max(calls // clients, 1)}
    process.stdin.write(json.dumps(told).encode() + b"\n")
    assert await process.stdout.readline() == b"ready\n"
    cpu, start = _cpu(cluster), time.monotonic()
    process.stdin.write(b"go\n")
    said = await process.stdout.read()
    took = time.monotonic() - start
    await process.wait()
    _show("grpc", clients, json.loads(said), took, _cpu(cluster) - cpu)


async def _over_http_with_keys(*args):
    await _over_http(*args, keys=True)


async def _over_websocket(cluster, number, calls, begin, times):
    await _talk(cluster, f"/websocket/bench-{number % 8}", _BODY, True, calls, begin, times)


async def _to_hub(cluster, number, calls, begin, times):
    await _talk(cluster, f"/crash/bench-{number}", _BODY, False, calls, begin, times)


async def _hub_to_hub(cluster, number, calls, begin, times):
    await _talk(cluster, f"/crash/bench-{number}", b"call callee-%d x" % number, False, calls, begin, times)


async def _talk(cluster, path, text, welcomed, calls, begin, times):
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster.port())
    writer.write((f"GET {path} HTTP/1.1\r\nHost: bench\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n").encode())
    await reader.readuntil(b"\r\n\r\n")
    if welcomed:
        await _frame(reader)
    # A mask of zeros leaves the bytes as they are.
    frame = bytes([0x81, 0x80 | len(text)]) + bytes(4) + text
    await begin.wait()
    for _ in range(calls):
        start = time.monotonic()
        writer.write(frame)
        await _frame(reader)
        times.append(time.monotonic() - start)
    writer.close()


async def _frame(reader):
    head = await reader.readexactly(2)
    length = head[1]
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    return await reader.readexactly(length)


async def _publish(cluster, subscribers, publications):
    async with all_open(actor(cluster.ws_url("/ws/crowd"), f"bench/{n}") for n in range(subscribers)) as clients:
        for client in clients:
            await client.must("hub:subscribe", {"topic": "news"})
        body = json.dumps({"topic": "news", "type": "news", "data": "x" * 200}).encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", cluster.api_ports[0])
        counting = [asyncio.create_task(_count(client, publications)) for client in clients]
        cpu, start = _cpu(cluster), time.monotonic()
        for _ in range(publications):
            writer.write((f"POST /api/hubs/signal/crowd/publish HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer "
                          f"{cluster.api_key}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
            answer = await reader.readuntil(b"\r\n\r\n")
            length = int(answer.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            said = json.loads(await reader.readexactly(length))
            assert said["sent"] == subscribers, said
        answered = time.monotonic() - start
        await asyncio.gather(*counting)
        took, cpu = time.monotonic() - start, _cpu(cluster) - cpu
        writer.close()
        deliveries = publications * subscribers
        show(f"calls.publish.{subscribers}.rate", deliveries / took, "deliveries/s (this reader included)")
        show(f"calls.publish.{subscribers}.answers", publications / answered, "publications/s")
        show(f"calls.publish.{subscribers}.cpu", 1e6 * cpu / deliveries, "us of CPU a delivery")


async def _count(client, publications):
    for _ in range(publications):
        await client.protocol.recv()
