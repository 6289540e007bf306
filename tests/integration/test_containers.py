"""The image is built from a fresh clone, and docker-compose.yml makes a cluster of it, in containers of podman. Where
podman cannot do that this test says why, and does not run."""

import contextlib
import os
import shutil
import signal
import subprocess

import clone
import documented
import pytest
from cluster import http_get, ports, until
from trust import Certificates
from ws import echo

_DEBIAN = "docker.io/library/debian:bookworm-slim"
_IMAGES = (_DEBIAN, "docker.io/library/redis:7")


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
    for image in _IMAGES:
        if _podman("image", "exists", image)[0] != 0:
            return f"podman has no image to build on, and tests fetch none (podman pull {image})"
    status, said = _podman("run", "--rm", _DEBIAN, "true")
    return f"podman runs no containers here: {said.splitlines()[-1:]}" if status else ""


class _Compose:
    """A cluster of the image `image` and a clone's docker-compose.yml, on ports of its own. `environment`: options."""

    def __init__(self, directory, image, environment):
        self._clone = directory
        self.image = image
        self.name = f"dormouse-test-{os.getpid()}"
        self.gateways = [ports.choose(None, f"{self.name} gateway {number}") for number in (1, 2)]
        self._environment = {
            **os.environ, "DORMOUSE_IMAGE": image, "GATEWAY_1_PORT": str(self.gateways[0]),
            "GATEWAY_2_PORT": str(self.gateways[1]), "GATEWAY_DESCRIPTORS": "4096", "DORMOUSE_DRAIN_WINDOW": "100ms",
            **environment}

    def __call__(self, *words):
        done = subprocess.run(["podman-compose", "-p", self.name, *words], cwd=self._clone, env=self._environment,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              check=False)
        assert done.returncode == 0, done.stdout[-4000:]
        return done.stdout

    def _inspect(self, service, what):
        status, said = _podman("inspect", "--format", what, f"{self.name}_{service}_1")
        assert status == 0, said
        return said

    def kill(self, service):
        os.kill(int(self._inspect(service, "{{.State.Pid}}")), signal.SIGKILL)

    def addresses(self, service):
        """By network."""
        networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}}={{$it.IPAddress}} {{end}}"
        return {name.removeprefix(f"{self.name}_"): address
                for name, address in (each.split("=") for each in self._inspect(service, networks).split())}

    def is_ready(self, service, port):
        """What the container's health check asks."""
        return _podman("exec", f"{self.name}_{service}_1", "wget", "-q", "-O-", "-T2", "-t1",
                       f"http://127.0.0.1:{port}/readyz") == (0, "ready")

    def reached(self, network, *targets):
        """Those of the targets (HOST/PORT) to which a stranger's container in the network can connect."""
        each_at_once = 'for each; do (timeout 3 bash -c ": </dev/tcp/$each" && echo "$each") & done 2>/dev/null; wait'
        status, said = _podman("run", "--rm", "--network", f"{self.name}_{network}", self.image,
                               "bash", "-c", each_at_once, "bash", *targets)
        assert status == 0, said
        return set(said.split()) & set(targets)

    def is_up(self):
        with contextlib.suppress(OSError):
            return all(http_get(port, "/health")[0] == 200 for port in self.gateways)
        return False


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    """A clone, with its secrets, and the name of the image that was built from it."""
    if why := _why_not():
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("clone")
    image = f"localhost/dormouse-test:{os.getpid()}"
    clone.make(directory)
    subprocess.run([directory / "deploy" / "make-secrets"], check=True)
    # The network is for Debian's packages. Without terminal or limit: a compiler is at work, for minutes.
    subprocess.run(["podman", "build", "--isolation=chroot", "--network=host", "-f", "deploy/Dockerfile", "-t", image, "."],
                   cwd=directory, stdin=subprocess.DEVNULL, check=True)
    yield directory, image
    _podman("image", "rm", image)


@pytest.fixture(name="compose", scope="module", params=["secret", "tls"])
def _compose(request, built, tmp_path_factory):
    directory, image = built
    environment = {}
    if request.param == "tls":
        environment = documented.environment()
        (directory / "docker-compose.override.yml").write_text(documented.overrides()[0], encoding="utf-8")
        certificates = Certificates(tmp_path_factory.mktemp("authority"))
        for name in ("ca.pem", *(role + end for role in ("gateway", "statekeeper") for end in (".pem", ".key"))):
            mounted = directory / "deploy" / "secrets" / name
            shutil.copyfile(certificates.path(name if name == "ca.pem" else "dormouse-" + name), mounted)
            mounted.chmod(0o644)
    compose = _Compose(directory, image, environment)
    try:
        compose("up", "--detach", "--no-build")
        yield compose
    finally:
        compose("stop", "-t", "40")
        compose("down", "--volumes")
        _podman("network", "rm", *(f"{compose.name}_{network}" for network in ("edge", "link", "store")))


async def test_cluster_in_containers(compose):
    await until(compose.is_up, "both gateways have reached the statekeeper", timeout=60)
    for service, port in (("statekeeper", 7401), ("gateway-1", 8081), ("gateway-2", 8081)):
        assert compose.is_ready(service, port)
    first, second = (f"ws://127.0.0.1:{port}/websocket/room" for port in compose.gateways)
    async with echo(first) as one, echo(second) as two:
        assert (await one.ask("x"))["connections"] == 2
        compose.kill("statekeeper")
        reply = await two.ask("x", timeout=60)
        assert (reply["connections"], reply["connectionId"]) == (2, two.id)


async def test_who_reaches_whom_in_containers(compose):
    await until(compose.is_up, "both gateways have reached the statekeeper", timeout=60)

    def at_each_address(service, port):
        """By its name, and by what somebody finds out."""
        return {f"{host}/{port}" for host in (service, *compose.addresses(service).values())}

    clients = {"gateway-1/8080", "gateway-2/8080"}
    private = at_each_address("statekeeper", 7400) | at_each_address("statekeeper", 7401) | at_each_address("redis", 6379)
    assert compose.reached("edge", *clients, *private) == clients
    assert compose.reached("link", "statekeeper/7400", *at_each_address("redis", 6379)) == {"statekeeper/7400"}
