"""The port for backends on real processes: each verb on each class, who is let in, bounds, idempotency keys."""

import asyncio
import concurrent.futures
import json
import os
import secrets
import shlex
import signal
import socket
import subprocess
import threading
import time

import pytest
import trust as trusts
from backends import ApiCluster, AppApiCluster
from cluster import BIN, REPOSITORY, Cluster, until, wait_until
from process import SLOWNESS
from ws import actor, all_open, connect, echo


async def soon(function, *args, **more):
    """What blocks, beside what the test's sockets do."""
    return await asyncio.get_running_loop().run_in_executor(None, lambda: function(*args, **more))


# --- What there is of each class.

async def test_a_backend_publishes_and_sends_to_actors_of_class_signal(store):
    with ApiCluster(store=store, options={"hibernate-after": "200ms"}) as cluster, cluster.backend() as backend:
        url = cluster.ws_url("/ws/room")
        async with all_open(actor(url, f"test/{name}") for name in ("one", "two")) as (one, two):
            await one.must("hub:subscribe", {"topic": "prices"})
            news = {"topic": "prices", "type": "price", "data": {"eur": 3}, "from": "backend/shop"}
            assert await soon(backend.must, "signal/room", "publish", news) == {"sent": 1, "queued": 0, "failed": 0}
            got = await one.next()
            assert (got["type"], got["payload"], got["from"]) == ("price", {"eur": 3}, "backend/shop")
            assert got["metadata"]["publication"] is True

            hello = {"actor": "test/two", "type": "hello", "data": "you"}
            await cluster.asleep()
            assert await soon(backend.must, "signal/room", "send", hello) == {"sent": 1, "queued": 0, "failed": 0}
            got = await two.next()
            assert (got["type"], got["payload"], got["from"]) == ("hello", "you", "backend/api")
            nobody = {**hello, "actor": "test/nobody"}
            assert (await soon(backend.must, "signal/room", "send", nobody))["sent"] == 0

            everybody = {"type": "to-all", "data": [1, 2]}
            assert (await soon(backend.must, "signal/room", "broadcast", everybody))["sent"] == 2
            for client in (one, two):
                assert (await client.next())["payload"] == [1, 2]

            answer = await soon(backend.must, "signal/room", "call", {"type": "hub:list_actors", "payload": {}})
            assert answer["result"]["type"] in ("hub:actor_list",)
            assert len(answer["result"]["payload"]["actors"]) == 2
            answer = await soon(backend.must, "signal/room", "call", {"type": "hub:register", "payload": {}})
            assert answer["result"]["type"] == "hub:error" and "no session" in answer["result"]["payload"]["message"]


async def test_connections_are_listed_and_disconnected(store):
    with ApiCluster(store=store, gateways=2) as cluster, cluster.backend(gateway=1) as backend:
        url = cluster.ws_url("/ws/room")
        async with all_open(actor(url, f"test/{name}") for name in "abc") as clients:
            page = await soon(backend.must, "signal/room", "connections", {"limit": 2})
            assert page["count"] == 3 and len(page["connections"]) == 2
            rest = await soon(backend.must, "signal/room", "connections", {"limit": 2, "after": page["next"]})
            assert rest["next"] is None
            found = {each["actor"]: each["id"] for each in page["connections"] + rest["connections"]}
            assert sorted(found) == ["test/a", "test/b", "test/c"]
            gone = {"actor": "test/a", "code": 4001, "reason": "you are out"}
            assert await soon(backend.must, "signal/room", "disconnect", gone) == {"disconnected": 1}
            assert await clients[0].closed() == (4001, "you are out")
            await clients[1].addresses_become("test/b", "test/c")  # at once, as after the client's own end
            assert await soon(backend.must, "signal/room", "disconnect", gone) == {"disconnected": 0}
            gone = {"connection": found["test/b"]}
            assert await soon(backend.must, "signal/room", "disconnect", gone) == {"disconnected": 1}
            assert (await clients[1].closed())[0] == 1000
            assert await soon(backend.must, "signal/room", "disconnect", {"all": True}) == {"disconnected": 1}
            assert (await soon(backend.must, "signal/room", "connections"))["connections"] == []


async def test_what_the_runtime_does_for_any_class(store):
    with ApiCluster(store=store) as cluster, cluster.backend() as backend:
        url = cluster.ws_url("/websocket/lobby")
        async with all_open(echo(url) for _ in range(3)) as clients:
            ids = [client.id for client in clients]
            listed = await soon(backend.must, "echo/lobby", "connections")
            assert sorted(each["id"] for each in listed["connections"]) == sorted(ids)
            assert await soon(backend.must, "echo/lobby", "call", {"any": "thing"}) == {"result": {"any": "thing"}}
            to_one = {"connection": ids[0], "data": {"type": "hello"}}
            assert (await soon(backend.must, "echo/lobby", "send", to_one))["sent"] == 1
            assert await clients[0].recv() == {"type": "hello"}
            to_others = {"data": '"quoted"', "except": ids[0]}
            assert (await soon(backend.must, "echo/lobby", "broadcast", to_others))["sent"] == 2
            for client in clients[1:]:
                assert await client.recv() == "quoted"
            batch = {"commands": [{"verb": "send", "connection": ids[1], "data": "1"},
                                  {"verb": "send", "connection": ids[1], "base64": "Mg=="},
                                  {"verb": "disconnect", "connection": ids[2], "code": 3000, "reason": "bye"}]}
            assert (await soon(backend.must, "echo/lobby", "batch", batch))["results"] == [
                {"sent": 1, "queued": 0, "failed": 0}, {"sent": 1, "queued": 0, "failed": 0}, {"disconnected": 1}]
            assert [await clients[1].recv(), await clients[1].recv()] == [1, 2]
            assert await clients[2].closed() == (3000, "bye")
            assert (await clients[0].ask("x"))["connections"] == 2
            code, sentence = (await soon(backend.ask, "echo/lobby", "publish",
                                         {"topic": "t", "type": "x", "data": 1})).error
            assert code == "refused" and "topics" in sentence and "broadcast" in sentence
            # None of it: the second cannot be.
            batch = {"commands": [{"verb": "broadcast", "data": "never"},
                                  {"verb": "send", "actor": "a/b", "type": "x", "data": 1}]}
            answer = await soon(backend.ask, "echo/lobby", "batch", batch)
            assert answer.status == 422 and answer.error[1].startswith("Command 1: Class echo has no actors"), answer
            assert (await clients[0].ask("y"))["message"] == "y"


async def test_evict_leaves_sockets_open_or_closes_them(store):
    with ApiCluster(store=store) as cluster, cluster.backend() as backend:
        async with echo(cluster.ws_url("/websocket/lobby")) as client:
            assert cluster.hubs_awake() == 1
            assert await soon(backend.must, "echo/lobby", "evict") == {"evicted": True}
            assert cluster.hubs_awake() == 0
            assert (await client.ask("x"))["connectionId"] == client.id
            assert await soon(backend.must, "echo/lobby", "evict", {"mode": "close"}) == {"evicted": True}
            assert (await client.closed())[0] == 1001
            assert await soon(backend.must, "echo/nobody-was-here", "evict") == {"evicted": False}


async def test_methods_of_hubs_in_javascript_are_called_and_their_sockets_closed():
    with AppApiCluster() as cluster, cluster.backend() as backend:
        hub = "Counter/name:lobby"
        assert await soon(backend.call, hub, "put", "api") == [1, 1]
        async with connect(cluster.ws_url("/Counter/lobby?id=one")) as client:
            assert await client.ask_text("put 1 x") == "1: x 1 2 1"  # the same object
            listed = await soon(backend.must, hub, "connections")
            assert [each["tags"] for each in listed["connections"]] == [["tag-one"]]
            assert (await soon(backend.must, hub, "send", {"tag": "tag-one", "data": "ping"}))["sent"] == 1
            assert await client.text() == "ping"
            answer = await soon(backend.ask, hub, "call", {"method": "nothing"})
            assert answer.status == 500 and "nothing" in answer.error[1], answer
            answer = await soon(backend.ask, hub, "call", ["no", "object"])
            assert answer.status == 500 and '"method"' in answer.error[1], answer
            assert (await soon(backend.must, hub, "disconnect", {"tag": "tag-one", "code": 4000})) == {"disconnected": 1}
            assert (await client.closed())[0] == 4000

            async def is_listed_no_more():
                return (await soon(backend.must, hub, "connections"))["count"] == 0
            # The class hears of it as of any end, from the gateway, which has told the client first.
            await until(is_listed_no_more, "it is listed no more")


# --- Who is let in, and what is wrong with requests.

def test_strangers_get_nothing():
    with ApiCluster() as cluster:
        with cluster.backend(key="") as nobody, cluster.backend(key="x" * 64) as stranger:
            for backend in (nobody, stranger):
                for _ in range(2):
                    answer = backend.ask("echo/lobby", "connections")
                    assert answer.status == 401 and "api-key-file" in answer.error[1], answer
                    assert answer.headers["WWW-Authenticate"] == "Bearer"
            with cluster.backend() as known:
                assert known.raw("POST", "/api/hubs/echo/lobby/call", "1",
                                 {"Authorization": f"Basic {known.key}"}).status == 401
        assert cluster.hubs_awake() == 0


def test_keys_are_replaced_without_a_gap():
    with ApiCluster() as cluster:
        new = secrets.token_hex(32)
        trusts.write(cluster.api_key_file, f"old:{cluster.api_key}\nnew:{new}\n")
        with cluster.backend(key=new) as late, cluster.backend() as early:
            wait_until(lambda: late.ask("echo/a", "call", 1).status == 200, "the new key is known")
            assert early.ask("echo/a", "call", 1).status == 200
            trusts.write(cluster.api_key_file, f"new:{new}\n")
            wait_until(lambda: early.ask("echo/a", "call", 1).status == 401, "the old key is forgotten")
            trusts.write(cluster.api_key_file, "short\n")
            gateway = cluster.gateways[0]

            def is_refused():
                assert late.ask("echo/a", "call", 1).status == 200, "a file that is of no use changes nothing"
                return "the keys that were read before stay in force" in gateway.log_text()

            wait_until(is_refused, "the file was looked at")
            assert late.ask("echo/a", "call", 1).status == 200, "a file that is of no use changes nothing"


def test_a_port_for_backends_needs_a_key():
    with Cluster(start=False) as cluster:
        status, said = cluster.run_to_end([*cluster.gateways[0].command, "--api-listen", "127.0.0.1:0"])
        assert status != 0 and "--api-key-file" in said and "openssl rand -hex 32" in said


@pytest.mark.parametrize("path, body, status, words", [
    ("/api/hubs/echo/lobby/brodcast", "{}", 404, "is it to be broadcast?"),
    ("/api/hubs/ecko/lobby/call", "1", 404, "is it to be echo?"),
    ("/api/hubs/strangers/lobby/call", "1", 404, "there are: echo, signal"),
    ("/api/hubs/echo/a%2Fb/call", "1", 400, "A hub's name"),
    ("/api/hubs/echo/a%ZZ/call", "1", 400, "encoded"),
    ("/api/hubs/echo/call", "1", 404, "/api/hubs/CLASS/NAME/VERB"),
    ("/", "1", 404, "/api/hubs/CLASS/NAME/VERB"),
    ("/api/hubs/echo/lobby/call", "{", 400, "JSON"),
    ("/api/hubs/echo/lobby/call", '"\\ud800', 400, "JSON"),
    ("/api/hubs/echo/lobby/call?timeout=soon", "1", 400, "timeout"),
    ("/api/hubs/echo/lobby/call?timeuot=1s", "1", 400, "is it to be timeout?"),
    ("/api/hubs/echo/lobby/send", "[]", 400, "not a JSON object"),
    ("/api/hubs/echo/lobby/send", '{"data":1}', 400, "to whom"),
    ("/api/hubs/echo/lobby/send", '{"conection":"x","data":1}', 400, "is it to be connection?"),
    ("/api/hubs/echo/lobby/send", '{"connection":"x","data":1}', 400, "no connection's id"),
    ("/api/hubs/echo/lobby/send", '{"tag":"x"}', 400, "what is to be sent"),
    ("/api/hubs/echo/lobby/send", '{"tag":"x","base64":"*"}', 400, "not base64"),
    ("/api/hubs/echo/lobby/disconnect", '{"all":true,"code":1005}', 400, "3000-4999"),
    ("/api/hubs/echo/lobby/connections", '{"limit":0}', 400, "from 1 to 1000"),
    ("/api/hubs/echo/lobby/evict", '{"mode":"kill"}', 400, "sleep"),
    ("/api/hubs/echo/lobby/batch", '{"commands":[{"verb":"call"}]}', 400, "Command 0"),
])
def test_what_is_wrong_is_said(path, body, status, words):
    with _one_cluster().backend() as backend:
        answer = backend.raw("POST", path, body, {"Authorization": f"Bearer {backend.key}"})
        assert answer.status == status and words in answer.error[1], answer


_shared = []


def _one_cluster():
    """For tests that change nothing."""
    if not _shared:
        _shared.append(ApiCluster(options={"max-message-size": "64KiB"}, api_options={"api-body": "64KiB"}))
        _shared[0].__enter__()
    return _shared[0]


@pytest.fixture(scope="module", autouse=True)
def _end_shared():
    yield
    for cluster in _shared:
        cluster.__exit__(None, None, None)


def test_requests_that_cannot_be_read():
    cluster = _one_cluster()
    key = {"Authorization": f"Bearer {cluster.api_key}"}
    path = "/api/hubs/echo/lobby/call"
    with cluster.backend() as backend:
        answer = backend.raw("GET", path, headers=key)
        assert answer.status == 405 and answer.headers["Allow"] == "POST"
        answer = backend.raw("POST", path, "x" * (64 * 1024 + 1), key)
        assert answer.status == 413 and "api-body" in answer.error[1]
        answer = backend.raw("POST", path, iter([b"1"]), {**key, "Transfer-Encoding": "chunked"})
        assert answer.status == 411 and "Content-Length" in answer.error[1]
        answer = backend.raw("POST", path, "1", {**key, "Idempotency-Key": "k" * 129})
        assert answer.status == 400 and "128" in answer.error[1]
        assert backend.raw("POST", path, json.dumps("x" * 60_000), key).status == 200
        answer = backend.raw("POST", path, "1", {**key, "X": "y" * 20_000})
        assert answer.status == 431


# --- Idempotency keys.

def test_a_repeated_key_gets_the_first_answer(store):
    with AppApiCluster(store=store) as cluster, cluster.backend() as backend:
        hub = "Counter/name:lobby"
        first = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key="one")
        assert first.status == 200 and first.json == {"result": [1, 1]}
        assert first.headers["Idempotency-Replayed"] is None
        again = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key="one", timeout="3s")
        assert (again.status, again.text) == (200, first.text)
        assert again.headers["Idempotency-Replayed"] == "true"
        other = backend.ask(hub, "call", {"method": "put", "args": ["b"]}, idempotency_key="one")
        assert other.status == 422 and other.error[0] == "key_reused"
        cluster.kill_statekeeper()
        cluster.start_statekeeper()
        again = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key="one")
        assert (again.status, again.text) == (200, first.text)
        assert backend.call(hub, "put", "a", idempotency_key="two") == [2, 2]
        for number in range(1_100):  # more than are kept
            backend.call(hub, "put", "a", idempotency_key=f"n{number}")
        again = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key="one")
        assert again.json["result"] == [1_103, 1_103] and again.headers["Idempotency-Replayed"] is None
        newest = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key="n1099")
        assert newest.json["result"] == [1_102, 1_102] and newest.headers["Idempotency-Replayed"] == "true"


def test_a_restored_hub_knows_what_it_has_answered(store, tmp_path):
    file = str(tmp_path / "backup")
    hub, request = "Counter/name:lobby", {"method": "put", "args": ["a"]}

    def copy(cluster, word):
        subprocess.run(cluster.ctl_command(word, file), stdin=subprocess.DEVNULL, capture_output=True,
                       timeout=100 * SLOWNESS, check=True)

    with AppApiCluster(store=store) as cluster, cluster.backend() as backend:
        assert backend.must(hub, "call", request, idempotency_key="one") == {"result": [1, 1]}
        copy(cluster, "backup")
    with AppApiCluster(store="redis" if store == "file" else "file") as cluster, cluster.backend() as backend:
        copy(cluster, "restore")
        again = backend.ask(hub, "call", request, idempotency_key="one")
        assert again.json == {"result": [1, 1]} and again.headers["Idempotency-Replayed"] == "true"
        assert backend.call(hub, "put", "a", idempotency_key="two") == [2, 2]


def test_the_owner_is_killed_in_the_midst_of_calls_with_keys():
    """Each counts once, however often it was asked for."""
    with AppApiCluster(store="redis", statekeepers=2, options={"member-ttl": "2s"}) as cluster:
        hubs = [f"Counter/name:hub-{number}" for number in range(4)]
        counted = {}
        ending = threading.Event()

        def call(hub):
            with cluster.backend() as backend:
                number = 0
                while not ending.is_set() or number < 20:
                    number += 1
                    for _ in range(200):
                        answer = backend.ask(hub, "call", {"method": "put", "args": ["a"]}, idempotency_key=f"{hub}-{number}")
                        if answer.status == 200:
                            break
                        assert answer.json["error"]["retryable"] or answer.status == 500, answer
                        time.sleep(0.05)
                    assert answer.status == 200, answer
                    counted[hub] = number
                    assert answer.json["result"] == [number, number], (hub, number, answer)

        with concurrent.futures.ThreadPoolExecutor(len(hubs)) as pool:
            callers = [pool.submit(call, hub) for hub in hubs]
            for statekeeper in (0, 1, 0):
                before = dict(counted)
                wait_until(lambda aims={hub: before.get(hub, 0) + 5 for hub in hubs}:
                           all(counted.get(hub, 0) >= aim for hub, aim in aims.items())
                           or any(caller.done() for caller in callers), "all go on", 60)
                cluster.kill_statekeeper(statekeeper=statekeeper)
                cluster.start_statekeeper(statekeeper=statekeeper)
            ending.set()
            for caller in callers:
                caller.result()
        assert min(counted.values()) >= 20


# --- Bounds.

async def test_a_hub_that_never_answers_costs_its_caller_alone():
    options = {"api-calls-per-hub": "50", "api-timeout": "3s"}
    with AppApiCluster(api_options=options) as cluster, cluster.backend() as other:
        hub = "Attacked/name:silent"

        def wait_in_vain(_):
            with cluster.backend() as backend:
                return backend.ask(hub, "call", {"method": "slow", "args": [None, "600000"]}, timeout="3s")

        pool = concurrent.futures.ThreadPoolExecutor(100)
        loop = asyncio.get_running_loop()
        async with connect(cluster.ws_url("/Attacked/other?id=one")) as client:
            calls = [loop.run_in_executor(pool, wait_in_vain, number) for number in range(100)]
            await until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_api_calls"] == 50, "they wait")
            for _ in range(20):
                begun = time.monotonic()
                assert await client.ask_text("echo x") == "x"
                assert await soon(other.call, "Attacked/name:other", "echo", None, "y") == "y"
                assert time.monotonic() - begun < 1 * SLOWNESS
            answers = await asyncio.gather(*calls)
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [429] * 50 + [504] * 50
        late = next(answer for answer in answers if answer.status == 504)
        assert late.json["error"]["mayHaveHappened"] and "within 3s" in late.error[1], late
        busy = next(answer for answer in answers if answer.status == 429)
        assert busy.headers["Retry-After"] == "1" and "api-calls-per-hub" in busy.error[1], busy
        assert not busy.json["error"]["mayHaveHappened"]
        pool.shutdown()


def test_calls_of_a_gateway_and_of_a_key_are_bounded():
    options = {"api-calls": "3", "api-calls-per-key": "2", "api-calls-per-hub": "2"}
    with AppApiCluster(api_options=options) as cluster:
        second = secrets.token_hex(32)
        trusts.write(cluster.api_key_file, f"a:{cluster.api_key}\nb:{second}\n")
        wait_until(lambda: _status(cluster, second, "echo", None, "x") == 200, "the second key is known")
        slow = ("slow", None, "600000")
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            waiting = [pool.submit(_status, cluster, cluster.api_key, *slow, hub=f"Attacked/name:{n}") for n in range(2)]
            wait_until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_api_calls"] == 2, "two are under way")
            assert _status(cluster, cluster.api_key, "echo", None, "x") == 429
            waiting.append(pool.submit(_status, cluster, second, *slow, hub="Attacked/name:3"))
            wait_until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_api_calls"] == 3, "three are under way")
            assert _status(cluster, second, "echo", None, "x") == 503
            assert [each.result() for each in waiting] == [504] * 3


def _status(cluster, key, method, *args, hub="Attacked/name:a"):
    with cluster.backend(key=key) as backend:
        return backend.ask(hub, "call", {"method": method, "args": args}, timeout="2s").status


def test_calls_of_one_connection_reach_their_hub_in_order():
    with AppApiCluster() as cluster:
        calls = [("Counter/name:a", "call", {"method": "put", "args": [f"id-{n}"]}) for n in range(50)]
        assert cluster.pipeline(calls) == [{"result": [1, n + 1]} for n in range(50)]


async def test_sockets_are_not_disturbed_by_many_calls():
    """Thousands of connections with calls that wait; a socket's echo takes what it took before."""
    options = {"api-calls-per-hub": "2000"}
    with AppApiCluster(api_options=options) as cluster:
        body = b'{"method":"slow","args":[null,"2000"]}'
        writers = []
        async with connect(cluster.ws_url("/Attacked/other?id=one")) as client:
            for number in range(3_000):
                reader, writer = await asyncio.open_connection("127.0.0.1", cluster.api_ports[0])
                writer.write((f"POST /api/hubs/Attacked/name:h{number % 4}/call HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer "
                              f"{cluster.api_key}\r\nContent-Length: {len(body)}\r\n\r\n").encode() + body)
                writers.append((reader, writer))
            times = []
            for _ in range(50):
                begun = time.monotonic()
                assert await client.ask_text("echo x") == "x"
                times.append(time.monotonic() - begun)
            assert sorted(times)[40] < 0.5 * SLOWNESS, times
            statuses = [(await asyncio.wait_for(reader.readline(), 60)).split()[1] for reader, _ in writers]
            assert set(statuses) <= {b"200", b"503", b"504"} and statuses.count(b"200") > 1_000, statuses
            for _, writer in writers:
                writer.close()


def test_a_stopping_gateway_answers_what_is_under_way():
    with AppApiCluster(options={"drain-window": "10s"}) as cluster, concurrent.futures.ThreadPoolExecutor(1) as pool:
        call = pool.submit(_status, cluster, cluster.api_key, "slow", None, "700")
        wait_until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_api_calls"] == 1, "it is under way")
        assert cluster.gateways[0].end(signal.SIGTERM) == 0
        assert call.result() == 200


def test_large_bodies_and_those_who_ask_before_they_send():
    with ApiCluster() as cluster:
        text = json.dumps("x" * 1_000_000)
        with socket.create_connection(("127.0.0.1", cluster.api_ports[0]), timeout=10 * SLOWNESS) as connection:
            connection.sendall(f"POST /api/hubs/echo/a/call HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {cluster.api_key}"
                               f"\r\nExpect: 100-continue\r\nContent-Length: {len(text)}\r\n\r\n".encode())
            assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(text.encode())
            with connection.makefile("rb") as reader:
                assert reader.readline() == b"HTTP/1.1 200 OK\r\n"


def test_a_gateway_without_statekeepers_says_so():
    with ApiCluster(start=False) as cluster:
        cluster.gateways[0].start()

        def asked():
            with cluster.backend() as backend:
                try:
                    return backend.ask("echo/a", "call", 1, timeout="200ms")
                except ConnectionRefusedError:
                    return None

        answer = wait_until(asked, "it listens")
        assert answer.status == 503 and "No statekeeper" in answer.error[1], answer


def _documented_requests():
    """(headers, body, path) of each curl line of clients/api.md, but for those to a project's object."""
    with open(os.path.join(REPOSITORY, "clients", "api.md"), encoding="utf-8") as file:
        lines = iter(file.read().splitlines())
    for line in lines:
        if not line.startswith("    curl ") or "/Counter/" in line:
            continue
        while line.count("'") % 2:
            line += "\n" + next(lines)
        words = shlex.split(line, comments=True)
        headers = dict(value.split(": ", 1) for flag, value in zip(words, words[1:]) if flag == "-H")
        assert words[words.index("-d") + 2:] == words[-1:], line
        yield headers, words[words.index("-d") + 1], words[-1]


def test_the_lines_of_the_page_are_answered():
    with _one_cluster().backend() as backend:
        count = 0
        for headers, body, url in _documented_requests():
            assert headers.pop("Authorization") == "Bearer $KEY" and url.startswith("$API/"), url
            answer = backend.raw("POST", "/api/hubs" + url.removeprefix("$API"), body,
                                 {**headers, "Authorization": f"Bearer {backend.key}"})
            assert answer.status == 200, (url, body, answer)
            count += 1
        assert count >= 12


def test_the_port_is_off_by_default():
    with Cluster(start=False) as cluster:
        done = subprocess.run([os.path.join(BIN, "dormouse-gateway"), "--help"], stdout=subprocess.PIPE, check=True)
        assert b"--api-listen" in done.stdout
        assert "--api-listen" not in cluster.gateways[0].command


# --- Names of objects.

@pytest.mark.parametrize("verb, body", [
    ("send", {"tag": "t", "data": 1}), ("broadcast", {"data": 1}), ("connections", {}), ("disconnect", {"all": True}),
    ("evict", {}), ("batch", {"commands": [{"verb": "broadcast", "data": 1}]}), ("call", {"method": "add", "args": []})])
def test_an_object_whose_name_is_forgotten_is_no_hub(verb, body):
    with _shared_app().backend() as backend:
        answer = backend.ask("Counter/lobby", verb, body)
        assert answer.status == 400 and "Counter/name:lobby" in answer.error[1], answer


_app = []


def _shared_app():
    if not _app:
        _app.append(AppApiCluster())
        _app[0].__enter__()
    return _app[0]


@pytest.fixture(scope="module", autouse=True)
def _end_shared_app():
    yield
    while _app:
        _app.pop().__exit__(None, None, None)


# --- gRPC.

def _over_grpc(cluster, requests, key=None):
    """By a process of its own, for gRPC's threads do not get on with tests that start processes: what each came to."""
    port = cluster.grpc_ports[0]
    said = json.dumps({"port": port, "key": cluster.api_key if key is None else key, "requests": requests})
    done = subprocess.run(["/usr/bin/python3", os.path.join(os.path.dirname(__file__), "grpc_backend.py")], input=said, text=True,
                          stdout=subprocess.PIPE, timeout=60 * SLOWNESS, check=True)
    return json.loads(done.stdout)


async def test_commands_over_grpc_do_what_they_do_over_http(store):
    with ApiCluster(store=store, grpc=True) as cluster:
        async with all_open(echo(cluster.ws_url("/websocket/lobby")) for _ in range(2)) as clients:
            answers = await soon(_over_grpc, cluster, [
                {"hub": "echo/lobby", "commands": [{"call": {"payload": '{"any": "thing"}'}}]},
                {"hub": "echo/lobby", "commands": [{"send": {"connection": clients[0].id, "data": {"text": '{"n": 1}'}}},
                                                   {"broadcast": {"data": {"json": '{"n": 2}'}}}]},
                {"hub": "echo/lobby", "commands": [{"connections": {}}]},
                {"hub": "echo/lobby", "commands": [{"disconnect": {"connection": clients[1].id, "code": 4000, "reason": "bye"}}]},
                {"hub": "ecko/lobby", "commands": [{"call": {}}]},
                {"hub": "echo/lobby", "commands": []},
                {"hub": "echo/lobby", "commands": [{"publish": {"topic": "t", "type": "x", "data": {"text": "y"}}}]}])
            assert answers[0]["results"] == [{"payload": '{"any": "thing"}'}]
            assert answers[1]["results"] == [{"sent": {"sent": "1"}}, {"sent": {"sent": "2"}}]
            assert answers[2]["results"][0]["connections"]["count"] == "2"
            assert answers[3]["results"] == [{"disconnected": 1}]
            assert answers[4]["error"]["code"] == "UNKNOWN_CLASS" and "echo" in answers[4]["error"]["message"]
            assert answers[5]["error"]["code"] == "BAD_REQUEST" and answers[6]["error"]["code"] == "REFUSED"
            assert [await clients[0].recv(), await clients[0].recv()] == [{"n": 1}, {"n": 2}]
            assert await clients[1].closed() == (4000, "bye")
            metrics = cluster.metrics(cluster.gateways[0])
            assert metrics['dormouse_api_answers_total{status="2xx"}'] == 4


def test_keys_and_bounds_are_the_same_over_grpc():
    with ApiCluster(grpc=True, api_options={"api-timeout": "2s", "api-body": "2KiB"}) as cluster:
        call = {"hub": "echo/lobby", "commands": [{"call": {"payload": "1"}}]}
        for key in ("", "x" * 40, cluster.api_key + "x"):
            (refused,) = _over_grpc(cluster, [call], key=key)
            assert refused["status"] == "UNAUTHENTICATED" and "api-key-file" in refused["details"]
        keyed = {**call, "idempotency_key": "one"}
        first, second = _over_grpc(cluster, [keyed, keyed])
        assert first["results"] == second["results"] and second.get("repeated") is True
        other = {**keyed, "commands": [{"call": {"payload": "2"}}]}
        large = {**call, "commands": [{"call": {"payload": json.dumps("x" * 3000)}}]}
        reused, too_large, again = _over_grpc(cluster, [other, large, call])
        assert reused["error"]["code"] == "KEY_REUSED" and too_large["status"] == "RESOURCE_EXHAUSTED"
        assert again["results"] == [{"payload": "1"}]


def test_the_page_shows_a_client_of_grpc_that_works():
    with open(os.path.join(REPOSITORY, "clients", "api.md"), encoding="utf-8") as file:
        code = next(part for part in file.read().split("```") if part.startswith("python\nimport grpc"))
    with ApiCluster(grpc=True) as cluster:
        code = code.removeprefix("python\n").replace("127.0.0.1:8091", f"127.0.0.1:{cluster.grpc_ports[0]}")
        code = code.replace("Counter/name:lobby", "echo/lobby")
        assert "{KEY}" in code
        with_stubs = os.path.join(os.path.dirname(__file__), "grpc_backend.py")
        done = subprocess.run(["/usr/bin/python3", with_stubs, "--run"], input=f"KEY = {cluster.api_key!r}\n{code}", text=True,
                              stdout=subprocess.PIPE, timeout=60 * SLOWNESS, check=True)
        assert json.loads(done.stdout[2:-2]) == {"method": "add", "args": [1, 2]}, done.stdout
