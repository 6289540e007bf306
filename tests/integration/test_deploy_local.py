"""deploy/local: one command brings up a cluster that heals itself, and stops it without a trace."""

import argparse
import contextlib
import json
import os
import pathlib
import re
import resource
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile

import pytest
from cluster import BIN, REPOSITORY, SLOWNESS, Cluster, ports, until, wait_until
from layout import Failure, Layout
import plan as plans
from process import open_to_others
from ws import all_open, echo

LOCAL = ["/usr/bin/python3", os.path.join(REPOSITORY, "deploy", "localcluster"), "--bin", BIN]


class Local:
    """deploy/local with a data directory of its own."""

    def __init__(self, data):
        self.data = data
        self.port = ports.choose(None, data)

    def __call__(self, command, *words):
        done = subprocess.run([*LOCAL, command, "--data", self.data, *words], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60 * SLOWNESS, check=False,
                              umask=0o022)
        return done.returncode, done.stdout.decode()

    def up(self, *words):
        return self("up", "--detach", "--port", str(self.port), "--set", "drain-window=100ms", *words)

    def record(self):
        with open(os.path.join(self.data, "run", "cluster.json"), encoding="utf-8") as file:
            return json.load(file)

    def pid(self, name):
        return next(entry["pid"] for entry in self.record()["processes"] if entry["name"] == name)

    def processes(self):
        """Pids of all processes that name the data directory, but those that this test runs to ask."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if self.data.encode() in file.read():
                        found.append(int(pid))
        return found


def children(pid):
    try:
        with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
            return file.read().split()
    except FileNotFoundError:
        return []


def alive(pid):
    """Whether it runs: neither gone nor a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def local():
    data = tempfile.mkdtemp(prefix="dormouse-local-")
    it = Local(data)
    yield it
    it("down")
    assert it.processes() == []
    shutil.rmtree(data)


async def test_up_status_crash_down(local, store):
    status, said = local.up("--gateways", "2", "--store", store)
    assert status == 0, said
    assert f"Dormouse is ready: http://127.0.0.1:{local.port}/" in said
    assert local("status")[0] == 0
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(echo(f"ws://127.0.0.1:{local.port}/websocket/local"))
                   for _ in range(8)]
        assert (await clients[0].ask("x"))["connections"] == 8
        os.kill(local.pid("statekeeper-1"), signal.SIGKILL)
        for client in clients:
            reply = await client.ask("x")
            assert (reply["connections"], reply["connectionId"]) == (8, client.id)
        await until(lambda: local("status")[0] == 0, "all are ready again")
        entry = next(entry for entry in local.record()["processes"] if entry["name"] == "statekeeper-1")
        assert entry["restarts"] == 1
        assert "statekeeper-1 was ended by SIGKILL; starting it again" in local("logs")[1]
    status, said = local.up()
    assert status == 0 and "runs already" in said and f":{local.port}/" in said
    assert local("down")[0] == 0
    assert local.processes() == []
    status, said = local("status")
    assert status == 1 and "Nothing runs" in said


def test_up_says_what_stops_this_cluster(local):
    status, said = local.up()
    assert status == 0, said
    command = said.partition("This stops it: ")[2].strip()
    assert shlex.split(command)[1:] == ["down", "--data", local.data]
    again = local.up()[1]
    assert again.strip().endswith(command)
    down = subprocess.run(command, shell=True, cwd="/", stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          timeout=60 * SLOWNESS, check=True)
    assert down.stdout == b"Stopped.\n"
    assert local.processes() == []


async def test_restart_stops_in_order_and_starts_again(local):
    assert local.up()[0] == 0
    async with echo(f"ws://127.0.0.1:{local.port}/websocket/room") as client:
        for turn in (1, 2, 3, 4):
            before = local.pid("statekeeper-1")
            status, said = local("restart", "statekeeper-1")
            assert status == 0, said
            assert local.pid("statekeeper-1") != before and f"(pid {local.pid('statekeeper-1')})" in said
            reply = await client.ask("x")
            assert (reply["connections"], reply["connectionId"]) == (1, client.id), turn
        before = local.pid("gateway-1")
        status, said = local("restart", "gateway-1")
        assert status == 0 and "no socket was closed" in said, said
        assert local.pid("gateway-1") != before and f"(pid {local.pid('gateway-1')})" in said
        reply = await client.ask("x")
        assert (reply["connections"], reply["connectionId"]) == (1, client.id)
    assert local("status")[0] == 0
    logs = local("logs")[1]
    assert "gateway-1 was replaced without closing a socket" in logs
    assert logs.count("statekeeper-1 ended with exit status 0; starting it again in 0.1 s") == 4, logs
    status, said = local("restart", "gateway-2")
    assert status == 1 and "these run: statekeeper-1, gateway-1" in said
    assert local("down")[0] == 0
    status, said = local("restart", "gateway-1")
    assert status == 1 and "Nothing runs" in said


async def test_a_gateway_whose_successor_refuses_is_stopped_in_order(local, tmp_path, monkeypatch):
    for name in os.listdir(BIN):
        os.symlink(os.path.join(BIN, name), tmp_path / name)
    gateway = tmp_path / "dormouse-gateway"
    gateway.unlink()
    gateway.write_text("#!/bin/sh\ncase \"$*\" in *--take-over*) echo 'gateway error not taking over: it is another one' >&2\n"
                       f"exit 1;; esac\nexec {os.path.join(BIN, 'dormouse-gateway')} \"$@\"\n")
    gateway.chmod(0o700)
    monkeypatch.setattr(sys.modules[__name__], "LOCAL", [*LOCAL[:-1], str(tmp_path)])
    assert local.up()[0] == 0
    async with echo(f"ws://127.0.0.1:{local.port}/websocket/room") as client:
        before = local.pid("gateway-1")
        status, said = local("restart", "gateway-1")
        assert status == 0, said
        assert "could not be replaced with its sockets open: it is another one. Stopping it in order instead." in said
        assert "is ready again" in said and local.pid("gateway-1") != before
        assert (await client.closed())[0] == 1001
    assert local("down")[0] == 0


def test_an_orderly_end_is_no_reason_to_warn(local, store):
    words = ["--statekeepers", "2", "--gateways", "2"] if store == "redis" else ["--store", store]
    assert local.up(*words)[0] == 0
    assert local("down")[0] == 0
    warnings = [line for line in local("logs")[1].splitlines() if re.search(r" (warning|error) ", line)]
    assert not warnings


def test_a_full_disk_ends_nothing_for_good(local, store):
    """No file of the supervisor, and of what it starts, may grow: what a full disk does, without one."""
    assert local.up("--store", store)[0] == 0
    chief = local.record()["supervisor"]["pid"]
    _, hard = resource.prlimit(chief, resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
    before = local.pid("statekeeper-1")
    os.kill(before, signal.SIGKILL)
    wait_until(lambda: not alive(before), "its supervisor has noticed")
    os.kill(local.pid("gateway-1"), signal.SIGKILL)
    # Started again, and ended again: there is nowhere to write.
    seen = set(children(chief))
    first = len(seen)
    wait_until(lambda: seen.update(children(chief)) or len(seen) >= first + 3, "the supervisor goes on")
    resource.prlimit(chief, resource.RLIMIT_FSIZE, (hard, hard))
    wait_until(lambda: local("status")[0] == 0, "all are ready again", timeout=40)
    assert local.pid("statekeeper-1") != before and local.record()["supervisor"]["pid"] == chief
    said = local("logs")[1]
    assert "the record of what runs cannot be written: [Errno 27] File too large; going on, and trying again" in said
    assert "the record of what runs is written again" in said


_FULL = """
import os, sys
sys.path.insert(0, sys.argv[1])
from layout import Layout
layout = Layout(sys.argv[2])
layout.create()
layout.write_record({"restarts": 1})
with open(os.path.join(layout.data, "rest"), "wb", buffering=0) as rest:
    try:
        while rest.write(bytes(4096)):
            pass
    except OSError as error:
        print(error.strerror)
layout.write_record({"restarts": 2})
print(layout.read_record())
try:
    layout.write_record({"more": "x" * 5000})
except OSError as error:
    print(error.strerror)
print(layout.read_record())
"""


def test_the_record_is_true_on_a_full_disk(tmp_path):
    """Of a real file system, which ends with the process."""
    said = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c",
         'mount -t tmpfs -o size=256k tmpfs "$4" && exec "$1" -c "$2" "$3" "$4"', "sh", "/usr/bin/python3", _FULL,
         os.path.join(REPOSITORY, "deploy/localcluster"), tmp_path], capture_output=True, text=True, check=False)
    no_room = "No space left on device"
    assert said.stdout.splitlines() == [no_room, "{'restarts': 2}", no_room, "{'restarts': 2}"], said.stderr


_CLUSTER_ON_A_FULL_DISK = """
import os, subprocess, sys, time
local, data, *words = sys.argv[1:]
cluster = subprocess.Popen([sys.executable, local, *words, "--data", data], stdout=subprocess.PIPE, text=True)
for line in cluster.stdout:
    if "is ready" in line:
        break
with open(os.path.join(data, "rest"), "wb", buffering=0) as rest:
    try:
        while rest.write(bytes(4096)):
            pass
    except OSError as error:
        print(error.strerror)
def status():
    return subprocess.run([sys.executable, local, "status", "--data", data], stdout=subprocess.PIPE, text=True).stdout
def redis():
    return next(line.split() for line in status().splitlines() if line.startswith("redis"))
deadline = time.monotonic() + 40
while redis()[3] in ("0", "1"):  # it has ended twice, and was started as often
    assert time.monotonic() < deadline, status()
    time.sleep(0.1)
os.unlink(os.path.join(data, "rest"))
while redis()[2] != "ready":
    assert time.monotonic() < deadline, status()
    time.sleep(0.1)
cluster.terminate()
print(cluster.communicate()[0])
"""


def test_what_ends_on_a_full_disk_is_said_to_have_ended_of_that(local):
    """Redis itself cannot say so: its log is on that disk, too."""
    said = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", 'mount -t tmpfs -o size=16m tmpfs "$5" && exec "$@"', "sh",
         "/usr/bin/python3", "-c", _CLUSTER_ON_A_FULL_DISK, LOCAL[1], local.data, *LOCAL[2:], "up", "--store", "redis", "--port",
         str(local.port), "--set", "drain-window=100ms"], capture_output=True, text=True, check=False)
    assert len(re.findall(r"redis ended with .* \(the disk is full: \d+ KiB are free at ", said.stdout)) == 1, said.stdout + said.stderr


def test_all_of_it_is_for_its_user_alone(local, store):
    os.chmod(local.data, 0o755)
    status, said = local.up("--store", store)
    assert status == 0, said
    assert open_to_others(local.data) == set()
    assert local("down")[0] == 0
    for parent, directories, files in os.walk(local.data):  # as an earlier version left it
        for name in (*directories, *files):
            path = os.path.join(parent, name)
            os.chmod(path, 0o644 if os.path.isfile(path) else 0o755)
    os.chmod(local.data, 0o755)
    assert len(open_to_others(local.data)) > 7
    status, said = local.up("--store", store)
    assert status == 0, said
    os.kill(local.pid("statekeeper-1"), signal.SIGKILL)
    wait_until(lambda: local("status")[0] == 0, "all are ready again")
    assert open_to_others(local.data) == set()


def test_a_directory_with_somebody_elses_files_is_left_as_it_is(local):
    letters = pathlib.Path(local.data, "letters")
    letters.touch(mode=0o644)
    os.chmod(letters, 0o644)
    os.chmod(local.data, 0o755)
    status, said = local.up()
    assert status == 0, said
    assert open_to_others(local.data) == {".", "letters"}
    assert "Other users can look into" in local("logs")[1]


async def test_two_clusters_do_not_touch_each_other(local):
    with Cluster() as other:  # not even one that deploy/local did not start
        assert local.up()[0] == 0
        second = Local(tempfile.mkdtemp(prefix="dormouse-local-"))
        try:
            assert second.up()[0] == 0
            assert local("down")[0] == 0
            assert second("status")[0] == 0
            async with echo(f"ws://127.0.0.1:{second.port}/websocket") as a, echo(other.ws_url("/websocket")) as b:
                assert (await a.ask("x"))["connections"] == (await b.ask("x"))["connections"] == 1
        finally:
            second("down")
        assert second.processes() == []
        shutil.rmtree(second.data)


def test_foreground_follows_the_logs_and_stops_at_ctrl_c(local):
    with subprocess.Popen([*LOCAL, "up", "--data", local.data, "--port", str(local.port)], text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as up:
        assert up.stdout.readline() == f"Dormouse is ready: http://127.0.0.1:{local.port}/\n"
        os.kill(local.pid("statekeeper-1"), signal.SIGKILL)
        while "starting it again" not in (line := up.stdout.readline()):
            assert line, "it ended"
        wait_until(lambda: local("status")[0] == 0, "all are ready again")
        up.send_signal(signal.SIGINT)
        assert up.stdout.read().endswith("Stopping.\n")
        assert up.wait(30 * SLOWNESS) == 0
    assert local.processes() == []


def test_what_a_killed_supervisor_leaves_is_found(local):
    assert local.up()[0] == 0
    supervisor = local.record()["supervisor"]["pid"]
    os.kill(supervisor, signal.SIGKILL)
    wait_until(lambda: supervisor not in local.processes(), "the supervisor is gone")
    status, said = local("status")
    assert status == 1 and "supervisor is gone" in said
    status, said = local.up()
    assert status == 0 and "left behind: statekeeper-1, gateway-1" in said
    os.kill(local.record()["supervisor"]["pid"], signal.SIGKILL)
    assert local("down")[0] == 0
    assert local.processes() == []


async def test_several_statekeepers(local):
    status, said = local.up("--gateways", "2", "--statekeepers", "3")
    assert status == 0, said
    assert f"a Redis of this cluster's own (--store redis), in {local.data}/redis" in said
    status, said = local("status")
    assert status == 0 and all(f"statekeeper-{number} " in said for number in (1, 2, 3)), said
    async with all_open(echo(f"ws://127.0.0.1:{local.port}/websocket/{hub}") for hub in "abcdefgh") as clients:
        for number in (1, 2, 3):
            os.kill(local.pid(f"statekeeper-{number}"), signal.SIGKILL)
            for client in clients:
                reply = await client.ask("x")
                assert (reply["connections"], reply["connectionId"]) == (1, client.id)
            await until(lambda: local("status")[0] == 0, "all are ready again")
        keepers = [entry for entry in local.record()["processes"] if entry["kind"] == "statekeeper"]
        assert [entry["restarts"] for entry in keepers] == [1, 1, 1]
    assert local("down")[0] == 0
    status, said = local.up()  # its state is where it was
    assert status == 0 and "--store redis" in said, said


def _plan(data, *settings, statekeepers=1, store=None, host="127.0.0.1"):
    options = argparse.Namespace(set=list(settings), gateways=2, statekeepers=statekeepers, store=store, bin=BIN,
                                 port=ports.choose(None, data), host=host, inspect=None)
    layout = Layout(data)
    layout.create()
    return plans.make(options, layout)


def _option(process, name):
    return process.command[process.command.index("--" + name) + 1]


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_a_host_of_the_sixth_version(local, host):
    plan = _plan(local.data, host=host)
    assert plan.url.startswith("http://[::1]:")
    gateways = [process for process in plan.processes if process.kind == "gateway"]
    assert all(_option(gateway, "listen").startswith("[::1]:") for gateway in gateways)
    status, said = local.up("--host", host)
    assert status == 0 and f"http://[::1]:{local.port}/" in said, said
    with socket.create_connection(("::1", local.port), timeout=5):
        pass


def test_the_data_directory_is_named_before_the_command_or_after_it(local):
    for words in (["--data", local.data, "status"], [f"--data={local.data}", "status"],
                  ["status", "--data", local.data], ["--data", "/nowhere", "status", "--data", local.data]):
        done = subprocess.run([*LOCAL, *words], stdout=subprocess.PIPE, check=False)
        assert done.stdout.decode() == f"Nothing runs in {local.data}.\n", words
    for words in (["--data", local.data, "ctl", "members"], ["ctl", "--data", local.data, "members"],
                  ["ctl", "members", "--data", local.data]):
        done = subprocess.run([*LOCAL, *words], stderr=subprocess.PIPE, check=False)
        assert done.stderr.decode() == f"There is no cluster in {local.data}.\n", words


def test_plan_of_several_statekeepers(local):
    data = local.data
    plan = _plan(data, "stop-timeout=1m", statekeepers=3)
    keepers = [process for process in plan.processes if process.kind == "statekeeper"]
    gateways = [process for process in plan.processes if process.kind == "gateway"]
    links = [_option(keeper, "listen") for keeper in keepers]
    admins = [_option(process, "admin") for process in (*keepers, *gateways)]
    assert len(set(links)) == 3 and len(set(admins)) == 5 and not set(links) & set(admins)
    assert all(_option(gateway, "statekeepers") == ",".join(links) for gateway in gateways)
    assert {_option(keeper, "store") for keeper in keepers} == {f"redis+unix://{data}/run/redis.sock"}
    assert plan.stop_timeout > 60
    for name, users in (("admin-key", keepers), ("cluster-secret", [*keepers, *gateways])):
        path = f"{data}/{name}"
        assert {_option(process, name) for process in users} == {path}
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
        with open(path, encoding="ascii") as file:
            secret = file.read()
        assert len(secret) > 32
        _plan(data, statekeepers=2)
        with open(path, encoding="ascii") as file:
            assert file.read() == secret, "it is made once"
        assert not any(f"--{name}" in process.command for process in _plan(data, f"{name}=/mine").processes)


def test_store_is_the_one_that_is_there(local):
    data = pathlib.Path(local.data)
    assert _plan(local.data).store == "file"
    (data / "redis" / "appendonlydir").mkdir(parents=True)
    assert _plan(local.data).store == "redis"
    (data / "dormouse.db").touch()
    assert _plan(local.data).store == "file"
    assert _plan(local.data, statekeepers=2).store == "redis"
    shutil.rmtree(data / "redis")
    with pytest.raises(Failure, match="embedded store, which is for one statekeeper"):
        _plan(local.data, statekeepers=2)
    assert _plan(local.data, statekeepers=2, store="redis").store == "redis"


def test_a_password_in_the_store_is_not_kept_and_is_told_of(local):
    plan = _plan(local.data, store="redis+sentinel://u:s3cret@h:1/rooms?sentinel-password=s3cret&wait-replicas=1")
    assert plan.store == "redis+sentinel://u:***@h:1/rooms?sentinel-password=***&wait-replicas=1"
    assert "store-password-file" in plan.notice
    plan = _plan(local.data, store="redis://user@h:1")
    assert (plan.store, plan.notice) == ("redis://user@h:1", "")


def test_stale_record_does_not_harm_a_stranger(local):
    """After a reboot the recorded pids are somebody else's."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        try:
            os.mkdir(os.path.join(local.data, "run"))
            entry = {"pid": stranger.pid, "started": 1, "admin": 1, "socket": "", "restarts": 0}
            with open(os.path.join(local.data, "run", "cluster.json"), "w", encoding="utf-8") as file:
                json.dump({"supervisor": {**entry, "name": "supervisor"}, "url": "http://127.0.0.1:1/",
                           "store": "file", "stop_timeout": 1,
                           "processes": [{**entry, "name": "gateway-1", "kind": "gateway"}]}, file)
            assert local("status")[0] == 1
            assert local("down")[0] == 0
            assert stranger.poll() is None
        finally:
            stranger.kill()


def test_up_builds_what_projects_need_too(local, tmp_path):
    """From a fresh clone, in which nothing is built."""
    deploy, targets = tmp_path / "deploy", tmp_path / "targets"
    shutil.copytree(os.path.join(REPOSITORY, "deploy"), deploy, symlinks=True)
    (deploy / "build").write_text(f"#!/bin/sh\necho $* >{targets}\nexit 1\n")
    up = subprocess.run(["/usr/bin/python3", deploy / "localcluster", "up", "--data", local.data, "--port", str(local.port)],
                        stdin=subprocess.DEVNULL, timeout=60 * SLOWNESS, check=False)
    assert up.returncode == 1
    preset, *built = targets.read_text().split()
    assert preset == "release"
    assert set(built) == {"dormouse-gateway", "dormouse-statekeeper", "dormousectl", "dormouse_sqlite"}


def test_mistakes_are_told_in_a_sentence(local):
    def refused(*words, **changes):
        port = str(changes.get("port", local.port))
        status, said = local("up", "--detach", "--port", port, *words)
        assert status == 1, said
        return said

    with Cluster() as other:
        assert f"Port {other.port()}" in refused(port=other.port())
        assert "another program uses it" in refused(port=other.port())
    for host, said in (("", "--host is empty"), ("[]", "--host is empty"), ("::2", "this machine has no such address"),
                       ("300.1.1.1", "no address, nor the name of a host"), ("a b", "no address, nor the name of a host")):
        assert said in refused("--host", host), host
    assert "embedded store is for one statekeeper" in refused("--statekeepers", "2", "--store", "file")
    assert "--gateways" in refused("--gateways", "0")
    assert "NAME=VALUE" in refused("--set", "hibernate-after")
    assert "--port" in refused("--set", "listen=0.0.0.0:1")
    assert "no-such-option" in refused("--set", "no-such-option=1")
    assert "127.0.0.1:1" in refused("--store", "redis://127.0.0.1:1", "--set", "commit-timeout=1s")
    assert local.processes() == []
