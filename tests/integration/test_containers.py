"""The image is built from a fresh clone, and docker-compose.yml makes a cluster of it, in containers of podman. Where
podman cannot do that this test says why, and does not run. What is no image of ours is made of Debian's packages
(tests/deploy/images).

DORMOUSE_TEST_IMAGE=NAME takes an image that is there already in place of one that is built."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import signal
import ssl
import subprocess

import clone
import documented
import pytest
import websockets
from cluster import BIN, SLOWNESS, http_get, ports, until, wait_until
from process import Process
from trust import Certificates
from ws import WAIT, Client

_DEBIAN = "docker.io/library/debian:bookworm-slim"
_TIERS = {"statekeeper": 3, "gateway": 2}


def _podman(*words):
    """(exit status, all it said) of a command that asks or does something small."""
    done = subprocess.run(["podman", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=120, check=False)
    return done.returncode, done.stdout.strip()


def _why_not():
    """What keeps podman from it here; nothing: it can."""
    for program in ("podman", "podman-compose"):
        if not shutil.which(program):
            return f"{program} is not installed (apt-get install podman podman-compose)"
    if _podman("image", "exists", _DEBIAN)[0] != 0:
        return f"podman has no image to build on, and tests fetch none (podman pull {_DEBIAN}, or tests/deploy/images)"
    status, said = _podman("run", "--rm", _DEBIAN, "true")
    return f"podman runs no containers here: {said.splitlines()[-1:]}" if status else ""


class _Compose:
    """A cluster of the image `image` and a clone's docker-compose.yml, on ports of its own. `environment`: options."""

    def __init__(self, directory, image, environment):
        self.clone = directory
        self.image = image
        self.name = f"dormouse-test-{os.getpid()}"
        self.port, self.prometheus, alertmanager = (
            ports.choose(None, f"{self.name} {what}") for what in ("proxy", "prometheus", "alertmanager"))
        self.environment = {
            **os.environ, "DORMOUSE_IMAGE": image, "PUBLISH_PORT": str(self.port),
            "PROMETHEUS_PORT": str(self.prometheus), "ALERTMANAGER_PORT": str(alertmanager),
            "GATEWAY_DESCRIPTORS": "4096", "PROXY_DESCRIPTORS": "8192",
            "DORMOUSE_DRAIN_WINDOW": "100ms", **environment,
            **{f"{name.upper()}_IMAGE": f"localhost/dormouse-test-{name}"
               for name in ("redis", "haproxy", "prometheus", "alertmanager")}}
        self._trusted = ssl.create_default_context()

    def __call__(self, *words):
        done = subprocess.run(["podman-compose", "-p", self.name, *words], cwd=self.clone, env=self.environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def containers(self, service):
        return [f"{self.name}_{service}_{number}" for number in range(1, _TIERS.get(service, 1) + 1)]

    def inspect(self, container, what):
        status, said = _podman("inspect", "--format", what, container)
        assert status == 0, said
        return said

    def run(self, container, *command):
        """What a command in a container says; fails with it where the command does."""
        status, said = _podman("exec", container, *command)
        assert status == 0, said
        return said

    def kill(self, container):
        os.kill(int(self.inspect(container, "{{.State.Pid}}")), signal.SIGKILL)

    def addresses(self, service):
        """Of its containers, in all networks."""
        return {address for container in self.containers(service) for address in self.inspect(
            container, "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}").split()}

    def is_healthy(self):
        """Whether the health check of each container finds it well."""
        return all(_podman("healthcheck", "run", container)[0] == 0
                   for service in ("redis", "statekeeper", "gateway", "proxy")
                   for container in self.containers(service))

    def reached(self, network, *targets):
        """Those of the targets (HOST/PORT) to which a stranger's container in the network can connect."""
        each_at_once = 'for each; do (timeout 3 bash -c ": </dev/tcp/$each" && echo "$each") & done 2>/dev/null; wait'
        status, said = _podman("run", "--rm", "--network", f"{self.name}_{network}", self.image,
                               "bash", "-c", each_at_once, "bash", *targets)
        assert status == 0, said
        return set(said.split()) & set(targets)

    def trust_the_proxy(self):
        """From now on connections believe the certificate that was made for it, and no other."""
        file = self.run(self.containers("proxy")[0], "cat", "/secrets/proxy.pem")
        certificates = re.search("-----BEGIN CERT.*", file, re.S)
        self._trusted = ssl.create_default_context(cadata=certificates[0])

    @contextlib.asynccontextmanager
    async def echo(self, path):
        """A client of class echo, through the proxy."""
        async with websockets.connect(f"wss://localhost:{self.port}{path}", ssl=self._trusted, ping_interval=None,
                                      open_timeout=WAIT) as protocol:
            client = Client(protocol)
            client.id = (await client.recv())["connectionId"]
            yield client


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    """A clone, and the name of the image that was built from it."""
    if why := _why_not():
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("clone")
    clone.make(directory)
    subprocess.run([directory / "tests" / "deploy" / "images"], check=True)
    if image := os.environ.get("DORMOUSE_TEST_IMAGE"):
        yield directory, image
        return
    image = f"localhost/dormouse-test:{os.getpid()}"
    # The network is for Debian's packages. Without terminal or limit: a compiler is at work, for minutes.
    subprocess.run(["podman", "build", "--isolation=chroot", "--network=host", "-f", "deploy/Dockerfile", "-t", image,
                    "--build-arg", "COMMIT=" + "5d" * 20, "."], cwd=directory, stdin=subprocess.DEVNULL, check=True)
    yield directory, image
    _podman("image", "rm", image)


@contextlib.contextmanager
def _up(directory, image, environment):
    compose = _Compose(directory, image, environment)
    try:
        compose("up", "--detach", "--no-build", "proxy")
        wait_until(compose.is_healthy, "all containers are healthy", timeout=60)
        compose.trust_the_proxy()
        yield compose
    finally:
        compose("stop", "-t", "40")
        compose("down", "--volumes")
        _podman("network", "rm", *(f"{compose.name}_{network}" for network in ("outside", "edge", "link", "store")))


@pytest.fixture(name="compose", scope="module", params=["secret", "tls"])
def _compose(request, built, tmp_path_factory):
    directory, image = built
    environment = {}
    if request.param == "tls":
        environment = documented.environment()
        certificates = Certificates(tmp_path_factory.mktemp("authority"))
        for name in ("ca.pem", *(role + end for role in ("gateway", "statekeeper") for end in (".pem", ".key"))):
            shutil.copyfile(certificates.path(name if name == "ca.pem" else "dormouse-" + name),
                            directory / "deploy" / "secrets" / name)
    with _up(directory, image, environment) as compose:
        yield compose


# How the links are trusted makes no difference.
once = pytest.mark.parametrize("compose", ["secret"], indirect=True)


async def test_cluster_in_containers(compose):
    async with compose.echo("/websocket/room") as one, compose.echo("/websocket/room") as two:
        assert (await one.ask("x"))["connections"] == 2
        for container in compose.containers("statekeeper")[:2]:
            compose.kill(container)
        reply = await two.ask("x", timeout=60)
        assert (reply["connections"], reply["connectionId"]) == (2, two.id)
        await until(compose.is_healthy, "those that were killed are there again", timeout=60)


async def test_operators_see_all_statekeepers(compose):
    def members():
        said = json.loads(compose.run(compose.containers("statekeeper")[0], "dormousectl", "--json", "members"))
        return [member["state"] for member in said["members"]]

    await until(lambda: members() == ["serving"] * 3, "all three serve", timeout=30)
    assert '"hub": "echo/room"' in compose.run(
        compose.containers("statekeeper")[2], "dormousectl", "--json", "hibernate", "echo/room")


async def test_who_reaches_whom_in_containers(compose):
    def at_each_address(service, *numbers):
        """By its name, and by what somebody finds out."""
        return {f"{host}/{number}" for host in (service, *compose.addresses(service)) for number in numbers}

    clients = {"proxy/8443", "proxy/8404"}
    gateways = {"gateway/8080", "gateway/8081"}
    private = at_each_address("statekeeper", 7400, 7401) | at_each_address("redis", 6379)
    everything = clients | at_each_address("gateway", 8080, 8081) | private
    assert compose.reached("outside", *everything) == clients
    assert {each for each in compose.reached("edge", *everything) if each[0].isalpha()} == clients | gateways
    assert not compose.reached("edge", *private)
    assert compose.reached("link", "statekeeper/7400", *at_each_address("redis", 6379)) == {"statekeeper/7400"}


def test_containers_run_as_users_that_see_their_own_secrets(compose):
    encrypted = (compose.clone / "deploy" / "secrets" / "ca.pem").exists()
    links = {"ca.pem", "link.pem", "link.key"} if encrypted else set()
    for service, user, names in (("redis", 999, {"redis-password", "redis.conf"}), ("proxy", 99, {"proxy.pem"}),
                                 ("statekeeper", 10001, {"admin-key", "cluster-secret", "redis-password"}),
                                 ("gateway", 10001, {"cluster-secret"})):
        for container in compose.containers(service):
            assert compose.run(container, "id", "-u") == str(user)
            assert set(compose.run(container, "ls", "/secrets").split()) == names | (
                links if service in ("statekeeper", "gateway") else set())
            assert _podman("exec", container, "touch", "/secrets/x")[0] != 0
            assert _podman("exec", container, "touch", "/usr/x")[0] != 0
            status = compose.run(container, "cat", "/proc/1/status")
            assert re.search(r"^CapEff:\s*0+$", status, re.M) and re.search(r"^NoNewPrivs:\s*1$", status, re.M)


@once
def test_a_full_redis_refuses_writes(compose):
    said = compose.run(compose.containers("redis")[0], "sh", "-c",
                       'REDISCLI_AUTH="$(cat /secrets/redis-password)" redis-cli config get "maxmemory*"').split()
    settings = dict(zip(said[::2], said[1::2]))
    assert settings["maxmemory"] == str(512 << 20) and settings["maxmemory-policy"] == "noeviction"


@once
def test_prometheus_finds_all_containers(compose):
    compose("up", "--detach", "--no-build", "prometheus", "alertmanager")

    def ask(path):
        with contextlib.suppress(OSError):
            status, body, _ = http_get(compose.prometheus, path)
            return json.loads(body)["data"] if status == 200 else None
        return None

    def up():
        found = ask("/api/v1/query?query=up") or {"result": ()}
        return sorted(each["metric"]["job"] for each in found["result"] if each["value"][1] == "1")

    wait_until(lambda: up() == ["dormouse-gateway"] * 2 + ["dormouse-proxy"] + ["dormouse-statekeeper"] * 3,
               "each is asked once", timeout=60)
    assert len(ask("/api/v1/rules")["groups"]) > 3
    wait_until(lambda: ask("/api/v1/alertmanagers")["activeAlertmanagers"], "Alertmanager is found", timeout=30)


@pytest.fixture(name="rolled", scope="module")
def _rolled(compose, tmp_path_factory):
    """(what dormouse-load found out meanwhile, what came before and after) of a rolling update of all statekeepers."""
    directory = tmp_path_factory.mktemp("roll")
    load = Process("load", [os.path.join(BIN, "dormouse-load"), "day", "--connections", "50", "--hubs", "20",
                            "--rate", "20", "--duration", "900", "--sources", "0", "--insecure",
                            "--url", f"wss://127.0.0.1:{compose.port}"], directory)
    load.start()
    wait_until(lambda: "ready" in load.log_text(), "the load has begun", timeout=60)
    names = compose.containers("statekeeper")
    before = [compose.inspect(name, "{{.Id}}") for name in names]
    done = subprocess.run([compose.clone / "deploy" / "roll", "--project", compose.name, "statekeeper"],
                          env=compose.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    status = load.end(signal.SIGINT, timeout=60)
    assert done.returncode == 0, done.stdout
    return status, load.log_text(), before, [compose.inspect(name, "{{.Id}}") for name in names]


@once
def test_rolling_update_of_statekeepers_closes_no_socket(rolled):
    status, said, before, after = rolled
    assert status == 0, said
    assert re.search(r"^ *lost +0 sockets$", said, re.M), said
    assert not set(before) & set(after)


@once
async def test_each_service_can_be_replaced(compose):
    """By deploy/roll: those whose clients notice, too."""
    services = ("gateway", "proxy", "redis")
    names = [name for service in services for name in compose.containers(service)]
    before = {compose.inspect(name, "{{.Id}}") for name in names}
    async with compose.echo("/websocket/roll") as one:
        connections = (await one.ask("x"))["connections"]
    process = await asyncio.create_subprocess_exec(
        compose.clone / "deploy" / "roll", "--project", compose.name, *services, env=compose.environment,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said, _ = await asyncio.wait_for(process.communicate(), 110 * SLOWNESS)
    assert process.returncode == 0, said
    assert not before & {compose.inspect(name, "{{.Id}}") for name in names}
    assert not _podman("ps", "--all", "--quiet", "--filter", f"name={compose.name}.*-old")[1]
    async with compose.echo("/websocket/roll") as one:
        assert (await one.ask("x"))["connections"] == connections


def test_image_says_what_it_is(built):
    _, image = built
    labels = json.loads(_podman("inspect", "--format", "{{json .Config.Labels}}", image)[1])
    if os.environ.get("DORMOUSE_TEST_IMAGE") is None:
        assert labels["org.opencontainers.image.revision"] == "5d" * 20
    said = {program: _podman("run", "--rm", image, program, "--version")[1].rpartition("dormouse-load ")[2]
            for program in ("dormouse-gateway", "dormouse-statekeeper", "dormousectl", "dormouse-load")}
    (version,) = set(said.values())
    commit = labels["org.opencontainers.image.revision"][:12]
    assert version == labels["org.opencontainers.image.version"] + (f" (commit {commit})" if commit else "")

    bill = json.loads(_podman("run", "--rm", image, "cat", "/usr/local/share/dormouse/sbom.cdx.json")[1])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.5")
    assert len({each["bom-ref"] for each in bill["components"]}) == len(bill["components"])
    listed = {each["name"]: each for each in bill["components"] if each["type"] == "application"}
    assert listed.keys() == said.keys()
    hashes = _podman("run", "--rm", image, "sha256sum", *(f"/usr/local/bin/{name}" for name in listed))[1].splitlines()
    assert {listed[os.path.basename(line.split()[1])]["hashes"][0]["content"] for line in hashes} == {
        line.split()[0] for line in hashes}
    packages = {(each["name"], each["version"]) for each in bill["components"]
                if each.get("properties", [{}])[0].get("value") == "installed"}
    assert packages == {tuple(line.split()) for line in _podman(
        "run", "--rm", image, "dpkg-query", "-W", "-f", "${Package} ${Version}\\n")[1].splitlines()}
    assert "rapidjson-dev" in {each["name"] for each in bill["components"]} - {name for name, _ in packages}
