"""docker-compose.yml: who can reach whom, and which secrets there are."""

import os
import stat
import subprocess

import documented
import pytest
import yaml
from cluster import REPOSITORY
from dockerignore import Dockerignore


def _read(path):
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


@pytest.fixture(name="compose", scope="module")
def _compose():
    return yaml.safe_load(_read("docker-compose.yml"))


def test_networks_hold_those_who_have_to_do_with_each_other(compose):
    members = {network: {name for name, service in compose["services"].items() if network in service["networks"]}
               for network in compose["networks"]}
    assert members == {"edge": {"gateway-1", "gateway-2"}, "link": {"gateway-1", "gateway-2", "statekeeper"},
                       "store": {"statekeeper", "redis"}}
    internal = {name for name, settings in compose["networks"].items() if settings and settings["internal"]}
    assert internal == {"link", "store"}
    for name, service in compose["services"].items():
        if name.startswith("gateway-"):
            (port,) = service["ports"]
            assert port.startswith("${PUBLISH_ADDRESS:-127.0.0.1}:") and port.endswith(":8080"), port
        else:
            # Podman lets networks that are not internal reach each other, so a port that the proxy in `edge` is not to
            # reach belongs to a container that has internal ones alone, and publishes nothing.
            assert set(service["networks"]) <= internal, name
            assert "ports" not in service, name


def test_secrets_are_files_that_make_secrets_makes(compose, tmp_path):
    def make():
        return subprocess.run([os.path.join(REPOSITORY, "deploy", "make-secrets"), tmp_path / "secrets"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, umask=0o077).stdout

    def contents():
        return {path.name: path.read_text() for path in (tmp_path / "secrets").iterdir()}

    assert make().count("Made ") == 3
    made = contents()
    assert make() == "" and contents() == made, "they are made once"
    assert stat.S_IMODE(os.stat(tmp_path / "secrets").st_mode) == 0o700
    # A container's user is not this one.
    assert all(stat.S_IMODE(os.stat(tmp_path / "secrets" / name).st_mode) == 0o644 for name in made)
    assert {name: secret["file"] for name, secret in compose["secrets"].items()} == {
        name: f"./deploy/secrets/{name}" for name in made}
    assert made["redis.conf"] == f"requirepass {made['redis-password']}"
    assert len(made["cluster-secret"]) == len(made["redis-password"]) == 64 + len("\n")
    assert made["cluster-secret"] != made["redis-password"]


def test_secrets_go_to_those_who_need_them(compose):
    assert {name: set(service["secrets"]) for name, service in compose["services"].items()} == {
        "redis": {"redis.conf", "redis-password"}, "statekeeper": {"cluster-secret", "redis-password"},
        "gateway-1": {"cluster-secret"}, "gateway-2": {"cluster-secret"}}
    ignored = Dockerignore(_read(".dockerignore"))
    for name in compose["secrets"]:
        assert ignored.leaves_out(f"deploy/secrets/{name}")
    assert "/deploy/secrets/" in _read(".gitignore").splitlines()


def test_documented_overrides_fit(compose):
    """Debian's podman-compose merges values of one type only, and the file's options have none: they are for .env."""
    overrides = [yaml.safe_load(text) for text in documented.overrides()]
    assert len(overrides) > 1
    paths = set(documented.environment().values())
    for override in overrides:
        declared = compose["secrets"].keys() | override.get("secrets", {}).keys()
        for name, changes in override["services"].items():
            service = compose["services"][name]
            for key, value in changes.items():
                assert key not in service or type(value) is type(service[key]), f"{name}: {key}"
            assert None not in [service["environment"][option] for option in changes.get("environment", {})
                                if option in service["environment"]], name
            secrets = [each if isinstance(each, dict) else {"source": each, "target": each}
                       for each in changes.get("secrets", [])]
            assert {each["source"] for each in secrets} <= declared
            assert not secrets or paths == {f"/run/secrets/{each['target']}" for each in secrets}
