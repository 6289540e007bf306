"""A stranger at a statekeeper's port gets nothing, and changes nothing; who belongs to the cluster is let in."""

import contextlib
import json
import os
import re
import socket
import struct
import subprocess
import sys
import time

import pytest
from cluster import BIN, Cluster, wait_until
from process import die_with_parent
from trust import ROLES, Certificates, write
from ws import echo

STRANGER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "stranger.py")

pytest.importorskip("grpc", reason="python3-grpcio is missing")


def calls(address, wanted, certificate=None):
    """[(status, text)...] of calls (method, message)."""
    text = json.dumps({"calls": [{"method": method, "message": message.hex()} for method, message in wanted],
                       "certificate": certificate})
    done = subprocess.run([sys.executable, STRANGER, address], input=text.encode(), capture_output=True, timeout=120,
                          check=True, preexec_fn=die_with_parent)
    return json.loads(done.stdout)


def _field(number, kind, value):
    """A field of a protobuf message."""
    key = bytes([number << 3 | {"fixed64": 1, "bytes": 2, "uint32": 0}[kind]])
    if kind == "fixed64":
        return key + struct.pack("<Q", value)
    return key + (bytes([value]) if kind == "uint32" else bytes([len(value)]) + value)


def _attacks(incarnation, gateway):
    """What was tried: to take a living gateway's stream, to move shards, to watch, to give orders."""
    hello = _field(1, "fixed64", gateway) + _field(2, "fixed64", incarnation)
    offer = (_field(1, "fixed64", incarnation) + _field(2, "fixed64", 0x666) +
             b"".join(_field(3, "bytes", _field(1, "uint32", shard) + _field(2, "uint32", 9)) for shard in range(100)))
    return [("/dormouse.link.Edge/Link", _field(1, "bytes", hello)),
            ("/dormouse.link.Edge/Link", b"no greeting at all"),
            ("/dormouse.link.Edge/WatchShards", _field(1, "fixed64", gateway)),
            ("/dormouse.peer.Peer/Live", _field(1, "fixed64", incarnation) + _field(2, "fixed64", 0x666)),
            ("/dormouse.peer.Peer/Offer", offer),
            ("/dormouse.admin.Admin/Members", b""),
            ("/dormouse.admin.Admin/Evict", _field(2, "bytes", b"\x0a\x01\x05") + _field(4, "uint32", 2)),
            ("/dormouse.admin.Admin/Drain", b"")]


def _incarnation(cluster):
    names = " ".join(os.listdir(os.path.join(cluster.data, "run")))
    return int(re.search(r"statekeeper-([0-9a-f]{16})\.sock", names)[1], 16)


def _refusals(cluster):
    metrics = cluster.metrics(cluster.statekeeper)
    return {reason: metrics[f'dormouse_link_refusals_total{{reason="{reason}"}}']
            for reason in ("no_token", "token", "role", "handshake")}


def _kept(cluster):
    """What no stranger may change."""
    metrics = cluster.metrics(cluster.statekeeper)
    return {name: metrics[name] for name in ("dormouse_member_shards", "dormouse_gateways_connected")}


@pytest.mark.parametrize("trust", ["secret", "tls"])
async def test_a_stranger_gets_nothing_and_changes_nothing(trust):
    with Cluster(trust=trust) as cluster:
        async with echo(cluster.ws_url("/websocket/kitchen")) as client:
            assert (await client.ask("before"))["message"] == "before"
            gateway = int(client.id[:8] + client.id[9:13] + client.id[14:18], 16)
            before = _kept(cluster)
            attacks = _attacks(_incarnation(cluster), gateway)
            answers = calls(cluster.links[0], attacks)
            for (method, _), (status, text) in zip(attacks, answers):
                if trust == "secret":
                    assert status == "UNAUTHENTICATED", (method, status, text)
                    assert ("--key" if "Admin" in method else "--cluster-secret FILE") in text
                else:
                    assert status == "UNAVAILABLE", (method, status, text)
            refusals = _refusals(cluster)
            assert refusals["no_token"] == (len(attacks) if trust == "secret" else 0)
            assert (refusals["handshake"] > 0) == (trust == "tls")
            assert (await client.ask("after"))["message"] == "after"
            assert client.is_open
            assert _kept(cluster) == before
            said = cluster.statekeeper.log_text()
            assert len(re.findall("Refused a call|gRPC:", said)) <= 3 + len(attacks) // 2, said


async def test_a_certificate_lets_in_where_its_role_belongs():
    with Cluster(trust="tls") as cluster:
        attacks = _attacks(_incarnation(cluster), 0x666)

        def statuses(role):
            options = cluster.trust.options(role)
            certificate = {"pem": options["link-certificate"], "key": options["link-key"], "ca": options["link-ca"]}
            answers = calls(cluster.links[0], attacks, certificate)
            return {method.split("/")[1].split(".")[1] + ("" if status == "PERMISSION_DENIED" else "!")
                    for (method, _), (status, _) in zip(attacks, answers)}

        assert statuses("dormouse-gateway") == {"link!", "peer", "admin"}
        assert statuses("dormouse-operator") == {"link", "peer", "admin!"}
        other = Certificates(_directory(cluster.directory, "other"))
        stranger = {"pem": other.path("dormouse-gateway.pem"), "key": other.path("dormouse-gateway.key"),
                    "ca": cluster.trust.path("ca.pem")}
        assert {status for status, _ in calls(cluster.links[0], attacks, stranger)} == {"UNAVAILABLE"}


def _directory(*path):
    os.mkdir(os.path.join(*path))
    return os.path.join(*path)


@pytest.mark.parametrize("trust", ["secret", "tls"])
def test_operators_and_statekeepers_are_let_in(trust):
    with Cluster(trust=trust, store="redis", statekeepers=2) as cluster:
        for statekeeper in cluster.links:
            for of in cluster.links:  # passed on to the other
                done = subprocess.run(cluster.ctl_command("--json", "shards", "--owner", of, statekeeper=statekeeper),
                                      capture_output=True, timeout=60, check=False)
                assert done.returncode == 0, done.stderr
                assert json.loads(done.stdout)["shards"]


@pytest.mark.parametrize("trust", ["secret", "tls"])
def test_nothing_secret_is_told(trust):
    with Cluster(trust=trust) as cluster:
        calls(cluster.links[0], _attacks(1, 2))
        secrets = [cluster.admin_key]
        secrets += [cluster.trust.path] if trust == "secret" else [cluster.trust.path(role + ".key") for role in ROLES]
        told = "".join(process.log_text() for process in (cluster.statekeeper, *cluster.gateways))
        for process in (cluster.statekeeper, *cluster.gateways):
            with open(f"/proc/{process.pid}/cmdline", encoding="utf-8") as file:
                told += file.read()
        assert "Bearer" not in told
        for path in secrets:
            assert not any(line in told for line in _text(path).splitlines() if not line.startswith("--"))


def _connect(address):
    host, port = address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=30)


@pytest.mark.parametrize("trust", ["secret", "tls"])
async def test_connections_of_strangers_cost_nobody_anything(trust):
    mark = b"dormouseT" if trust == "tls" else b"dormouseP"
    hello = b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"
    said = [b"", b"dorm", mark, mark + (hello if trust == "tls" else b"\x20\x00\x00\x00\x08"),
            b"GET / HTTP/1.1\r\n\r\n", mark + b"\xff\xff\xff\xff", mark + b"\x00\x00\x00\x01" + bytes(5000)]
    with Cluster(trust=trust) as cluster, contextlib.ExitStack() as strangers:
        async with echo(cluster.ws_url("/websocket/kitchen")) as client:
            before = _kept(cluster)
            for i in range(3000):
                stranger = strangers.enter_context(contextlib.closing(_connect(cluster.links[0])))
                with contextlib.suppress(OSError):  # it may have been closed already
                    stranger.send(said[i % len(said)])
                if i % 100 == 0:
                    started = time.monotonic()
                    assert (await client.ask(str(i)))["message"] == str(i)
                    assert time.monotonic() - started < 3
            assert _kept(cluster) == before
            # A gateway that is new finds its way in among them.
            cluster.kill_gateway(0)
            cluster.start_gateway(0)
            async with echo(cluster.ws_url("/websocket/kitchen")) as another:
                assert (await another.ask("new"))["message"] == "new"
            silent = 'dormouse_link_refusals_total{reason="silent"}'
            wait_until(lambda: cluster.metrics(cluster.statekeeper)[silent] > 1500, "they were closed, and counted")
            log = cluster.statekeeper.log_text()
            assert "Refused a connection from 127.0.0.1: " in log
            assert len(re.findall("Refused a connection", log)) < 60


def test_a_gateway_that_is_not_trusted_says_so_and_so_does_the_statekeeper():
    with Cluster(trust="tls", gateways=1) as cluster:
        other = Certificates(_directory(cluster.directory, "other"))
        write(other.path("ca.pem"), _text(cluster.trust.path("ca.pem")) + _text(other.path("ca.pem")))
        gateway = cluster.gateways[0]
        gateway.end()
        own = cluster.trust.options("dormouse-gateway")
        theirs = {name: other.path(os.path.basename(path)) for name, path in own.items()}
        gateway.command = [next((theirs[name] for name, path in own.items() if word == path), word)
                           for word in gateway.command]
        gateway.start()
        wait_until(lambda: "No shard map from statekeeper" in gateway.log_text(), "the gateway says that it gets no map")
        wait_until(lambda: "andshake failed" in cluster.statekeeper.log_text(), "the statekeeper says whom it refused")


async def test_certificates_are_renewed_while_all_runs():
    with Cluster(trust="tls", gateways=1) as cluster:
        async with echo(cluster.ws_url("/websocket/kitchen")) as client:
            trust = cluster.trust
            renewed = Certificates(_directory(cluster.directory, "renewed"))
            # Both authorities first, then the certificates, then the new authority alone.
            old, new = _text(trust.path("ca.pem")), _text(renewed.path("ca.pem"))

            def shown(authority, certificate):
                """Whether the statekeeper takes somebody with that, and shows what that trusts."""
                files = {"pem": certificate.path("dormouse-gateway.pem"),
                         "key": certificate.path("dormouse-gateway.key"), "ca": authority.path("ca.pem")}
                return calls(cluster.links[0], [("/dormouse.link.Edge/Link", b"?")], files)[0][0] != "UNAVAILABLE"

            write(trust.path("ca.pem"), old + new)
            wait_until(lambda: shown(trust, renewed), "the statekeeper trusts the new authority, too")
            for role in ROLES:
                for end in (".key", ".pem"):
                    write(trust.path(role + end), _text(renewed.path(role + end)))
            write(trust.path("ca.pem"), new)
            wait_until(lambda: shown(renewed, renewed), "the statekeeper shows its new certificate")
            assert (await client.ask("on the stream that is open"))["type"] == "echo"
            # Streams are opened anew, by a gateway that began with the old certificates and by a new one.
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert (await client.ask("on a new stream"))["type"] == "echo"
            assert client.is_open


def _text(path):
    with open(path, encoding="ascii") as file:
        return file.read()


# --- without credentials

def test_a_port_is_not_served_without_credentials(tmp_path):
    with Cluster(start=False) as cluster:
        command = [os.path.join(BIN, "dormouse-statekeeper"), "--data", str(tmp_path / "data"), "--listen",
                   "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        status, said = cluster.run_to_end(command)
        assert status == 1
        for words in ("openssl rand -hex 32 > FILE; chmod 600 FILE", "--cluster-secret FILE", "--link-certificate",
                      "leave --listen out"):
            assert words in said, said
        status, said = cluster.run_to_end([os.path.join(BIN, "dormouse-gateway"), "--data", str(tmp_path / "data"),
                                           "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--statekeepers",
                                           "127.0.0.1:1"])
        assert status == 1 and "--cluster-secret FILE" in said, said


@pytest.mark.parametrize("content, mode, words", [
    ("too short", 0o600, "less than 32 bytes"),
    ("x" * 32, 0o602, "chmod 600"),
    (None, 0, "does not exist"),
])
def test_a_secret_that_cannot_be_used_is_refused(tmp_path, content, mode, words):
    path = tmp_path / "secret"
    if content is not None:
        path.write_text(content)
        path.chmod(mode)
    with Cluster(start=False) as cluster:
        for command in (cluster.statekeeper_command(cluster_secret=str(path)), None):
            if command is None:
                command = [*cluster.gateways[0].command, "--cluster-secret", str(path)]
            status, said = cluster.run_to_end(command)
            assert status == 1 and f"--cluster-secret: {path}" in said and words in said, said


def _listens_on(process):
    """Ports that a process listens on."""
    sockets = set()
    for name in os.listdir(f"/proc/{process.pid}/fd"):
        try:
            sockets.add(os.readlink(f"/proc/{process.pid}/fd/{name}"))
        except OSError:  # closed meanwhile
            pass
    found = set()
    for table in ("tcp", "tcp6"):
        with open(f"/proc/{process.pid}/net/{table}", encoding="ascii") as file:
            for line in file.read().splitlines()[1:]:
                words = line.split()
                if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:
                    found.add(int(words[1].split(":")[1], 16))
    return found


async def test_without_any_option_a_host_of_one_user_works_and_no_port_is_open_for_links(tmp_path):
    with Cluster(start=False) as cluster:
        # Only what a test needs: a directory and ports of its own.
        plain = {"statekeeper": ["--data", cluster.data, "--admin", f"127.0.0.1:{cluster.statekeeper.admin}"],
                 "gateway": ["--data", cluster.data, "--admin", f"127.0.0.1:{cluster.gateways[0].admin}", "--listen",
                             f"127.0.0.1:{cluster.port()}"]}
        cluster.gateways[0].command = [os.path.join(BIN, "dormouse-gateway"), *plain["gateway"]]
        cluster.statekeeper.command = [os.path.join(BIN, "dormouse-statekeeper"), *plain["statekeeper"]]
        cluster.gateways[0].start()  # before there is anybody
        cluster.statekeeper.start()
        cluster.wait_ready()
        async with echo(cluster.ws_url("/websocket/kitchen")) as client:
            assert (await client.ask("hello"))["message"] == "hello"
            assert _listens_on(cluster.statekeeper) == {cluster.statekeeper.admin}
            # And again after a crash, at another socket.
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert (await client.ask("again"))["message"] == "again"


def test_a_directory_that_others_can_replace_is_not_used(tmp_path):
    with Cluster(start=False) as cluster:
        run = os.path.join(cluster.data, "run")
        os.symlink(str(tmp_path), run)
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status == 1 and f"cannot create {run} for this user alone" in said, said
        os.unlink(run)
        # Not closed by itself, where others have something in it.
        write(os.path.join(cluster.data, "theirs"), "")
        os.chmod(cluster.data, 0o777)
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status == 1 and "everybody can write to" in said, said
