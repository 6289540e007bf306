"""TLS at the gateway: clients of all kinds, certificates that are read anew, and what is not TLS, or does not belong here."""

import asyncio
import contextlib
import json
import os
import re
import select
import signal
import socket
import ssl
import subprocess
import sys

import aiohttp
import client_tls
import pytest
from attack import ends
from cluster import BIN, REPOSITORY, Cluster, until, wait_until
from raw import FrameReader, upgrade
from test_silent_paths import Phone, nothing_more, send
from ws import WAIT, Actor, actor, connect, echo

sys.path.insert(0, os.path.join(REPOSITORY, "clients", "python"))
import dormouse  # noqa: E402  # pylint: disable=wrong-import-position

MIB = 1 << 20
OPTIONS = {"hibernate-after": "1h", "rate-limit": "0", "log-level": "debug"}


@pytest.fixture(scope="module", name="cluster")
def _cluster():
    with Cluster(options={**OPTIONS, "max-message-size": str(2 * MIB)}, tls={}) as it:
        yield it


@pytest.fixture(name="authority")
def _authority(tmp_path):
    return client_tls.Authority(str(tmp_path), "another")


def tcp(cluster, gateway=0):
    connection = socket.create_connection(("127.0.0.1", cluster.port(gateway)), timeout=WAIT)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def tls(cluster, context=None, gateway=0):
    return (context or client_tls.client_context()).wrap_socket(tcp(cluster, gateway), server_hostname="localhost")


def openssl(cluster, *words, gateway=0, said="", path="/health"):
    """What s_client says of a connection, over which it asks for a page."""
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{cluster.port(gateway)}", "-CAfile",
         client_tls.everybody().file, "-ign_eof", *words], text=True, capture_output=True, timeout=WAIT, check=False,
        input=said or f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
    return done.stdout + done.stderr


def request(connection, path="/health"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return ends(connection)


# --- Clients.

async def test_python_websockets(cluster):
    async with connect(cluster.ws_url("/websocket/websockets")) as client:
        await client.recv()
        text = "é" * (MIB // 2)
        assert json.loads(await client.ask_text(text))["message"] == text
        await client.close(4321, "enough")
        assert client.protocol.close_code == 4321


async def test_aiohttp(cluster):
    async with aiohttp.ClientSession() as session:
        url = cluster.ws_url("/websocket/aiohttp")
        async with session.ws_connect(url, ssl=client_tls.client_context(), max_msg_size=0) as client:
            assert (await client.receive_json())["type"] == "welcome"
            text = "x" * MIB
            await client.send_str(text)
            assert (await client.receive_json())["message"] == text
        assert client.close_code == 1000
        async with session.get(cluster.http_url + "/health", ssl=client_tls.client_context()) as answer:
            assert answer.status == 200


_NODE = """
const {WebSocket} = require(process.argv[3]);
const socket = new WebSocket(process.argv[1], {ca: require('fs').readFileSync(process.argv[2])});
const text = 'x'.repeat(1 << 20);
let heard = 0;
socket.onmessage = ({data}) => {
  const message = JSON.parse(data);
  if (message.type === 'welcome') return socket.send(text);
  heard = message.message === text;
  socket.close(4000, 'bye');
};
socket.onclose = ({code, reason}) => console.log(JSON.stringify([heard, code, reason]));
socket.onerror = ({message}) => console.log(message);
"""


def test_ws_of_npm(cluster):
    done = subprocess.run(["node", "-e", _NODE, cluster.ws_url("/websocket/npm"), client_tls.everybody().file, "ws"],
                          capture_output=True, text=True, env={**os.environ, "NODE_PATH": "/usr/share/nodejs"},
                          timeout=WAIT, check=False)
    assert json.loads(done.stdout) == [True, 4000, "bye"], done


def test_curl_gets_pages_and_speaks_http11(cluster):
    def curl(*words):
        return subprocess.run(["curl", "-sS", "--cacert", client_tls.everybody().file, *words], capture_output=True,
                              text=True, timeout=WAIT, check=False)
    for path, words in (("/health", '"status":"ok"'), ("/", "<html")):
        done = curl("-w", "%{http_version}", cluster.http_url + path)
        assert words in done.stdout.lower() and done.stdout.endswith("1.1"), done


async def test_closes_by_either_side(cluster):
    for code in (1000, 3000, 4999):
        async with echo(cluster.ws_url("/websocket/closes")) as client:
            await client.close(code, "bye")
            assert client.protocol.close_code == code
    async with connect(cluster.ws_url("/websocket/closes")) as client:
        await client.send("x" * (9 * MIB))
        assert (await client.closed())[0] == 1009


# --- How bytes come and go.

def test_a_hello_in_segments_of_a_byte(cluster):
    ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = client_tls.client_context().wrap_bio(theirs, ours, server_hostname="localhost")
    with contextlib.closing(tcp(cluster)) as connection:
        while True:
            try:
                session.do_handshake()
                break
            except ssl.SSLWantReadError:
                for byte in ours.read():
                    connection.sendall(bytes([byte]))
                theirs.write(connection.recv(65536))
        session.write(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        for byte in ours.read():
            connection.sendall(bytes([byte]))
        theirs.write(ends(connection))
        assert session.read(65536).startswith(b"HTTP/1.1 200")


def test_a_request_longer_than_a_read_in_one_record(cluster):
    with contextlib.closing(tls(cluster)) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 15_000 + b"\r\n\r\n")
        assert ends(connection).startswith(b"HTTP/1.1 200")


def test_what_follows_the_request_in_its_record_is_heard(cluster):
    head = (b"GET /websocket/early HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    with contextlib.closing(tls(cluster)) as connection:
        connection.sendall(head + b"\x81\x85\0\0\0\0early")
        said = b""
        while b'"early"' not in said:
            block = connection.recv(65536)
            assert block, said
            said += block


async def test_a_slow_reader_gets_all_of_it_in_order(cluster):
    connection = tcp(cluster)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection = client_tls.client_context().wrap_socket(connection, server_hostname="localhost")
    with contextlib.closing(upgrade(connection, "/websocket/slow")) as reading:
        frames = FrameReader(reading)
        frames.next()
        texts = [f"{number}:" + "x" * 100_000 for number in range(40)]

        def say():
            for text in texts:
                payload = text.encode()
                reading.sendall(b"\x81\xff" + len(payload).to_bytes(8, "big") + b"\0\0\0\0" + payload)
        await asyncio.to_thread(say)
        await asyncio.sleep(0)
        for text in texts:
            assert json.loads((await asyncio.to_thread(frames.next))[2])["message"] == text


# --- What is not TLS, or not finished.

def test_plain_http_is_told_so_at_once(cluster):
    for said in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x80garbage", b"SSH-2.0-x\r\n"):
        with contextlib.closing(tcp(cluster)) as connection:
            connection.sendall(said)
            answer = ends(connection)
            assert answer.startswith(b"HTTP/1.1 400") and b"This port speaks TLS" in answer, answer


def test_tls_at_the_plain_port_is_told_so_at_once(cluster):
    with contextlib.closing(socket.create_connection(("127.0.0.1", cluster.plain_port()), timeout=WAIT)) as connection:
        with pytest.raises(ssl.SSLError):
            client_tls.client_context().wrap_socket(connection, server_hostname="localhost")
    with contextlib.closing(socket.create_connection(("127.0.0.1", cluster.plain_port()), timeout=WAIT)) as connection:
        assert request(connection).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("garbage", [b"\x16" * 100, b"\x16\x03\x01\x02\0" + b"\xff" * 600, b"\x16\x03\x01\xff\xff" + b"x" * 70_000])
def test_garbage_that_begins_like_tls_is_refused_at_once(cluster, garbage):
    with contextlib.closing(tcp(cluster)) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(garbage)
        answer = ends(connection)
        assert answer == b"" or answer[0] == 0x15, answer  # an alert


def test_only_http2_is_refused(cluster):
    said = openssl(cluster, "-alpn", "h2")
    assert "no application protocol" in said, said
    assert "ALPN protocol: http/1.1" in openssl(cluster, "-alpn", "h2,http/1.1")
    assert "No ALPN negotiated" in openssl(cluster)


def test_old_versions_and_weak_ciphers_are_refused(cluster):
    for words in (["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"], ["-tls1_2", "-cipher", "AES128-SHA:@SECLEVEL=0"],
                  ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA256"]):
        assert "Cipher is (NONE)" in openssl(cluster, *words), words
    assert "Secure Renegotiation IS NOT" not in openssl(cluster, "-tls1_2")
    assert "Early data was not sent" in openssl(cluster)
    assert "HTTP/1.1 200" in openssl(cluster, "-tls1_2")


def test_a_client_cannot_renegotiate(cluster):
    process = subprocess.Popen(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{cluster.port()}", "-tls1_2"], stdin=subprocess.PIPE,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = process.communicate(b"R\n", timeout=WAIT)
    assert b"RENEGOTIATING" in said and b"no renegotiation" in said, said


async def test_a_thousand_silent_connections_cost_nobody_anything():
    with Cluster(options={**OPTIONS, "handshake-timeout": "2s"}, tls={}) as cluster:
        silent = [tcp(cluster) for _ in range(1_000)]
        for connection in silent[::2]:
            connection.sendall(b"\x16\x03\x01\x02\0\x01")  # a hello that does not go on
        async with echo(cluster.ws_url("/websocket/beside")) as client:
            assert (await client.ask("still served"))["message"] == "still served"
        for connection in silent:
            assert await asyncio.to_thread(ends, connection) == b""
            connection.close()
        assert cluster.metrics(cluster.gateways[0])["dormouse_handshake_timeouts_total"] == 1_000


async def test_a_storm_of_handshakes_stops_nobody(cluster):
    context = client_tls.client_context()
    hello, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(theirs, hello, server_hostname="localhost").do_handshake()
    said = hello.read()
    async with echo(cluster.ws_url("/websocket/beside")) as client:
        storm = [tcp(cluster) for _ in range(500)]
        for connection in storm:
            connection.sendall(said)
        answered = 0
        while select_readable(storm) < len(storm):
            assert (await client.ask("x"))["message"] == "x"
            answered += 1
        for connection in storm:
            connection.close()
        assert answered > 1  # between the handshakes, not behind them


def select_readable(connections):
    poll = select.poll()
    for connection in connections:
        poll.register(connection, select.POLLIN)
    return len(poll.poll(0))


# --- Certificates of clients.

async def test_clients_show_certificates_where_they_are_demanded(tmp_path, authority):
    good = authority.certify("phone", hosts=())
    expired = authority.certify("expired", hosts=(), valid=-client_tls._HOUR / 2)  # pylint: disable=protected-access
    strange = client_tls.Authority(str(tmp_path), "stranger").certify("strange", hosts=())
    with Cluster(options=OPTIONS, tls={"tls-client-ca": authority.file}) as cluster:
        def said_to(certificate):
            with pytest.raises(ssl.SSLError) as refusal:
                with contextlib.closing(tls(cluster, client_tls.everybody().context(certificate))) as connection:
                    request(connection)
                    connection.recv(1)
            return str(refusal.value)
        log = cluster.gateways[0].log_text
        assert "CERTIFICATE_REQUIRED" in said_to(None).replace(" ", "_").upper()
        await until(lambda: "did not return a certificate" in log(), "the gateway says why")
        assert "UNKNOWN_CA" in said_to(strange).replace(" ", "_").upper()
        await until(lambda: "unable to get local issuer certificate" in log(), "the gateway says why")
        assert "CERTIFICATE_EXPIRED" in said_to(expired).replace(" ", "_").upper()
        await until(lambda: "certificate has expired" in log(), "the gateway says why")
        metrics = cluster.metrics(cluster.gateways[0])
        assert (metrics["dormouse_tls_failures_total"], metrics["dormouse_tls_handshakes_total"]) == (3, 0)
        context = client_tls.everybody().context(good)
        async with connect(cluster.ws_url("/websocket/known"), ssl=context) as client:
            assert (await client.recv())["type"] == "welcome"
        # A ticket would let somebody in without a look at the certificate.
        assert "Reused" not in openssl(cluster, "-cert", good[0], "-key", good[1], "-reconnect", "-tls1_2")


# --- Certificates that change.

def serial(cluster):
    with contextlib.closing(tls(cluster)) as connection:
        return connection.getpeercert()["serialNumber"]


async def test_a_new_certificate_is_shown_and_no_socket_closes():
    count = 1_000
    authority = client_tls.everybody()
    files = authority.certify("changing")
    certificate, key = files
    with Cluster(options=OPTIONS, tls={"tls-cert": certificate, "tls-key": key}) as cluster:
        gateway = cluster.gateways[0]
        first = serial(cluster)
        sockets = []
        for _ in range(count):
            sockets.append(upgrade(tls(cluster), "/websocket/many"))
        frames = [FrameReader(connection) for connection in sockets]
        for reader in frames:
            reader.next()
        authority.certify("changing")
        await until(lambda: serial(cluster) != first, "the new certificate is shown")
        second = serial(cluster)
        assert "the certificate of tls-cert was read again" in gateway.log_text()

        # A bad one is refused, and said so.
        with open(certificate, "w", encoding="ascii") as file:
            file.write("nonsense")
        gateway.send_signal(signal.SIGHUP)
        await until(lambda: "holds no certificate in PEM; what was read before stays in force" in gateway.log_text(),
                    "it is said that the certificate is bad")
        assert serial(cluster) == second
        authority.certify("changing", valid=-client_tls._HOUR / 2)  # pylint: disable=protected-access
        gateway.send_signal(signal.SIGHUP)
        await until(lambda: "expired at" in gateway.log_text(), "it is said that the certificate has expired")
        assert serial(cluster) == second

        assert cluster.metrics(gateway)["dormouse_connections"] == count
        for connection, reader in zip(sockets, frames):
            connection.sendall(b"\x81\x85\0\0\0\0hello")
            assert json.loads(reader.next()[2])["message"] == "hello"
            connection.close()


def test_what_cannot_be_used_refuses_the_start(tmp_path, authority):
    certificate, key = authority.certify("one")
    _, other_key = authority.certify("two")
    _expired, _ = authority.certify("old", valid=-client_tls._HOUR / 2)  # pylint: disable=protected-access
    old_key = _expired[:-3] + "key"
    with Cluster(start=False) as cluster:
        gateway = [os.path.join(BIN, "dormouse-gateway"), "--data", str(tmp_path), "--listen", "127.0.0.1:0", "--admin",
                   "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"]
        for words, said in (
                (["--tls-cert", certificate], "belong together"),
                (["--tls-client-ca", authority.file], "--tls-client-ca needs --tls-cert"),
                (["--tls-cert", certificate, "--tls-key", other_key], "does not belong to the certificate"),
                (["--tls-cert", certificate, "--tls-key", "/nowhere"], "--tls-key: /nowhere"),
                (["--tls-cert", _expired, "--tls-key", old_key], "expired at"),
                (["--tls-cert", key, "--tls-key", key], "holds no certificate in PEM"),
                (["--listen", "", "--tls-listen", ""], "nobody could come in"),
                ([], "--tls-listen needs --tls-cert")):
            status, text = cluster.run_to_end([*gateway, *words])
            assert status != 0 and said in text, (words, text)


# --- Tickets.

def ticket_is_taken(cluster, file, *words, gateway=0):
    return "Reused, TLS" in openssl(cluster, "-sess_in", file, *words, gateway=gateway)


def test_a_ticket_resumes_a_session(tmp_path):
    with Cluster(gateways=2, options=OPTIONS, tls={}) as cluster:
        for version in ("-tls1_3", "-tls1_2"):
            file = str(tmp_path / version)
            assert "New, TLS" in openssl(cluster, "-sess_out", file, version)
            assert ticket_is_taken(cluster, file, version)
            # Of TLS 1.3 also by another gateway of the cluster, which has its secret.
            openssl(cluster, "-sess_out", file, version)
            assert ticket_is_taken(cluster, file, version, gateway=1) == (version == "-tls1_3" and not by_certificates())
        assert openssl(cluster, "-reconnect", "-tls1_2").count("Reused, TLSv1.2") == 5
        assert cluster.metrics(cluster.gateways[0])["dormouse_tls_resumptions_total"] >= 7


def by_certificates():
    return os.environ.get("DORMOUSE_TEST_TRUST") == "tls"


# --- Ways to it.

def test_behind_a_proxy_that_says_who_the_client_is():
    options = {**OPTIONS, "trusted-proxies": "127.0.0.1", "proxy-protocol": "true", "max-connections-per-address": "1"}
    with Cluster(options=options, tls={}) as cluster:
        def proxied(client):
            connection = tcp(cluster)
            connection.sendall(f"PROXY TCP4 {client} 127.0.0.1 1234 443\r\n".encode())
            return connection
        context = client_tls.client_context()
        one = context.wrap_socket(proxied("192.0.2.1"), server_hostname="localhost")
        upgrade(one, "/websocket/proxied")
        other = context.wrap_socket(proxied("192.0.2.2"), server_hostname="localhost")
        upgrade(other, "/websocket/proxied")
        # One too many of the first address: told in TLS's own words, before a handshake.
        with pytest.raises(ssl.SSLError, match="(?i)access.denied"):
            context.wrap_socket(proxied("192.0.2.1"), server_hostname="localhost")
        with contextlib.closing(tcp(cluster)) as connection:
            connection.sendall(b"\x16\x03\x01\x02\0")
            assert ends(connection) == b""  # it does not begin as the proxy has to
        one.close()
        other.close()


async def test_tls_may_be_the_only_way():
    with Cluster(options=OPTIONS, tls={}, start=False) as cluster:
        command = cluster.gateways[0].command
        command[command.index("--listen") + 1] = ""
        cluster.start()
        async with echo(cluster.ws_url("/websocket/alone")) as client:
            assert (await client.ask("x"))["message"] == "x"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", cluster.plain_port()), timeout=WAIT)
        said = cluster.gateways[0].log_text()
        assert re.search(rf"listening on port {cluster.port()} for TLS, admin", said), said


async def test_a_gateway_that_stops_says_so_to_all():
    with Cluster(options=OPTIONS, tls={}) as cluster:
        async with echo(cluster.ws_url("/websocket/drained")) as client:
            cluster.gateways[0].send_signal(signal.SIGTERM)
            assert (await client.closed())[0] == 1001
            wait_until(lambda: not cluster.gateways[0].running(), "it has stopped")
            cluster.gateways[0].await_end()


# --- Nothing acknowledged is lost.

async def test_nothing_is_lost_over_tls(store):
    """A path falls silent, with TLS through it: what was written to it comes again, once, in order."""
    with Cluster(store=store, options={"hibernate-after": "300ms", "rate-limit": "0"}, tls={}) as cluster:
        async with Phone(cluster, "/ws/tunnel") as phone, actor(cluster.ws_url("/ws/tunnel"), "test/sender") as sender:
            await send(sender, range(3))
            assert await phone.take(3) == [0, 1, 2]
            for first in (10, 20, 30):
                phone.path.silence()
                await send(sender, range(first, first + 5))
                connected = await phone.come_back()
                assert (connected["resumed"], connected["missed"]) == (True, 0)
                assert await phone.take(5) == list(range(first, first + 5))
            await nothing_more(phone, sender)


async def test_what_a_broken_path_had_not_brought_comes_again_once():
    """The path is cut in the midst of much: half a record here, whole ones in the kernel, others in the queue."""
    options = {"hibernate-after": "1h", "rate-limit": "0", "resume-messages": "1000", "resume-bytes": "8MiB",
               "max-output": "64MiB", "max-changes": "64MiB"}
    with Cluster(options=options, tls={}) as cluster:
        url = cluster.ws_url("/ws/cut")
        async with actor(url, "test/sender") as sender, connect(url) as opened:
            phone = Actor(opened.protocol, "test/phone")
            session = await phone.must("hub:connect", {"version": "1.0"})
            await phone.register()
            opened.protocol.transport.pause_reading()  # the window fills
            count = 60
            for number in range(count):
                await sender.must("hub:send", {"to": "test/phone", "type": "number",
                                               "data": [number, "x" * 20_000]})
            opened.protocol.transport.abort()
            async with connect(url) as again:
                phone = Actor(again.protocol, "test/phone")
                connected = await phone.must("hub:connect", {"version": "1.0", "resumeToken": session["resumeToken"]})
                assert (connected["resumed"], connected["missed"]) == (True, 0)
                assert [(await phone.next())["payload"][0] for _ in range(count)] == list(range(count))
                await sender.must("hub:send", {"to": "test/phone", "type": "number", "data": ["last"]})
                assert (await phone.next())["payload"] == ["last"]


# --- The libraries.

async def test_the_python_client(cluster):
    url = cluster.ws_url("/ws/python")
    async with dormouse.Client(url, actor="test/anna", ssl=client_tls.client_context()) as client:
        await client.register()
        assert client.session_id
    for context in (None, client_tls.Authority(cluster.directory, "nobody").context()):
        with pytest.raises(dormouse.ConnectError, match="bad certificate of") as refusal:
            await dormouse.open_socket(url, tls=context)
        assert not refusal.value.retryable
    with pytest.raises(dormouse.ConnectError, match="no TLS with .*: wrong version number"):
        await dormouse.open_socket(f"wss://127.0.0.1:{cluster.plain_port()}/ws/python")


_JS = """
import {createRequire} from 'node:module';
const WebSocket = createRequire(import.meta.url)('ws');
const {DormouseClient} = await import(process.argv[1]);
const client = new DormouseClient(process.argv[2], {actor: 'test/bert', WebSocket});
await client.connect();
await client.register();
console.log('registered');
await client.disconnect();
"""


def test_the_javascript_client(cluster):
    done = subprocess.run(
        ["node", "--input-type=module", "-e", _JS, os.path.join(REPOSITORY, "clients", "js", "index.js"),
         cluster.ws_url("/ws/javascript")], capture_output=True, text=True, timeout=WAIT, check=False,
        env={**os.environ, "NODE_EXTRA_CA_CERTS": client_tls.everybody().file, "NODE_PATH": "/usr/share/nodejs"})
    assert done.stdout == "registered\n", done


def test_dormouse_load(cluster):
    command = [os.path.join(BIN, "dormouse-load"), "echo", "--url", cluster.ws_url(""), "--connections", "8", "--duration", "0.3"]
    for words, status in ((["--ca", client_tls.everybody().file], 0), (["--insecure"], 0), ([], 1)):
        done = subprocess.run([*command, *words], capture_output=True, text=True, timeout=WAIT, check=False)
        assert (done.returncode == 0) == (status == 0), done
