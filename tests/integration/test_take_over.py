"""A gateway is replaced by another process, and no socket closes: what clients, probes, backends and operators see of it,
and what happens when it cannot be. (What happens in the midst of it is a drill's: takeover.)"""

import asyncio
import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import threading

import pytest
from backends import ApiCluster
from cluster import Cluster, http_get, until, wait_until
from raw import upgrade_request
from ws import connect, echo

TOOK_OVER = re.compile(r"taken over: (\d+) sockets, (\d+) visitors")


@pytest.fixture
def cluster():
    with Cluster(options={"hibernate-after": "200ms"}) as it:
        yield it


def said(gateway):
    """(sockets, visitors) that the last successor has taken over, as often as there was one."""
    return TOOK_OVER.findall(gateway.log_text())


async def replace(gateway):
    before = len(said(gateway))
    successor = gateway.start_successor()
    while gateway.running():
        assert successor.poll() is None, gateway.log_text()
        await asyncio.sleep(0.01)
    gateway.succeed(successor)
    await until(lambda: len(said(gateway)) > before, "the successor says that it has taken over")


async def test_sockets_stay_open_and_nothing_is_lost(cluster):
    gateway = cluster.gateways[0]
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(echo(cluster.ws_url(f"/websocket/{i % 7}"))) for i in range(50)]
        for _ in range(3):
            asked = [asyncio.ensure_future(_ask_on(client)) for client in clients]
            pid = gateway.pid
            await replace(gateway)
            assert gateway.pid != pid
            await asyncio.gather(*asked)
            assert all(client.is_open for client in clients)
        assert said(gateway)[-1][0] == "50"
        # Hubs know them still, by the same ids.
        assert (await clients[0].ask("x"))["connections"] == 8
        async with echo(cluster.ws_url("/websocket/0")) as late:
            assert (await late.ask("x"))["connections"] == 9
    values = cluster.metrics(gateway)
    assert values['dormouse_takeovers_total{result="done"}'] == 1
    assert values["dormouse_takeover_sockets"] == 50
    assert 0 < values["dormouse_takeover_pause_seconds"] < 2.5


async def _ask_on(client):
    for number in range(100):
        assert (await client.ask(f"{number}"))["message"] == f"{number}"
        await asyncio.sleep(0.01)


async def test_sockets_over_tls_are_told_to_come_again_and_all_ports_are_served(store):
    """Their keys are in the old process alone."""
    with ApiCluster(store=store, options={"hibernate-after": "200ms"}, tls={}) as cluster:
        gateway = cluster.gateways[0]
        plain_url = f"ws://127.0.0.1:{cluster.plain_port()}/websocket/both"
        async with contextlib.AsyncExitStack() as stack:
            plain = [await stack.enter_async_context(echo(plain_url)) for _ in range(20)]
            for round_number in range(3):
                secure = [await stack.enter_async_context(echo(cluster.ws_url("/websocket/both"))) for _ in range(10)]
                asked = [asyncio.ensure_future(_ask_on(client)) for client in plain]
                await replace(gateway)
                await asyncio.gather(*asked)
                for client in secure:
                    assert (await client.closed())[0] == 1001
                assert said(gateway)[-1][0] == "20", round_number
                connections = await asyncio.to_thread(cluster.backend().must, "echo/both", "connections")
                assert len(connections["connections"]) == 20
        assert "cannot listen" not in gateway.log_text()


async def test_a_hub_that_sleeps_is_not_woken(cluster):
    async with echo(cluster.ws_url("/websocket/asleep")) as client:
        await cluster.asleep()
        wakes = cluster.hub_wakes()
        await replace(cluster.gateways[0])
        await asyncio.sleep(0.2)
        assert cluster.hubs_awake() == 0 and cluster.hub_wakes() == wakes
        assert (await client.ask("hello"))["message"] == "hello"
        assert cluster.hub_wakes() == wakes + 1


def test_whoever_asks_whether_it_is_ready_hears_yes(cluster):
    gateway = cluster.gateways[0]
    answers, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            try:
                answers.append(http_get(gateway.admin, "/readyz")[0])
                answers.append(http_get(cluster.port(), "/health")[0])
            except (OSError, http.client.HTTPException) as error:
                answers.append(repr(error))

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(4):
            gateway.take_over()
    finally:
        stop.set()
        asker.join()
    assert len(answers) > 20 and set(answers) == {200}


def test_a_request_that_has_come_in_part_is_answered(cluster):
    with socket.create_connection(("127.0.0.1", cluster.port()), timeout=10) as visitor:
        request = upgrade_request("/websocket/part")
        visitor.sendall(request[:50])
        wait_until(lambda: cluster.metrics(cluster.gateways[0])["dormouse_half_open"] == 1, "it is there")
        cluster.gateways[0].take_over()
        assert wait_until(lambda: said(cluster.gateways[0]), "it says what it has")[-1][1] == "1"
        visitor.sendall(request[50:])
        assert b" 101 " in visitor.recv(1000)


def test_backends_are_answered_by_whichever_process_has_their_connection():
    with ApiCluster() as cluster:
        gateway = cluster.gateways[0]
        answers, stop = [], threading.Event()

        def ask():
            while not stop.is_set():
                with cluster.backend() as backend:
                    answers.append(backend.ask("signal/room", "connections").status)

        asker = threading.Thread(target=ask)
        asker.start()
        try:
            for _ in range(3):
                gateway.take_over()
        finally:
            stop.set()
            asker.join()
        assert len(answers) > 10 and set(answers) == {200}


async def test_sigusr2_starts_the_successor_and_the_service_manager_is_told(cluster, tmp_path):
    gateway = cluster.gateways[0]
    manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    manager.bind(str(tmp_path / "notify"))
    manager.settimeout(10)
    gateway.end(signal.SIGTERM)
    gateway.environment["NOTIFY_SOCKET"] = str(tmp_path / "notify")
    gateway.start()
    cluster.wait_ready()
    async with echo(cluster.ws_url("/websocket/usr2")) as client:
        pids = [gateway.pid]
        try:
            for _ in range(2):
                os.kill(pids[-1], signal.SIGUSR2)
                told = (await asyncio.to_thread(manager.recv, 100)).decode()
                pids.append(int(told.removeprefix("MAINPID=")))
                wait_until(lambda: http_get(gateway.admin, "/readyz")[0] == 200, "the successor is ready")
                assert (await client.ask("hello"))["message"] == "hello"
            assert gateway.await_end() == 0
            # It has what the first was told, and no more flags than one.
            with open(f"/proc/{pids[-1]}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
            assert words.count(b"--take-over") == 1
        finally:
            for pid in pids[1:]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGTERM)
        assert (await client.closed())[0] == 1001
    manager.close()
    wait_until(lambda: not os.path.exists(f"/proc/{pids[-1]}") or _is_zombie(pids[-1]), "the last one has stopped")


def _is_zombie(pid):
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] == b"Z"
    except OSError:
        return True


@pytest.mark.parametrize("words, prefix, why", [
    (["--listen", "127.0.0.1:1"], [], "the gateway that runs has --listen"),
    (["--admin", "127.0.0.1:0"], [], "give --admin HOST:PORT"),
    (["--api-listen", "127.0.0.1:1", "--api-key-file", "KEYS"], [], "has --api-listen not set, the new one 127.0.0.1:1"),
    ([], ["prlimit", "--nofile=90"], "open descriptors and needs"),
])
async def test_a_successor_that_cannot_be_ends_and_the_gateway_goes_on(cluster, tmp_path, words, prefix, why):
    gateway = cluster.gateways[0]
    keys = tmp_path / "keys"
    keys.write_text("a: " + "k" * 32 + "\n")
    keys.chmod(0o600)
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(echo(cluster.ws_url("/websocket/refused"))) for _ in range(60)]
        words = [str(keys) if word == "KEYS" else word for word in words]
        status = await asyncio.to_thread(gateway.start_successor(*words, prefix=prefix).wait, 30)
        assert status == 1 and why in gateway.log_text(), gateway.log_text()[-1000:]
        assert gateway.running()
        for client in clients[::10]:
            assert (await client.ask("hello"))["message"] == "hello"
        # And the next one can.
        await replace(gateway)
        assert (await clients[0].ask("hello"))["message"] == "hello"


async def test_without_statekeepers_nothing_is_taken_over(cluster):
    gateway = cluster.gateways[0]
    async with echo(cluster.ws_url("/websocket/without")) as client:
        cluster.kill_statekeeper()
        assert await asyncio.to_thread(gateway.start_successor().wait, 30) == 1
        assert "no statekeeper has said what there is" in gateway.log_text()
        await client.send("meanwhile")
        cluster.start_statekeeper()
        assert (await client.recv())["message"] == "meanwhile"


def test_without_a_gateway_there_is_nothing_to_take_over(cluster):
    gateway = cluster.gateways[0]
    gateway.end(signal.SIGTERM)
    assert not os.path.exists(os.path.join(cluster.data, "gateways", f"{gateway.admin}.sock"))
    assert gateway.start_successor().wait(20) == 1
    assert "there is no gateway of this user to take over from" in gateway.log_text()
    gateway.start()
    cluster.wait_ready()


def test_the_sockets_directory_is_its_users_own(cluster):
    directory = os.path.join(cluster.data, "gateways")
    assert os.stat(directory).st_mode & 0o777 == 0o700
    cluster.gateways[0].take_over()
    assert os.listdir(directory) == [f"{cluster.gateways[0].admin}.sock"]


def test_while_it_stops_it_is_not_replaced():
    with Cluster(options={"drain-window": "3s"}) as cluster:
        gateway = cluster.gateways[0]
        with socket.create_connection(("127.0.0.1", cluster.port()), timeout=10) as visitor:
            visitor.sendall(upgrade_request("/websocket/stops"))
            assert b" 101 " in visitor.recv(1000)
            gateway.send_signal(signal.SIGTERM)
            wait_until(lambda: "stopping: closing" in gateway.log_text(), "it is stopping")
            assert gateway.start_successor().wait(20) == 1
            assert "the gateway that runs is stopping" in gateway.log_text()
        assert gateway.await_end() == 0
