"""The pods of deploy/k8s/overlays/dev, played by podman: what the credentials Job makes, who the containers are, and
checked traffic through them while they are replaced, killed and evicted. Where podman cannot do that this says why, and
does not run. podman_pods.py says in what it is not Kubernetes."""

import os
import shutil
import subprocess
import sys
import time

import chart
import manifests
import podman_pods
import pytest
from cluster import REPOSITORY, http_get, wait_until
from podman_pods import Pods, do
from secrets_api import SecretsApi

sys.path.insert(0, os.path.join(REPOSITORY, "tests", "drills"))
from traffic import Traffic  # noqa: E402  # pylint: disable=wrong-import-position

# As it is published, or made of Debian's package.
_REDIS = ("docker.io/library/redis:7", "localhost/dormouse-test-redis:latest")
_STATEKEEPER = ("StatefulSet", "dormouse-statekeeper")
_GATEWAY = ("Deployment", "dormouse-gateway")
_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"


@pytest.fixture(name="image", scope="module")
def _image(tmp_path_factory):
    if not shutil.which("podman"):
        pytest.skip("podman is not installed (apt-get install podman)")
    if why := podman_pods.why_not(podman_pods.one_of(*_REDIS)):
        pytest.skip(why)
    name = f"localhost/dormouse-test-pods:{os.getpid()}"
    podman_pods.build(name, tmp_path_factory.mktemp("stage"))
    yield name
    podman_pods.podman("image", "rm", name)


@pytest.fixture(name="pods", scope="module")
def _pods(image):
    images = {"dormouse": image, "docker.io/library/redis": podman_pods.one_of(*_REDIS)}
    with Pods(manifests.build("overlays/dev"), images) as pods:
        yield pods


@pytest.fixture(name="secrets", scope="module")
def _secrets(pods, tmp_path_factory):
    """What the credentials Job makes in a cluster whose API is this machine's address on the pods' network."""
    names = pods.objects["Role", "dormouse-credentials"]["rules"][0]["resourceNames"]
    with SecretsApi(tmp_path_factory.mktemp("api"), names, pods.host, 443) as api:
        account = {}
        for name in os.listdir(api.account):
            with open(os.path.join(api.account, name), encoding="ascii") as file:
                account[name] = file.read()
        pods.contents["account"] = account

        def with_account(spec):
            """What Kubernetes adds to a pod that may talk to it."""
            spec["hostAliases"] = [{"ip": pods.host, "hostnames": ["kubernetes.default.svc"]}]
            spec["volumes"].append({"name": "account", "configMap": {"name": "account"}})
            spec["containers"][0]["volumeMounts"].append({"name": "account", "mountPath": _ACCOUNT, "readOnly": True})

        (job,) = [key for key in pods.objects if key[0] == "Job"]
        pod = pods.play(*job, change=with_account)
        assert pod.wait(60) == 0, pod.log()
        pod.remove()
        for name, content in api.secrets.items():
            pods.contents[name] = {key: value.decode() for key, value in content.items()}
        return api.secrets


class _Cluster:
    """A Redis, two statekeepers and two gateways, of which each is ready."""

    def __init__(self, pods):
        self._pods = pods
        self.redis = pods.play("StatefulSet", "dormouse-redis")
        self.until_ready(self.redis)
        self.statekeepers = [self.statekeeper(ordinal) for ordinal in range(2)]
        self.gateways = [self.gateway() for _ in range(2)]
        self.until_ready(*self.statekeepers, *self.gateways)

    @staticmethod
    def _quick(spec):
        """Options as an overlay would add them: hubs that sleep soon, and sockets that close soon."""
        spec["containers"][0]["env"] += [{"name": "DORMOUSE_HIBERNATE_AFTER", "value": "1s"},
                                         {"name": "DORMOUSE_DRAIN_WINDOW", "value": "2s"}]

    def statekeeper(self, ordinal, change=lambda spec: None):
        return self._pods.play(*_STATEKEEPER, ordinal, change=lambda spec: (self._quick(spec), change(spec)))

    def gateway(self, address=None):
        return self._pods.play(*_GATEWAY, address=address, change=self._quick)

    @staticmethod
    def until_ready(*pods):
        for pod in pods:
            try:
                wait_until(pod.is_ready, f"{pod.name} is ready", timeout=60)
            except AssertionError:
                print(pod.log()[-4000:])
                raise

    def everybody(self):
        return [self.redis, *self.statekeepers, *self.gateways]

    # What Traffic asks for.
    def ws_url(self, path, gateway):
        return f"ws://{self.gateways[gateway].address}:8080{path}"


@pytest.fixture(name="cluster", scope="module")
def _cluster(pods, secrets):
    assert len(secrets) == 4
    return _Cluster(pods)


def _members(statekeeper):
    status, said = statekeeper.execute("dormousectl", "members")
    return said.splitlines()[1:] if status == 0 else []


def test_containers_are_restricted(cluster):
    for pod in cluster.everybody():
        wanted = 999 if pod is cluster.redis else 10001
        status, said = pod.execute("sh", "-c", "id -u; id -g; cat /proc/1/status; touch /x /usr/x /etc/x 2>&1")
        assert said.splitlines()[:2] == [str(wanted)] * 2
        assert status != 0 and said.count("Read-only file system") == 3, said
        assert "CapEff:\t0000000000000000" in said and "CapBnd:\t0000000000000000" in said
        assert "NoNewPrivs:\t1" in said and "Seccomp:\t2" in said
        # The limit holds: this machine's podman has told the kernel.
        limit = pod.spec["containers"][0]["resources"]["limits"]["memory"]
        assert int(do("inspect", "--format", "{{.HostConfig.Memory}}", pod.container)) == int(limit[:-2]) << 20


def test_the_test_of_helm_passes(cluster, image, pods, tmp_path):
    assert cluster.gateways
    test = chart.objects(tmp_path)["Pod", "dormouse-test"]
    (container,) = test["spec"]["containers"]
    # There is no Service that would lead from its port to that of gateways.
    command = [word.replace("//dormouse-gateway:80", "//dormouse-gateway:8080") for word in container["command"]]
    assert command != container["command"]
    said = do("run", "--rm", "--network", pods.prefix, "--read-only", "--cap-drop=all", image, *command)
    assert "all as it should be" in said, said


def test_statekeepers_serve_whom_they_know(cluster, image, pods):
    """Operators in a statekeeper's pod; nobody without a certificate."""
    members = _members(cluster.statekeepers[0])
    assert len(members) == 2 and all(" serving " in line for line in members), members
    status, said = podman_pods.podman("run", "--rm", "--network", pods.prefix, image, "dormousectl", "--statekeeper",
                                      "dormouse-statekeeper:7400", "--timeout", "5s", "members")
    assert status == 3 and "serving" not in said, said


def test_statekeepers_are_replaced_killed_and_lost(cluster, tmp_path):
    """No socket closes, nothing is lost, doubled or out of order."""
    with Traffic(cluster, tmp_path, connections=60, hubs=12, rate=30, seed=1) as traffic:
        # A rolling update, as the controller makes it: the last one first, each when the one before is ready.
        for ordinal in (1, 0):
            traffic.mark(f"update-{ordinal}")
            began = time.monotonic()
            pod = cluster.statekeepers[ordinal]
            assert pod.evict() == 0, f"it was killed after {time.monotonic() - began:.0f} s"
            cluster.statekeepers[ordinal] = cluster.statekeeper(ordinal)
            cluster.until_ready(cluster.statekeepers[ordinal])
        # A process dies: its container is started again.
        traffic.mark("kill")
        pod = cluster.statekeepers[0]
        os.kill(pod.pid, 9)
        wait_until(lambda: pod.restarts == 1, "the container was started again", timeout=30)
        cluster.until_ready(pod)
        # A pod is lost with its node: there is another one, elsewhere.
        traffic.mark("lose")
        cluster.statekeepers[1].remove()
        cluster.statekeepers[1] = cluster.statekeeper(1)
        cluster.until_ready(*cluster.statekeepers)
        wait_until(lambda: len(_members(cluster.statekeepers[0])) == 2, "the lost one is forgotten", timeout=30)
        report = traffic.stop()
    assert not report["broken"], report["broken"]
    assert not report["closes"], report["closes"]
    longest = {name: f"{pause['hubs_max_ms']:.0f} ms" for name, pause in report["pauses"].items()}
    print(f"{report['acknowledged']} acknowledged; a hub waited for at most", longest)


def test_gateways_are_drained(cluster, tmp_path):
    """As nodes are, one after the other: clients lose their sockets with 1001 and resume their sessions elsewhere."""
    with Traffic(cluster, tmp_path, connections=60, hubs=12, rate=30, seed=2, on_close="resume") as traffic:
        for number, gateway in enumerate(list(cluster.gateways)):
            traffic.mark(f"drain-{number}")
            assert gateway.evict() == 0
            cluster.gateways[number] = cluster.gateway(gateway.address)
            cluster.until_ready(cluster.gateways[number])
        report = traffic.stop()
    assert not report["broken"], report["broken"]
    assert set(report["closes"]) == {"1001"} and report["reconnects"] == report["resumed"] > 30, report


def test_one_that_owns_nothing_is_not_ready(cluster):
    """A new statekeeper that the others cannot reach stops an update: it gets nothing, and they keep what they have."""
    def unreachable(spec):
        (entry,) = [each for each in spec["containers"][0]["env"] if each["name"] == "DORMOUSE_ADVERTISE"]
        entry["value"] = "$(POD_IP):1"

    pod = cluster.statekeeper(2, unreachable)
    try:
        wait_until(lambda: "the other statekeepers cannot reach it" in pod.readiness(), "it says why", timeout=60)
        owned = [int(line.split()[3]) for line in _members(cluster.statekeepers[0]) if pod.address not in line]
        assert sum(owned) == 1024, owned
        assert not pod.is_ready()
        cluster.until_ready(*cluster.statekeepers)
    finally:
        pod.remove()
    wait_until(lambda: len(_members(cluster.statekeepers[0])) == 2, "it is forgotten", timeout=30)


def test_a_gateway_dies(cluster, tmp_path):
    """Its container is started again; its clients resume their sessions, at the other one or there."""
    with Traffic(cluster, tmp_path, connections=40, hubs=8, rate=20, seed=4, on_close="resume") as traffic:
        os.kill(cluster.gateways[0].pid, 9)
        wait_until(lambda: cluster.gateways[0].restarts == 1, "the container was started again", timeout=30)
        cluster.until_ready(*cluster.gateways)
        report = traffic.stop()
    assert not report["broken"], report["broken"]
    assert 0 < report["reconnects"] == report["resumed"] < 40, report


def test_redis_keeps_what_it_was_told(cluster, pods, tmp_path):
    """Its process dies and is started again; its pod goes, and another one has the volume. No socket closes, and what
    was acknowledged is there."""
    with Traffic(cluster, tmp_path, connections=40, hubs=8, rate=10, seed=3) as traffic:
        os.kill(cluster.redis.pid, 9)
        wait_until(lambda: cluster.redis.restarts == 1, "the container was started again", timeout=30)
        cluster.until_ready(cluster.redis, *cluster.statekeepers)
        assert cluster.redis.evict() == 0
        cluster.redis = pods.play("StatefulSet", "dormouse-redis")
        cluster.until_ready(cluster.redis, *cluster.statekeepers)
        report = traffic.stop()
    assert not report["broken"] and not report["closes"], report["broken"]


def test_an_app_is_deployed(cluster, tmp_path):
    """As deploy/apps.md says; last, since the app takes the clients' port."""
    built = tmp_path / "built"
    subprocess.run([os.path.join(REPOSITORY, "deploy", "build-app"),
                    os.path.join(REPOSITORY, "tests", "integration", "worker_project"), tmp_path / "versions",
                    "--portable", built], stdout=subprocess.DEVNULL, check=True)
    packed = subprocess.run(["tar", "-C", built, "-c", "."], stdout=subprocess.PIPE, check=True).stdout
    said = do("exec", "--interactive", cluster.statekeepers[0].container, "sh", "-c",
              "d=$(mktemp -d -p /var/lib/dormouse) && tar -x -C $d && dormousectl deploy $d; s=$?; rm -r $d; exit $s",
              stdin=packed)
    assert "is live at 2 statekeepers" in said, said
    for gateway in cluster.gateways:
        wait_until(lambda: http_get(8080, "/Counter/a", host=gateway.address)[:2] == (200, '{"put":0,"sql":0}'),  # pylint: disable=cell-var-from-loop
                   "the app answers", timeout=30)
    assert "current" in cluster.statekeepers[1].execute("dormousectl", "versions")[1]
