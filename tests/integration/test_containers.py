"""The image is built from a fresh clone, and docker-compose.yml makes a cluster of it, in containers of podman. Where
podman cannot do that this test says why, and does not run."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess

import clone
import pytest
from cluster import http_get, ports, until
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
    """A cluster of the image `image` and a clone's docker-compose.yml, on ports of its own."""

    def __init__(self, directory, image):
        self._clone = directory
        self.image = image
        self.name = f"dormouse-test-{os.getpid()}"
        self.gateways = [ports.choose(None, f"{self.name} gateway {number}") for number in (1, 2)]
        self.admin = ports.choose(None, f"{self.name} admin")
        self._environment = {
            **os.environ, "DORMOUSE_IMAGE": image, "GATEWAY_1_PORT": str(self.gateways[0]),
            "GATEWAY_2_PORT": str(self.gateways[1]), "STATEKEEPER_ADMIN_PORT": str(self.admin),
            "GATEWAY_DESCRIPTORS": "4096", "DORMOUSE_DRAIN_WINDOW": "100ms"}

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

    def address(self, service, network):
        networks = "{{range $name, $it := .NetworkSettings.Networks}}{{$name}}={{$it.IPAddress}} {{end}}"
        return dict(each.split("=") for each in self._inspect(service, networks).split())[f"{self.name}_{network}"]

    def reaches(self, network, host, port):
        """Whether a stranger's container in the network can connect."""
        return _podman("run", "--rm", "--network", f"{self.name}_{network}", self.image,
                       "timeout", "3", "bash", "-c", f": </dev/tcp/{host}/{port}")[0] == 0

    def is_up(self):
        with contextlib.suppress(OSError):
            return all(http_get(port, "/health")[0] == 200 for port in self.gateways)
        return False


@pytest.fixture(name="compose", scope="module")
def _compose(tmp_path_factory):
    if why := _why_not():
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("clone")
    image = f"localhost/dormouse-test:{os.getpid()}"
    clone.make(directory)
    subprocess.run([directory / "deploy" / "make-secrets"], check=True)
    compose = _Compose(directory, image)
    try:
        # The network is for Debian's packages. Without terminal or limit: a compiler is at work, for minutes.
        subprocess.run(["podman", "build", "--isolation=chroot", "--network=host", "-f", "deploy/Dockerfile", "-t", image,
                        "."], cwd=directory, stdin=subprocess.DEVNULL, check=True)
        compose("up", "--detach", "--no-build")
        yield compose
    finally:
        compose("stop", "-t", "40")
        compose("down", "--volumes")
        _podman("network", "rm", *(f"{compose.name}_{network}" for network in ("admin", "edge", "link", "store")))
        _podman("image", "rm", image)


async def test_cluster_in_containers(compose):
    await until(compose.is_up, "both gateways have reached the statekeeper", timeout=60)
    assert http_get(compose.admin, "/readyz")[0] == 200
    first, second = (f"ws://127.0.0.1:{port}/websocket/room" for port in compose.gateways)
    async with echo(first) as one, echo(second) as two:
        assert (await one.ask("x"))["connections"] == 2
        compose.kill("statekeeper")
        reply = await two.ask("x", timeout=60)
        assert (reply["connections"], reply["connectionId"]) == (2, two.id)


async def test_who_reaches_whom_in_containers(compose):
    await until(compose.is_up, "both gateways have reached the statekeeper", timeout=60)

    def reaches(*asked):
        return asyncio.to_thread(compose.reaches, *asked)

    assert await reaches("edge", "gateway-1", 8080)
    assert await reaches("link", "statekeeper", 7400), "as gateways do"
    for service in ("statekeeper", "redis"):
        assert not await reaches("edge", service, 7400)
    # Podman keeps others out of internal networks only.
    for network in ("link", "store"):
        assert not await reaches("edge", compose.address("statekeeper", network), 7400), network
    assert not await reaches("link", compose.address("redis", "store"), 6379)
