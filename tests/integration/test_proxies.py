"""HAProxy, as an operator would put it before gateways: who the client is, and whether the gateway is up."""

import contextlib
import http.client
import os
import signal
import socket
import ssl

import client_tls
import pytest
import trust as trusts
from attack import ends, raw_client
from backends import ApiCluster
from cluster import REPOSITORY, Cluster, Process, ports, wait_until
from process import http_get
from ws import connect, upgrade_status

LIMITED = {"max-connections-per-address": "1", "trusted-proxies": "127.0.0.1"}
WAYS = {"v1": ("mode tcp", "send-proxy"), "v2": ("mode tcp", "send-proxy-v2"),
        "http": ("mode http\n  option forwardfor", "")}


class HAProxy(Process):
    """Before the first gateway of a cluster, at `port`."""

    def __init__(self, cluster, mode, server):
        self.port = ports.choose(None, cluster.directory)
        self.stats = os.path.join(cluster.directory, "haproxy.sock")
        file = os.path.join(cluster.directory, "haproxy.cfg")
        with open(file, "w", encoding="utf-8") as out:
            out.write(f"""
global
  stats socket {self.stats}
defaults
  {mode}
  timeout connect 10s
  timeout client 60s
  timeout server 60s
frontend clients
  bind 127.0.0.1:{self.port}
  default_backend gateways
backend gateways
  option httpchk OPTIONS /health
  server gateway 127.0.0.1:{cluster.port()} check inter 100ms {server}
""")
        super().__init__("haproxy", ["haproxy", "-db", "-f", file], cluster.directory)

    def check(self):
        """(UP or DOWN, what the last check found) of the gateway."""
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as asking:
            asking.connect(self.stats)
            asking.sendall(b"show stat\n")
            names, *rows = asking.makefile().read().lstrip("# ").splitlines()
            for row in rows:
                said = dict(zip(names.split(","), row.split(",")))
                if said.get("svname") == "gateway":
                    return said["status"], said["check_status"]
        return None


@contextlib.contextmanager
def haproxy(cluster, way):
    proxy = HAProxy(cluster, *WAYS[way])
    proxy.start()
    try:
        # A check that has been made, not the state that it begins with.
        wait_until(lambda: proxy.check() == ("UP", "L7OK"), "HAProxy finds the gateway up")
        yield proxy
        assert proxy.running()
    finally:
        proxy.end(signal.SIGKILL)


@pytest.mark.parametrize("way", WAYS)
async def test_clients_behind_haproxy_are_told_apart(way):
    options = {**LIMITED, "proxy-protocol": "false" if way == "http" else "true"}
    with Cluster(options=options) as cluster, haproxy(cluster, way) as proxy:
        def url(name):
            return f"ws://127.0.0.1:{proxy.port}/websocket/{name}"

        first, second = {"local_addr": ("127.0.0.2", 0)}, {"local_addr": ("127.0.0.3", 0)}
        async with connect(url("a"), **first) as one:
            assert await upgrade_status(url("a"), **first) == 429
            async with connect(url("a"), **second) as two:
                for client in (one, two):
                    assert (await client.recv())["type"] == "welcome"
                    assert (await client.ask({"type": "ping"}))["type"] == "pong"


def test_a_proxy_without_the_header_is_closed_and_nobody_else_is_believed():
    header = b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
    request = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"
    with Cluster(options={**LIMITED, "proxy-protocol": "true"}) as cluster:
        def answer(said, address):
            with raw_client(cluster, said, address) as client:
                return ends(client)[:12]

        assert answer(header + request, "127.0.0.1") == b"HTTP/1.1 200"
        assert answer(request, "127.0.0.1") == b""
        assert answer(request, "127.0.0.2") == b"HTTP/1.1 200"
        assert answer(header + request, "127.0.0.3") == b"HTTP/1.1 400"
        assert cluster.metrics(cluster.gateways[0])['dormouse_refusals_total{reason="proxy_header"}'] == 1


def test_the_proxy_protocol_needs_proxies():
    with Cluster(start=False) as cluster:
        code, said = cluster.run_to_end([*cluster.gateways[0].command, "--proxy-protocol", "true"])
        assert code == 2 and "--proxy-protocol needs --trusted-proxies" in said


def test_backends_come_in_as_docker_compose_has_it():
    """deploy/proxy/api.cfg, with the addresses of processes on this machine."""
    with ApiCluster() as cluster:
        certificate, key = client_tls.Authority(cluster.directory).certify("proxy")
        pem = os.path.join(cluster.directory, "proxy-and-key.pem")
        trusts.write(pem, "".join(open(name, encoding="utf-8").read() for name in (certificate, key)))
        port, watched = (ports.choose(None, cluster.directory) for _ in range(2))
        with open(os.path.join(REPOSITORY, "deploy", "proxy", "api.cfg"), encoding="utf-8") as file:
            text = file.read()
        for here, there in {":8444": f"127.0.0.1:{port}", ":8404": f"127.0.0.1:{watched}", "/secrets/proxy.pem": pem,
                            "check port 8081": f"check port {cluster.gateways[0].admin}",
                            "server-template gateway- 32 gateway:8090":
                                f"server gateway 127.0.0.1:{cluster.api_ports[0]}"}.items():
            assert text.count(here) == 1, here
            text = text.replace(here, there)
        own = os.path.join(cluster.directory, "api.cfg")
        trusts.write(own, text)
        proxy = Process("haproxy", ["haproxy", "-db", "-f", own], cluster.directory)
        proxy.start()
        try:
            wait_until(lambda: health(watched) == 200, "HAProxy finds the gateway ready")
            context = ssl.create_default_context(cafile=os.path.join(cluster.directory, "authority.pem"))
            with contextlib.closing(http.client.HTTPSConnection("127.0.0.1", port, context=context, timeout=10)) as calling:
                for key, status in ((cluster.api_key, 200), ("x" * 32, 401)):
                    calling.request("POST", "/api/hubs/echo/lobby/call", '{"hello": "hub"}', {"Authorization": f"Bearer {key}"})
                    answer = calling.getresponse()
                    assert (answer.status, b"hello" in answer.read()) == (status, status == 200)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
                plain.sendall(b"GET /api/hubs HTTP/1.1\r\nHost: x\r\n\r\n")
                assert plain.recv(1) == b"", "what comes without TLS is closed"
            cluster.gateways[0].end(signal.SIGKILL)
            wait_until(lambda: health(watched) == 503, "HAProxy finds no gateway")
        finally:
            proxy.end(signal.SIGKILL)


def health(port):
    try:
        return http_get(port, "/healthz")[0]
    except OSError:
        return 0
