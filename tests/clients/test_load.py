"""dormouse-load on a real cluster: it finds nothing where all is well, tells what crashes really did, and finds each fault
that a proxy between it and the gateway commits."""

import asyncio
import contextlib
import itertools
import json
import os
import signal

import pytest
from cluster import BIN, SLOWNESS, Cluster, until
from faulty_proxy import Proxy, is_direct

OPTIONS = {"rate-limit": "0", "hibernate-after": "300ms"}
NOTHING_WRONG = dict.fromkeys(("lost", "lost_tells", "lost_asks", "duplicated", "reordered", "misdelivered", "refused",
                               "registrations_lost", "applied_twice", "broken_count"), 0)
WAIT = 60 * SLOWNESS  # seconds for one step of a run
_seeds = itertools.count(1)


class Load:
    """A run of the driver, with hubs of its own."""

    def __init__(self, directory, urls, connections, hubs, rate, **options):
        self._report = directory / "report.json"
        self.history = directory / "history.jsonl"
        settings = {"url": ",".join(urls), "connections": connections, "hubs": hubs, "rate": rate,
                    "seed": next(_seeds), "report": self._report, "history": self.history, "quiet": 0.5,
                    "timeout": 15 * SLOWNESS, **options}
        self._command = [os.path.join(BIN, "dormouse-load"),
                         *(f"--{name.replace('_', '-')}" if value is True else f"--{name.replace('_', '-')}={value}"
                           for name, value in settings.items())]
        self._process = None
        self.text = ""

    async def __aenter__(self):
        self._process = await asyncio.create_subprocess_exec(
            *self._command, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE)
        return self

    async def __aexit__(self, *_):
        if self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    async def ready(self):
        line = await asyncio.wait_for(self._process.stdout.readline(), WAIT)
        assert line == b"ready\n", line

    def mark(self, name):
        self._process.stdin.write(f"mark {name}\n".encode())

    def interrupt(self):
        self._process.send_signal(signal.SIGTERM)

    async def end(self):
        """Closes standard input, which stops it: (exit status, report)."""
        self._process.stdin.close()
        self.text = (await asyncio.wait_for(self._process.communicate(), WAIT))[0].decode()
        report = json.loads(self._report.read_text()) if self._report.exists() else None
        return self._process.returncode, report


def found_of(report):
    return {name: report[name] for name in NOTHING_WRONG}


def urls_of(cluster):
    return [cluster.ws_url("", gateway) for gateway in range(len(cluster.gateways))]


@pytest.fixture(scope="module")
def calm():
    with Cluster(gateways=2, options=OPTIONS) as cluster:
        yield cluster


async def test_a_calm_run_keeps_everything(calm, tmp_path):
    async with Load(tmp_path, urls_of(calm), 60, 6, 300, asleep=0.33) as load:
        await load.ready()
        assert calm.metrics(calm.statekeeper)["dormouse_hubs_awake"] <= 4
        await asyncio.sleep(1)
        load.mark("nothing")
        await asyncio.sleep(2)
        status, report = await load.end()
    assert status == 0, load.text
    assert load.text.endswith("kept\n")
    assert found_of(report) == NOTHING_WRONG
    assert (report["closes"], report["reconnects"], report["failed_retryable"]) == ({}, 0, 0)
    assert report["acknowledged"] > 600
    assert report["delivered"] > 600
    assert report["pauses"].keys() == {"baseline", "nothing"}
    assert report["pauses"]["baseline"]["hubs"] == 4
    assert report["pauses"]["nothing"]["hubs"] == 6  # those that slept were woken
    kinds = {record["what"] for record in map(json.loads, load.history.read_text().splitlines())}
    assert kinds == {"sent", "answered", "arrived", "session", "mark", "found"}


async def test_a_killed_statekeeper_is_a_pause_and_nothing_else(tmp_path):
    with Cluster(gateways=2, options=OPTIONS) as cluster:
        async with Load(tmp_path, urls_of(cluster), 60, 6, 300, asleep=0.33) as load:
            await load.ready()
            await asyncio.sleep(1)
            load.mark("kill")
            cluster.kill_statekeeper()
            await asyncio.sleep(1)
            cluster.start_statekeeper()
            await asyncio.sleep(2)
            status, report = await load.end()
    assert status == 0, load.text
    assert found_of(report) == NOTHING_WRONG
    assert report["closes"] == {}
    pause, usual = report["pauses"]["kill"], report["pauses"]["baseline"]
    # It was away for a second at least.
    assert 900 < pause["max_ms"] < 10_000 * SLOWNESS
    assert pause["max_ms"] > usual["max_ms"]
    assert pause["hubs_over_500ms"] >= 4


@pytest.mark.parametrize("way", ["resume", "register"])
async def test_clients_of_a_killed_gateway_come_back(tmp_path, way):
    with Cluster(gateways=2, options=OPTIONS) as cluster:
        async with Load(tmp_path, urls_of(cluster), 60, 6, 300, on_close=way) as load:
            await load.ready()
            await asyncio.sleep(1)
            cluster.kill_gateway(0)
            cluster.start_gateway(0)
            await asyncio.sleep(1)
            status, report = await load.end()
    assert status == 0, load.text
    assert report["closes"] == {"1006": 30}
    assert report["reconnects"] == 30
    assert report["resumed"] == (30 if way == "resume" else 0)


async def test_a_killed_gateway_breaks_the_promise_of_open_sockets(tmp_path):
    with Cluster(gateways=2, options=OPTIONS) as cluster:
        async with Load(tmp_path, urls_of(cluster), 20, 2, 100, timeout=3 * SLOWNESS) as load:
            await load.ready()
            cluster.kill_gateway(0)
            status, report = await load.end()
    assert status == 1
    assert report["closes"] == {"1006": 10}
    assert report["broken_count"] == 10, load.text
    assert all(text.startswith("closed: the socket of client ") for text in report["broken"])


async def drop_message(_proxy, _socket, _text, frame):
    return is_direct(frame)


async def double_message(_proxy, socket, text, frame):
    if is_direct(frame):
        await socket.send(text)
        await socket.send(text)
    return is_direct(frame)


async def hold_message(proxy, socket, text, frame):
    if is_direct(frame):
        proxy.held = (socket, text, frame["from"])
    return is_direct(frame)


async def misdirect_message(proxy, socket, text, frame):
    if is_direct(frame):
        await next(other for other in proxy.sockets if other is not socket).send(text)
    return is_direct(frame)


async def drop_answer(_proxy, _socket, _text, frame):
    return frame["type"] == "hub:delivery_ack"


async def double_answer(_proxy, socket, text, frame):
    if frame["type"] == "hub:delivery_ack":
        await socket.send(text)
        await socket.send(text)
    return frame["type"] == "hub:delivery_ack"


def answer_with_error(code):
    async def fault(_proxy, socket, _text, frame):
        if frame["type"] == "hub:delivery_ack":
            await socket.send(json.dumps({**frame, "type": "hub:error", "payload": {"code": code, "message": "no"}}))
        return frame["type"] == "hub:delivery_ack"
    return fault


async def answer_nobody_known(_proxy, socket, _text, frame):
    if frame["type"] == "hub:delivery_ack" and "topic" not in frame["payload"]:
        await socket.send(json.dumps({**frame, "type": "hub:unknown_actor", "payload": {}}))
        return True
    return False


def list_with(**changes):
    """The final list, without actors where nothing is to be changed in them."""
    async def fault(_proxy, socket, _text, frame):
        if frame["type"] != "hub:actor_list":
            return False
        actors = [{**actor, **changes} for actor in frame["payload"]["actors"] if changes]
        await socket.send(json.dumps({**frame, "payload": {**frame["payload"], "actors": actors}}))
        return True
    return fault


async def close_socket(_proxy, socket, _text, frame):
    if is_direct(frame):
        await socket.close(1011, "for no reason")
    return is_direct(frame)


@contextlib.asynccontextmanager
async def proxied(calm, directory, fault, rate=100, **options):
    """Three clients of one hub behind a proxy whose fault may begin, for they are ready."""
    async with Proxy(calm.ws_url("")).serving() as proxy:
        async with Load(directory, [proxy.url], 3, 1, rate, **{"timeout": 3 * SLOWNESS, **options}) as load:
            await load.ready()
            proxy.fault = fault
            yield proxy, load


@pytest.mark.parametrize("fault, found", [
    (double_message, {"duplicated": 1}),
    (hold_message, {"reordered": 1, "broken_count": 1}),
    (drop_answer, {"lost_asks": 1, "broken_count": 1}),
    (double_answer, {"duplicated": 1}),
    (answer_with_error("timeout"), {}),
    (answer_with_error("internal_error"), {"refused": 1, "broken_count": 1}),
    (answer_nobody_known, {"registrations_lost": 1, "broken_count": 1}),
], ids=["doubled", "held", "no answer", "two answers", "retryable", "refused", "unknown"])
async def test_a_fault_is_found(calm, tmp_path, fault, found):
    async with proxied(calm, tmp_path, fault) as (proxy, load):
        await until(lambda: not proxy.fault and not proxy.held, "the fault")
        status, report = await load.end()
    assert found_of(report) == {**NOTHING_WRONG, **found}, load.text
    assert status == (1 if "broken_count" in found else 0)
    assert len(report["broken"]) == report["broken_count"]


async def test_a_dropped_message_is_found(calm, tmp_path):
    async with proxied(calm, tmp_path, drop_message) as (proxy, load):
        await until(lambda: not proxy.fault, "the fault")
        status, report = await load.end()
    assert (status, report["broken_count"]) == (1, 1), load.text
    assert report["lost"] + report["lost_tells"] == 1


async def test_a_misdirected_message_is_found(calm, tmp_path):
    async with proxied(calm, tmp_path, misdirect_message) as (proxy, load):
        await until(lambda: not proxy.fault, "the fault")
        status, report = await load.end()
    assert (status, report["broken_count"], report["misdelivered"]) == (1, 2, 1), load.text
    assert report["lost"] + report["lost_tells"] == 1


async def test_duplicates_break_the_promise_where_they_are_not_allowed(calm, tmp_path):
    async with proxied(calm, tmp_path, double_message, strict_duplicates=True) as (proxy, load):
        await until(lambda: not proxy.fault, "the fault")
        status, report = await load.end()
    assert (status, report["broken_count"], report["duplicated"]) == (1, 1, 1), load.text


@pytest.mark.parametrize("fault", [list_with(), list_with(version=0)], ids=["gone", "back"])
async def test_a_registration_that_went_is_found(calm, tmp_path, fault):
    async with proxied(calm, tmp_path, None, rate=0) as (proxy, load):
        proxy.fault = fault
        status, report = await load.end()
    assert (status, report["registrations_lost"]) == (1, 3), load.text


async def test_a_closed_socket_is_found(calm, tmp_path):
    async with proxied(calm, tmp_path, close_socket) as (proxy, load):
        await until(lambda: not proxy.fault, "the fault")
        status, report = await load.end()
    assert (status, report["closes"], report["broken_count"]) == (1, {"1011": 1}, 1), load.text
    assert "1011 for no reason" in report["broken"][0]


async def test_a_closed_socket_can_be_survived(calm, tmp_path):
    async with proxied(calm, tmp_path, close_socket, on_close="resume", timeout=15 * SLOWNESS) as (proxy, load):
        await until(lambda: not proxy.fault and len(proxy.sockets) == 4, "the fault")
        status, report = await load.end()
    assert (status, report["closes"], report["resumed"]) == (0, {"1011": 1}, 1), load.text


async def test_sigterm_stops_as_the_end_of_input_does(calm, tmp_path):
    async with Load(tmp_path, urls_of(calm), 10, 2, 50, duration=1000) as load:
        await load.ready()
        load.interrupt()
        status, report = await load.end()
    assert (status, report["kept"]) == (0, True)


async def test_what_cannot_connect_says_so(tmp_path):
    async with Load(tmp_path, ["ws://127.0.0.1:1"], 2, 1, 1) as load:
        assert await load.end() == (3, None)


@pytest.mark.parametrize("wrong", [{"urls": ["http://127.0.0.1:1"]}, {"hubs": 3}, {"on_close": "hope"}, {"asleep": 2}])
async def test_wrong_usage_is_refused(tmp_path, wrong):
    settings = {"urls": ["ws://127.0.0.1:1"], "connections": 2, "hubs": 1, "rate": 1, **wrong}
    async with Load(tmp_path, **settings) as load:
        assert await load.end() == (2, None)
