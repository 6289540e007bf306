"""docker-compose.yml: who can reach whom, which secrets there are and who gets them, and what its containers may do."""

import os
import re
import stat
import subprocess

import pytest
import yaml
from cluster import REPOSITORY
from dockerignore import Dockerignore

_MAKE_SECRETS = os.path.join(REPOSITORY, "deploy", "make-secrets")
_USERS = {"redis": 999, "statekeeper": 10001, "gateway": 10001, "proxy": 99, "api": 99, "grafana": 472}


def _read(path):
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(name="compose", scope="module")
def _compose():
    return yaml.safe_load(_read("docker-compose.yml"))


def test_networks_hold_those_who_have_to_do_with_each_other(compose):
    members = {network: {name for name, service in compose["services"].items() if network in service["networks"]}
               for network in compose["networks"]}
    assert members == {"outside": {"proxy", "api", "prometheus", "alertmanager", "grafana", "load"},
                       "edge": {"proxy", "api", "gateway"}, "link": {"gateway", "statekeeper", "prometheus"},
                       "store": {"statekeeper", "redis", "secrets"}}
    # Podman lets networks that are not internal reach each other, so nothing of Dormouse is in one.
    assert {name for name, settings in compose["networks"].items() if settings and settings["internal"]} == {
        "edge", "link", "store"}


def test_one_port_is_published_and_those_of_monitoring_to_this_machine(compose):
    published = {name: service["ports"] for name, service in compose["services"].items() if "ports" in service}
    assert published.pop("proxy") == ["${PUBLISH_ADDRESS:-127.0.0.1}:${PUBLISH_PORT:-8443}:8443"]
    assert published.pop("api") == ["${API_ADDRESS:-127.0.0.1}:${API_PORT:-8444}:8444"]
    assert compose["services"]["api"]["profiles"] == ["api"]
    for name, (port,) in published.items():
        assert compose["services"][name]["profiles"] == ["observe"] and port.startswith("127.0.0.1:"), name


def test_containers_may_do_no_more_than_they_need(compose):
    for name, service in compose["services"].items():
        assert service["read_only"] is True and service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert "cap_add" not in service or name == "secrets", name
        assert {"mem_limit", "pids_limit"} <= service.keys(), name
        assert "cpus" in service or name in ("secrets", "load"), name
        assert "privileged" not in service and "docker.sock" not in str(service.get("volumes")), name


def test_podman_compose_reads_it(compose):
    """What Debian 12's version 1.0.3 cannot do, and what is to be started by it all the same."""
    text = _read("docker-compose.yml")
    assert not re.search(r"\$\{\w+:?-\}", text), "an empty default is left as it stands"
    for name, service in compose["services"].items():
        assert isinstance(service.get("healthcheck", {}).get("test", ""), str), f"{name}: a list is spoilt by replicas"
        assert "network_mode" not in service, f"{name}: it names networks as well"
        assert not isinstance(service.get("deploy", {}).get("replicas"), int), f"{name}: variables stand in for --scale"


def _made(root):
    """By service and name: (user, mode, content) of each file that was handed out."""
    files = {}
    for service in os.listdir(root / "for"):
        for path in (root / "for" / service).iterdir():
            about = path.stat()
            files[service, path.name] = (about.st_uid, stat.S_IMODE(about.st_mode), path.read_text())
    return files


@pytest.fixture(name="secrets")
def _secrets(tmp_path):
    """(a directory as the container `secrets` has it, what runs deploy/make-secrets there and returns what it said)."""
    if os.geteuid() != 0:
        pytest.skip("only root can give files to other users, as deploy/make-secrets does in its container")
    for name in ("given", "made", *(f"for/{service}" for service in _USERS)):
        (tmp_path / name).mkdir(parents=True)

    def make(names="localhost", status=0):
        done = subprocess.run([_MAKE_SECRETS, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              env={**os.environ, "PROXY_NAMES": names}, check=False)
        assert done.returncode == status, done.stdout
        return done.stdout

    return tmp_path, make


def test_each_service_is_handed_its_own_secrets(compose, secrets):
    root, make = secrets
    assert make().count("Made ") == 6
    files = _made(root)
    assert {service: {name for of, name in files if of == service} for service in _USERS} == {
        "redis": {"redis-password", "redis.conf"}, "statekeeper": {"cluster-secret", "admin-key", "redis-password"},
        "gateway": {"cluster-secret", "api-keys"}, "proxy": {"proxy.pem"}, "api": {"proxy.pem"}, "grafana": {"grafana-password"}}
    for (service, name), (user, mode, _) in files.items():
        assert (user, mode) == (_USERS[service], 0o400), (service, name)
        if service not in ("statekeeper", "gateway"):  # those run as their image says
            assert compose["services"][service]["user"].partition(":")[0] == str(user)
        assert f"secrets-{service}:/secrets:ro" in compose["services"][service]["volumes"]
    password = files["redis", "redis-password"][2]
    assert files["redis", "redis.conf"][2] == f'requirepass "{password}"\n'
    made = {files["statekeeper", name][2] for name in ("cluster-secret", "admin-key", "redis-password")}
    assert re.fullmatch("backend:[0-9a-f]{64}\n", files["gateway", "api-keys"][2])
    assert len(made) == 3 and all(len(secret) == 64 for secret in made)
    mounts = [mount.partition(":")[0] for mount in compose["services"]["secrets"]["volumes"]]
    assert [mount for mount in mounts if mount.startswith("secrets-")] == [f"secrets-{service}" for service in _USERS]
    for name, service in compose["services"].items():
        seen = {mount.partition(":")[0] for mount in service.get("volumes", ())} & set(mounts)
        assert name == "secrets" or seen == ({f"secrets-{name}"} if name in _USERS else set()), name
    assert make() == "" and _made(root) == files, "they are made once"


def test_given_secrets_count(secrets):
    root, make = secrets
    make()
    password = 'a "quoted" \\ word'
    (root / "given" / "redis-password").write_text(password)
    for name in ("auth-key", "ca.pem", "gateway.pem", "gateway.key", "statekeeper.pem", "statekeeper.key"):
        (root / "given" / name).write_text(name)
    make()
    files = _made(root)
    assert files["statekeeper", "redis-password"][2] == password
    assert files["redis", "redis.conf"][2] == 'requirepass "a \\"quoted\\" \\\\ word"\n'
    for service in ("gateway", "statekeeper"):
        assert {name: files[service, name][2] for name in ("auth-key", "ca.pem", "link.pem", "link.key")} == {
            "auth-key": "auth-key", "ca.pem": "ca.pem", "link.pem": service + ".pem", "link.key": service + ".key"}
    (root / "given" / "auth-key").unlink()
    make()
    assert ("gateway", "auth-key") not in _made(root)


def test_certificate_names_what_clients_call_the_proxy(secrets):
    root, make = secrets

    def names():
        return subprocess.run(["openssl", "x509", "-noout", "-ext", "subjectAltName", "-in",
                               root / "for" / "proxy" / "proxy.pem"], capture_output=True, text=True,
                              check=True).stdout.splitlines()[-1].strip()

    ours = "DNS:localhost, DNS:proxy, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1"
    make(names="")
    assert names() == ours
    assert "Made proxy.pem" in make(names="hubs.example,192.0.2.7")
    assert names() == ours + ", DNS:hubs.example, IP Address:192.0.2.7"
    said = make(names="hubs.example;reboot", status=1)
    assert "PROXY_NAMES must be names and addresses" in said


def test_secrets_of_ones_own_stay_here():
    ignored = Dockerignore(_read(".dockerignore"))
    for name in ("cluster-secret", "proxy.pem"):
        assert ignored.leaves_out(f"deploy/secrets/{name}")
        assert subprocess.run(["git", "-C", REPOSITORY, "check-ignore", "-q", f"deploy/secrets/{name}"],
                              check=False).returncode in (0, 128)  # 128: no git checkout


def test_page_of_secrets_names_those_that_are_handed_out():
    script = _read("deploy/make-secrets")
    rows = [line for line in _read("deploy/secrets/README.md").splitlines() if line.startswith("| `")]
    named = set(re.findall(r"`([\w.-]+)`", " ".join(row.split("|")[1] for row in rows)))
    handed = set(re.findall(r"^ *hand \S+ \S+ ([a-z.-]+)", script, re.M))
    for names in re.findall(r"^for name in (.*?); do", script, re.M | re.S):
        handed |= set(names.split())
    links = {f"{role}.{end}" for role in ("gateway", "statekeeper") for end in ("pem", "key")}
    assert named == (handed - {"redis.conf"}) | links


def test_attached_networks(tmp_path):
    route = tmp_path / "route"
    route.write_text("Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
                     "eth0\t00000000\t0100590A\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
                     "eth0\t0000590A\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                     "eth1\t000010AC\t00000000\t0001\t0\t0\t0\t0000F0FF\t0\t0\t0\n")
    said = subprocess.run([os.path.join(REPOSITORY, "deploy", "image", "attached-networks"), route],
                          capture_output=True, text=True, check=True).stdout
    assert said == "10.89.0.0/24,172.16.0.0/12\n"
