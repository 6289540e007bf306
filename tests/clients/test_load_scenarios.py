"""Each scenario of dormouse-load, small, on a real cluster; what it says of itself; and that its documentation is true."""

import json
import os
import re
import ssl
import subprocess

import pytest
import tokens
import websockets
from cluster import BIN, REPOSITORY, SLOWNESS, Cluster
from test_load_faults import NOTHING, load

SCENARIOS = ("echo", "idle", "wake", "fanout", "mesh", "connect", "storm", "day")


@pytest.fixture(scope="module")
def cluster():
    with Cluster(gateways=2, options={"rate-limit": "0", "hibernate-after": "300ms"}) as running:
        yield running


async def run(cluster, directory, scenario, *words, status=0):
    """What a scenario finds."""
    urls = ",".join(cluster.ws_url("", gateway) for gateway in range(len(cluster.gateways)))
    watch = [word for process in (cluster.statekeeper, *cluster.gateways)
             for word in ("--watch", f"{process.name}={process.pid}")]
    ended, said, report = await load(directory, scenario, "--url", urls, *watch, "--timeout", str(15 * SLOWNESS), *words)
    assert ended == status, said
    if status == 0:
        assert report["faults"] == NOTHING
        assert said.rstrip().endswith("all as it should be")
    return report


def figure(report, name):
    return report["figures"][name]["value"]


@pytest.mark.parametrize("words", [("--in-flight", "4"), ("--rate", "400"), ("--class", "signal"),
                                   ("--threads", "2", "--processes", "2")],
                         ids=["closed", "open", "signal", "many workers"])
async def test_echo(cluster, tmp_path, words):
    report = await run(cluster, tmp_path, "echo", "--connections", "16", "--duration", "1", "--warm-up", "0.2", *words)
    replies = figure(report, "replies")
    assert replies > 100
    assert figure(report, "rate") == pytest.approx(replies / (report["measured"][1] - report["measured"][0]), rel=0.01)
    latency = report["distributions"]["latency"]
    assert 0 < latency["p50_ms"] <= latency["p99.99_ms"] <= latency["max_ms"]
    # The measurement's two ends are not in one instant with all workers.
    assert latency["count"] == pytest.approx(replies, rel=0.1)
    for process in ("statekeeper", "gateway-0", "gateway-1", "driver"):
        assert figure(report, f"cpu.{process}") > 0
        assert all(sample["processes"][process]["mebibytes"] > 1 for sample in report["samples"])


async def test_an_open_loop_keeps_its_rate(cluster, tmp_path):
    report = await run(cluster, tmp_path, "echo", "--connections", "40", "--rate", "300", "--duration", "2", "--warm-up",
                       "0.2", "--processes", "2")
    assert figure(report, "rate") == pytest.approx(300, rel=0.1)


@pytest.mark.parametrize("words", [("--heartbeat", "0.5"), ("--heartbeat", "0", "--verify", "message"),
                                   ("--class", "signal", "--heartbeat", "0.5")],
                         ids=["heartbeats", "none", "signal"])
async def test_idle(cluster, tmp_path, words):
    report = await run(cluster, tmp_path, "idle", "--connections", "200", "--duration", "1", *words)
    assert figure(report, "verified") == 200
    if "0.5" in words:
        assert figure(report, "heartbeats") == pytest.approx(400, rel=0.15)


async def test_idle_sleeps(cluster, tmp_path):
    report = await run(cluster, tmp_path, "idle", "--connections", "100", "--duration", "0.2", "--metrics",
                       f"127.0.0.1:{cluster.admin_statekeeper}")
    assert {"awake.memory.statekeeper", "memory.statekeeper"} <= report["figures"].keys()


@pytest.mark.parametrize("words", [(), ("--per-hub", "3"), ("--class", "signal", "--threads", "2")],
                         ids=["echo", "three a hub", "signal"])
async def test_wake(cluster, tmp_path, words):
    before = cluster.hub_wakes()
    report = await run(cluster, tmp_path, "wake", "--hubs", "20", "--rounds", "2", "--metrics",
                       f"127.0.0.1:{cluster.admin_statekeeper}", *words)
    assert figure(report, "wakes") == 40
    assert report["distributions"]["awake"]["count"] == 40
    # That is the first of both requests, not the second.
    assert cluster.hub_wakes() - before >= 40


@pytest.mark.parametrize("words", [("--rate", "20"), ("--rate", "0", "--processes", "3")], ids=["paced", "in a row"])
async def test_fanout(cluster, tmp_path, words):
    report = await run(cluster, tmp_path, "fanout", "--connections", "50", "--duration", "1", *words)
    publications = figure(report, "publications")
    assert publications >= 10
    counts = {name: distribution["count"] for name, distribution in report["distributions"].items()}
    assert counts == {"delivery": 50 * publications, "last delivery": publications, "receipt": publications}
    assert report["distributions"]["delivery"]["max_ms"] == report["distributions"]["last delivery"]["max_ms"]


@pytest.mark.parametrize("words", [("--ask", "0"), ("--ask", "1"), ("--rate", "200", "--processes", "2")],
                         ids=["tell", "ask", "paced"])
async def test_mesh(cluster, tmp_path, words):
    report = await run(cluster, tmp_path, "mesh", "--hubs", "4", "--per-hub", "4", "--duration", "1", "--warm-up", "0.2",
                       *words)
    arrivals, receipts = (report["distributions"][name]["count"] for name in ("arrival", "receipt"))
    assert arrivals > 100
    assert (receipts > 0) == (words[1] != "0")
    if words[1] == "1":
        assert receipts == pytest.approx(arrivals, rel=0.1)


async def test_connect(cluster, tmp_path):
    report = await run(cluster, tmp_path, "connect", "--connections", "8", "--duration", "1", "--warm-up", "0.1")
    assert figure(report, "greeted") > 20
    assert report["distributions"]["greeting"]["count"] == pytest.approx(figure(report, "greeted"), rel=0.1)


@pytest.mark.parametrize("words, resumed", [((), 0), (("--resume", "--processes", "2"), 200), (("--class", "echo"), 0)],
                         ids=["anew", "resumed", "echo"])
async def test_storm(cluster, tmp_path, words, resumed):
    report = await run(cluster, tmp_path, "storm", "--connections", "100", "--hubs", "10", "--rounds", "2", *words)
    assert (figure(report, "lost"), figure(report, "resumed"), figure(report, "verified")) == (200, resumed, 100)
    assert report["distributions"]["return"]["count"] == 200
    # Nobody comes back at once.
    assert report["distributions"]["return"]["p50_ms"] > 75


async def test_a_storm_of_a_killed_gateway(tmp_path):
    with Cluster(gateways=2, options={"rate-limit": "0"}) as cluster:
        urls = [cluster.ws_url("", gateway) for gateway in range(2)]
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(BIN, "dormouse-load"), "storm", "--url", ",".join(urls), "--connections", "40", "--hubs", "4",
             "--lost-by", "server", "--resume", "--json", str(tmp_path / "found.json")],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline() == "ready\n"
            cluster.kill_gateway(0)
            cluster.start_gateway(0)
            said, _ = process.communicate(timeout=60 * SLOWNESS)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said
    report = json.loads((tmp_path / "found.json").read_text())
    assert (figure(report, "lost"), figure(report, "verified")) == (20, 40)
    assert report["distributions"]["return"]["count"] == 20


async def test_day(cluster, tmp_path):
    report = await run(cluster, tmp_path, "day", "--connections", "300", "--hubs", "60", "--rate", "100", "--wakes", "10",
                       "--joins", "10", "--heartbeat", "1", "--duration", "3", "--processes", "2", "--warm-up", "0.5")
    counts = {name: distribution["count"] for name, distribution in report["distributions"].items()}
    assert counts["talk"] == pytest.approx(300, rel=0.2)
    assert counts["wake"] == pytest.approx(30, rel=0.4)
    assert counts["heartbeat"] == pytest.approx(900, rel=0.2)
    assert counts["join"] > 5
    assert figure(report, "verified") == 300


async def test_a_day_with_a_lost_gateway(tmp_path):
    with Cluster(gateways=2, options={"rate-limit": "0"}) as cluster:
        urls = ",".join(cluster.ws_url("", gateway) for gateway in range(2))
        process = subprocess.Popen(  # pylint: disable=consider-using-with
            [os.path.join(BIN, "dormouse-load"), "day", "--url", urls, "--connections", "60", "--hubs", "10", "--come-back",
             "--rate", "50", "--duration", "4", "--joins", "0", "--json", str(tmp_path / "found.json")],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout.readline() == "ready\n"
            process.stdin.write("mark gateway\n")
            process.stdin.flush()
            cluster.kill_gateway(0)
            cluster.start_gateway(0)
            said, _ = process.communicate(timeout=60 * SLOWNESS)
        finally:
            process.kill()
            process.wait()
    assert process.returncode == 0, said
    report = json.loads((tmp_path / "found.json").read_text())
    assert figure(report, "verified") == 60
    assert "longest after gateway" in report["figures"]


async def test_tokens(tmp_path):
    key = tmp_path / "key"
    key.write_text(tokens.SECRET)
    file = tmp_path / "tokens"
    file.write_text("".join(tokens.signed(actor=f"load/{number}") + "\n" for number in range(8)))
    options = {"rate-limit": "0", "auth-algorithm": "HS256", "auth-key": str(key), "auth-upgrade": "true"}
    with Cluster(options=options) as cluster:
        small = ("--connections", "8", "--duration", "0.3", "--warm-up", "0", "--connect-timeout", "1")
        for words in (("--class", "signal"), ()):
            report = await run(cluster, tmp_path, "echo", *small, *words, "--token-file", str(file))
            assert figure(report, "replies") > 10
        await run(cluster, tmp_path, "echo", *small, status=3)
        everybody = tokens.signed(actor="load/0", actors=["load/*"])
        report = await run(cluster, tmp_path, "echo", *small, "--token", everybody)
        assert everybody not in json.dumps(report)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    directory = tmp_path_factory.mktemp("certificate")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-subj", "/CN=test", "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", directory / "key.pem",
                    "-out", directory / "cert.pem"], check=True, capture_output=True)
    return directory


async def test_tls(tmp_path, certificate):
    async def echo(ws):
        async for text in ws:
            await ws.send(text)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    async with websockets.serve(echo, "127.0.0.1", 0, ssl=context, compression=None) as server:
        port = server.sockets[0].getsockname()[1]
        words = ("echo", "--class", "raw", "--connections", "4", "--in-flight", "3", "--duration", "0.3", "--warm-up", "0",
                 "--size", "20000", "--connect-timeout", "2")
        for trust in (("--ca", str(certificate / "cert.pem")), ("--insecure",)):
            status, said, report = await load(tmp_path, *words, "--url", f"wss://127.0.0.1:{port}", *trust)
            assert status == 0, said
            assert figure(report, "replies") > 10
        status, said, _ = await load(tmp_path, *words, "--url", f"wss://127.0.0.1:{port}")
        assert (status, "self-signed certificate" in said) == (3, True), said
        status, said, _ = await load(tmp_path, *words, "--url", f"wss://localhost:{port}", "--ca",
                                     str(certificate / "cert.pem"))
        assert (status, "hostname mismatch" in said.lower()) == (3, True), said


async def test_the_report_is_a_page(cluster, tmp_path):
    page = tmp_path / "page.html"
    await run(cluster, tmp_path, "echo", "--duration", "1", "--warm-up", "0.2", "--report", str(page))
    text = page.read_text()
    for there in ("<!doctype html>", "Latency by share of all", "Processor", "statekeeper", "gateway-1", "driver"):
        assert there in text
    assert text.count("<svg viewBox") >= 6


def _help(scenario):
    return subprocess.run([os.path.join(BIN, "dormouse-load"), scenario, "--help"], check=True, capture_output=True,
                          text=True).stdout


def _section():
    with open(os.path.join(REPOSITORY, "clients", "README.md"), encoding="utf-8") as file:
        return file.read().partition("\n## dormouse-load\n")[2].partition("\n## ")[0]


def test_every_option_is_documented():
    documented = set(re.findall(r"^\| `(--[\w-]+)", _section(), re.M))
    known = {option for scenario in SCENARIOS for option in re.findall(r"^  (?:-h,)?(--[\w-]+)", _help(scenario), re.M)}
    assert documented == known - {"--help"}


def test_every_scenario_is_documented():
    for scenario in SCENARIOS:
        assert f"    $ dormouse-load {scenario}" in _section(), scenario
