"""deploy/upgrade.md: the statekeepers of a working cluster change their version one by one, and back.

Needs the programs of the version before: DORMOUSE_TEST_BEFORE names their directory (dormouse-crash-statekeeper and
dormouse-gateway).
"""

import asyncio
import json
import os
import signal
import subprocess

import pytest
from cluster import BIN, SLOWNESS, Cluster, until
from process import die_with_parent
from test_resume import sockets_become, stand
from ws import WAIT, connect

BEFORE = os.environ.get("DORMOUSE_TEST_BEFORE", "")
pytestmark = pytest.mark.skipif(
    not BEFORE, reason="DORMOUSE_TEST_BEFORE does not name the programs of the version before")
HUBS = 20


class _Client:
    """Sends, and checks that each answer comes, once and in order."""

    def __init__(self, number):
        self.path = f"/crash/roll-{number}"
        self.answered = 0
        self.stopped = False

    async def talk(self, url):
        async with connect(url) as client:
            while not self.stopped:
                await client.send(str(self.answered))
                assert await asyncio.wait_for(client.protocol.recv(), WAIT) == str(self.answered)
                self.answered += 1
                await asyncio.sleep(0.005)


def _change(cluster, number, directory):
    """As a supervisor does it."""
    process = cluster.statekeepers[number]
    assert cluster.kill_statekeeper(signal.SIGTERM, number) == 0
    at = next(i for i, word in enumerate(process.command) if word.endswith("dormouse-crash-statekeeper"))
    process.command[at] = os.path.join(directory, "dormouse-crash-statekeeper")
    cluster.start_statekeeper(statekeeper=number)


async def _all_answered(clients, tasks):
    before = [client.answered for client in clients]
    await until(lambda: all(client.answered > count + 5 for client, count in zip(clients, before)), "all go on")
    assert not any(task.done() for task in tasks), [task for task in tasks if task.done()]


async def test_rolling_upgrade_and_back(tmp_path):
    options = {"member-ttl": "1s", "rate-limit": "0"}
    with Cluster(store="redis", statekeepers=2, gateways=2, options=options, start=False,
                 statekeeper_program="dormouse-crash-statekeeper") as cluster:
        for process in cluster.statekeepers + cluster.gateways:
            process.command = [word.replace(BIN + "/", BEFORE + "/") for word in process.command]
            process.start()
        cluster.wait_ready()

        async def ctl(*words):
            """While the clients go on."""
            process = await asyncio.create_subprocess_exec(
                *cluster.ctl_command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=subprocess.PIPE, preexec_fn=die_with_parent)
            out, error = await asyncio.wait_for(process.communicate(), 100 * SLOWNESS)
            return process.returncode, (out or error).decode()

        clients = [_Client(number) for number in range(HUBS)]
        tasks = [asyncio.ensure_future(client.talk(cluster.ws_url(client.path, number % 2)))
                 for number, client in enumerate(clients)]
        try:
            await until(lambda: all(client.answered for client in clients), "all are answered")
            file = str(tmp_path / "backup")
            status, said = await ctl("backup", file)
            assert status == 1 and "older version" in said, said
            for directory, number in ((BIN, 0), (BEFORE, 0), (BIN, 0), (BIN, 1), (BEFORE, 1), (BIN, 1)):
                _change(cluster, number, directory)
                await _all_answered(clients, tasks)
                if (directory, number) == (BEFORE, 1):
                    status, said = await ctl("backup", "--timeout", "5s", file)
                    assert status == 1 and "older version" in said, said
            for number in range(2):
                status, said = await ctl("--json", "backup", "--afresh", f"{file}-{number}")
                assert status == 0, said
                assert json.loads(said)["hubs"] == HUBS
            await _all_answered(clients, tasks)
        finally:
            for client in clients:  # a cancellation may get lost in wait_for
                client.stopped = True
            await asyncio.gather(*tasks)


async def test_sessions_are_resumed_by_the_version_after_and_before():
    """What one version kept, the other reads: lost before a change or after it, or open all the time."""
    options = {"member-ttl": "1s", "rate-limit": "0"}
    with Cluster(store="redis", options=options, start=False,
                 statekeeper_program="dormouse-crash-statekeeper") as cluster:
        for process in cluster.statekeepers + cluster.gateways:
            process.command = [word.replace(BIN + "/", BEFORE + "/") for word in process.command]
            process.start()
        cluster.wait_ready()
        async with stand(cluster, "/ws/upgrade") as (receiver, numbers, sender):
            for directory in (BIN, BEFORE, BIN):
                receiver.lose_socket()
                await sockets_become(cluster, 0, 1)
                await numbers.send(5)
                _change(cluster, 0, directory)
                await numbers.send(5)
                await receiver.come_back()
                await receiver.read_until(numbers.sent - 1)
                assert await sender.addresses() == ["test/receiver", "test/sender"]
                await numbers.send(5)
            await receiver.read_until(numbers.sent - 1)
            assert receiver.numbers == list(range(numbers.sent))
            ack = await sender.must("hub:publish", {"topic": "news", "type": "number", "data": numbers.sent})
            assert ack["subscriberCount"] == 1
