"""dormouse-load finds what a server does wrong: servers that answer wrong, twice, out of order or not at all, and a proxy
that does so with what a real cluster says."""

import asyncio
import contextlib
import http
import json
import os
import socket

import pytest
import websockets
from cluster import BIN, SLOWNESS, Cluster, until
from faulty_proxy import Proxy, is_direct

NOTHING = dict.fromkeys(("wrong", "refused", "missing", "doubled", "reordered", "closed"), 0)
WAIT = 60 * SLOWNESS


async def load(directory, *words, stdin=b""):
    """(exit status, what it printed, what it found) of a run."""
    file = directory / "found.json"
    process = await asyncio.create_subprocess_exec(
        os.path.join(BIN, "dormouse-load"), *words, "--json", str(file), stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    try:
        said, complained = await asyncio.wait_for(process.communicate(stdin), WAIT)
    except BaseException:
        process.kill()
        await process.wait()
        raise
    text = file.read_text() if file.exists() else ""
    return process.returncode, complained.decode() + said.decode(), json.loads(text) if text.strip() else None


@contextlib.asynccontextmanager
async def serving(handler):
    async with websockets.serve(handler, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def faulty(fault):
    """A server that says back what it hears, but for the 20th frame of all, which `fault` handles."""
    heard = 0

    async def handler(ws):
        nonlocal heard
        async for text in ws:
            heard += 1
            if heard == 20:
                await fault(ws, text)
            else:
                await ws.send(text)
    return handler


async def say_wrong(ws, text):
    await ws.send(text.replace("x", "y", 1))


async def say_twice(ws, text):
    await ws.send(text)
    await ws.send(text)


async def say_late(ws, text):
    await ws.send(await ws.recv())
    await ws.send(text)


async def say_nothing(_ws, _text):
    pass


async def close(ws, _text):
    await ws.close(1011, "for no reason")


FAULTS = [(say_wrong, {"wrong": 1, "missing": 1}), (say_twice, {"doubled": 1}), (say_late, {"reordered": 1}),
          (say_nothing, {"missing": 1}), (close, {"closed": 1})]


@pytest.mark.parametrize("rate", ["0", "500"], ids=["closed loop", "open loop"])
@pytest.mark.parametrize("fault, found", FAULTS, ids=["wrong", "twice", "late", "not at all", "close"])
async def test_a_fault_among_replies_is_found(tmp_path, fault, found, rate):
    async with serving(faulty(fault)) as url:
        status, said, report = await load(
            tmp_path, "echo", "--url", url, "--class", "raw", "--connections", "2", "--in-flight", "4", "--rate", rate,
            "--duration", "0.5", "--warm-up", "0.1", "--timeout", str(SLOWNESS))
    assert (status, report["faults"]) == (1, {**NOTHING, **found}), said
    assert report["kept"] is False
    assert len(report["words"]) == sum(found.values())
    assert all(" of hub " in words for words in report["words"])


async def test_a_server_that_does_right_is_found_to(tmp_path):
    async with serving(faulty(lambda ws, text: ws.send(text))) as url:
        status, said, report = await load(tmp_path, "echo", "--url", url, "--class", "raw", "--connections", "2",
                                          "--duration", "0.3", "--warm-up", "0")
    assert (status, report["faults"]) == (0, NOTHING), said
    # Workers learn a moment later than the director that it is measured.
    replies = report["figures"]["replies"]["value"]
    assert replies == pytest.approx(report["distributions"]["latency"]["count"], rel=0.1)
    assert replies > 20


async def test_latency_counts_from_when_a_request_was_meant_for(tmp_path):
    """A server that stands still for half a second is late for all whose turn comes meanwhile, not for one."""
    async def standstill(ws, text):
        await asyncio.sleep(0.5)
        await ws.send(text)
    async with serving(faulty(standstill)) as url:
        status, said, report = await load(tmp_path, "echo", "--url", url, "--class", "raw", "--connections", "1",
                                          "--rate", "200", "--duration", "1.5", "--warm-up", "0")
    assert status == 0, said
    late = report["distributions"]["latency"]
    assert sum(count for nanos, count in late["buckets"] if nanos > 100e6) >= 60
    assert late["max_ms"] >= 450


async def test_each_idle_connection_has_to_answer(tmp_path):
    deaf = []

    async def handler(ws):
        # One of them hears nothing.
        if not deaf:
            deaf.append(ws)
            await ws.wait_closed()
        async for text in ws:
            await ws.send(text)
    async with serving(handler) as url:
        status, said, report = await load(tmp_path, "idle", "--url", url, "--class", "raw", "--connections", "20",
                                          "--duration", "0.2", "--heartbeat", "0", "--timeout", str(SLOWNESS))
    assert (status, report["faults"]) == (1, {**NOTHING, "missing": 1}), said
    assert report["figures"]["verified"]["value"] == 19


async def test_connections_that_are_ready_send_heartbeats_while_others_are_opened(tmp_path):
    """Opening many takes longer than servers put up with silence: here nobody else comes in before the first is heard."""
    heard = asyncio.Event()

    async def admit(path, _headers):
        if not path.endswith("-0"):
            await heard.wait()

    async def handler(ws):
        async for text in ws:
            heard.set()
            await ws.send(text)
    async with websockets.serve(handler, "127.0.0.1", 0, ping_interval=None, process_request=admit) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        status, said, report = await load(tmp_path, "idle", "--url", url, "--class", "raw", "--connections", "3", "--hubs",
                                          "3", "--duration", "0.2", "--heartbeat", "0.3", "--timeout", str(SLOWNESS))
    assert (status, report["faults"]) == (0, NOTHING), said
    assert report["figures"]["verified"]["value"] == 3


async def test_a_heartbeat_that_nobody_answers_is_missing(tmp_path):
    async def handler(ws):
        async for text in ws:
            if text != "beat":
                await ws.send(text)
    async with serving(handler) as url:
        status, said, report = await load(tmp_path, "idle", "--url", url, "--class", "raw", "--connections", "3",
                                          "--duration", "1", "--heartbeat", "0.9", "--verify", "message", "--timeout",
                                          str(SLOWNESS))
    assert status == 1, said
    assert report["faults"]["missing"] >= 3


async def test_a_refused_connection_is_an_error_in_a_storm_of_them(tmp_path):
    asked = 0

    async def refuse_some(_path, _headers):
        nonlocal asked
        asked += 1
        return (http.HTTPStatus.SERVICE_UNAVAILABLE, {}, b"") if asked == 10 else None

    async def handler(ws):
        await ws.wait_closed()
    async with websockets.serve(handler, "127.0.0.1", 0, process_request=refuse_some) as server:
        url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        status, said, report = await load(tmp_path, "connect", "--url", url, "--class", "raw", "--connections", "2",
                                          "--duration", "0.5", "--warm-up", "0")
    assert (status, report["faults"]) == (1, {**NOTHING, "refused": 1}), said
    assert "503" in report["words"][0]


SCRIPT = """
# Anybody's class.
expect {"type": "welcome"}
send {"type": "join", "name": "guest-{i}"}
expect {"type": "joined"}
ignore {"type": "joined"}
loop
send {"type": "say", "id": {n}, "text": "{random}"}
expect {"type": "said", "id": {n}, "text": "{random}", "name": "guest-{i}"}
wait 5
"""


def room(fault_at=None):
    """A server of that class, which is wrong about the text with that number."""
    async def handler(ws):
        await ws.send(json.dumps({"type": "welcome", "at": 1}))
        name = json.loads(await ws.recv())["name"]
        await ws.send(json.dumps({"type": "joined"}))
        async for text in ws:
            said = json.loads(text)
            if said["id"] == fault_at:
                said["text"] = "something else"
            await ws.send(json.dumps({"type": "joined", "name": "another"}))
            await ws.send(json.dumps({**said, "type": "said", "name": name}))
    return handler


@pytest.mark.parametrize("fault_at, found", [(None, {}), (3, {"wrong": 2, "missing": 2})], ids=["right", "wrong"])
async def test_a_script_talks_to_any_class(tmp_path, fault_at, found):
    script = tmp_path / "script"
    script.write_text(SCRIPT)
    async with serving(room(fault_at)) as url:
        status, said, report = await load(
            tmp_path, "echo", "--url", url, "--script", str(script), "--path", "/anything/{hub}", "--connections", "2",
            "--duration", "0.3", "--warm-up", "0", "--timeout", str(SLOWNESS))
    assert (status, report["faults"]) == (1 if found else 0, {**NOTHING, **found}), said
    assert report["figures"]["replies"]["value"] > 2


# --- through a proxy

@pytest.fixture(scope="module")
def calm():
    with Cluster(options={"rate-limit": "0"}) as cluster:
        yield cluster


def is_publication(frame):
    return frame["type"] == "load" and frame["metadata"].get("publication")


def drop(which):
    async def fault(_proxy, _socket, _text, frame):
        return which(frame)
    return fault


def double(which):
    async def fault(_proxy, socket_, text, frame):
        if which(frame):
            await socket_.send(text)
            await socket_.send(text)
        return which(frame)
    return fault


def misdirect(which):
    async def fault(proxy, socket_, text, frame):
        if which(frame):
            await next(other for other in proxy.sockets if other is not socket_).send(text)
        return which(frame)
    return fault


@pytest.mark.parametrize("scenario, which", [
    (("fanout", "--connections", "5", "--rate", "50"), is_publication),
    (("mesh", "--hubs", "1", "--per-hub", "3", "--rate", "100", "--warm-up", "0"), is_direct),
], ids=["fanout", "mesh"])
@pytest.mark.parametrize("fault, found", [(drop, {"missing": 1}), (double, {"doubled": 1}),
                                          (misdirect, {"wrong": 1, "missing": 1})], ids=["lost", "twice", "misdirected"])
async def test_a_fault_among_deliveries_is_found(calm, tmp_path, scenario, which, fault, found):
    async with Proxy(calm.ws_url("")).serving() as proxy:
        proxy.fault = fault(which)
        status, said, report = await load(tmp_path, *scenario, "--url", proxy.url, "--duration", "0.5", "--timeout",
                                          str(SLOWNESS))
        assert not proxy.fault
    assert (status, report["faults"]) == (1, {**NOTHING, **found}), said


# --- usage

@pytest.mark.parametrize("words, says", [
    ((), "usage: dormouse-load SCENARIO"),
    (("dance",), "there is no scenario 'dance'"),
    (("echo", "--connections", "none"), "'none' will not do: say a number, more than 0"),
    (("echo", "--asleep", "1"), "--asleep"),
    (("echo", "--url", "http://127.0.0.1:1"), "is not ws://HOST:PORT"),
    (("echo", "--url", "ws://127.0.0.1:1/websocket"), "the path with --path"),
    (("echo", "--path", "room"), "--path begins with a slash"),
    (("echo", "--watch", "gateway"), "is not NAME=PID"),
    (("echo", "--script", "/nowhere"), "cannot read /nowhere"),
    (("echo", "--threads", "200"), "more threads than there is to do"),
    (("echo", "--json", "/nowhere/found"), "cannot write /nowhere/found"),
    (("idle", "--connections", "200000", "--processes", "1"), "leave --processes out"),
    (("mesh", "--per-hub", "1"), "'1' will not do: say a number, 2 or more"),
])
async def test_wrong_usage_is_told(words, says):
    process = await asyncio.create_subprocess_exec(os.path.join(BIN, "dormouse-load"), *words,
                                                   stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    said, complained = await asyncio.wait_for(process.communicate(), WAIT)
    assert (process.returncode, says in complained.decode()) == (2, True), (said + complained).decode()


async def test_who_cannot_connect_says_so(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        status, said, _ = await load(tmp_path, "echo", "--url", f"ws://127.0.0.1:{taken.getsockname()[1]}",
                                     "--connect-timeout", "0.5")
    assert status == 3
    assert "0 of 64 connections are ready; one that failed: connect: Connection refused" in said


@pytest.mark.parametrize("words", [("check",), ()], ids=["named", "not named"])
async def test_without_a_scenario_it_is_check(tmp_path, words):
    process = await asyncio.create_subprocess_exec(
        os.path.join(BIN, "dormouse-load"), *words, "--url", "ws://127.0.0.1:1", "--connections", "1", "--report",
        str(tmp_path / "report"), stdin=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE)
    _, complained = await asyncio.wait_for(process.communicate(), WAIT)
    assert (process.returncode, b"0 of 1 clients are connected" in complained) == (3, True), complained


async def test_a_refusal_for_good_is_not_tried_again(tmp_path):
    async def handler(ws):
        async for text in ws:
            asked = json.loads(text)
            await ws.send(json.dumps({"type": "hub:error", "correlationId": asked["id"],
                                      "payload": {"code": "unauthorized", "message": "Show a token."}}))
    async with serving(handler) as url:
        status, said, _ = await load(tmp_path, "echo", "--url", url, "--class", "signal")
    assert status == 3
    assert "one that failed: unauthorized Show a token." in said


async def test_ctrl_c_ends_it_with_all_checks(tmp_path):
    heard = []

    async def handler(ws):
        async for text in ws:
            heard.append(text)
            await ws.send(text)
    async with serving(handler) as url:
        file = tmp_path / "found.json"
        process = await asyncio.create_subprocess_exec(
            os.path.join(BIN, "dormouse-load"), "echo", "--url", url, "--class", "raw", "--duration", "1000", "--json",
            str(file), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        await until(lambda: len(heard) > 200, "some replies")
        process.stdin.write(b"mark something\nstop\n")
        said, _ = await asyncio.wait_for(process.communicate(), WAIT)
    report = json.loads(file.read_text())
    assert (process.returncode, report["kept"]) == (0, True), said.decode()
    assert [mark["name"] for mark in report["marks"]] == ["something"]
