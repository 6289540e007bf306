"""deploy/helm/dormouse/files/credentials.sh makes and renews what a cluster needs, over Kubernetes' API; and the pods'
processes take it. Played with the Secrets and the environment that the committed manifests say."""

import os
import shutil
import subprocess

import manifests
import pytest
from cluster import BIN, REPOSITORY, ports
from process import Process, wait_until
from secrets_api import SecretsApi

_PROGRAM = os.path.join(REPOSITORY, "deploy", "helm", "dormouse", "files", "credentials.sh")
_DEV = manifests.build("overlays/dev")
_LINK = ("dormouse-link-ca", "dormouse-link-gateway", "dormouse-link-statekeeper")
_DAY = 86400


def _job():
    ((_, _, spec),) = [pod for pod in manifests.pods(_DEV.values()) if pod[0] == "Job"]
    return {entry["name"]: entry["value"] for entry in spec["containers"][0]["env"]}


def _run(api, tmp_path, **environment):
    """(exit status, what it said)."""
    temporary = tmp_path / "tmp"
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(["bash", _PROGRAM], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, timeout=60, check=False,
                          env={"PATH": os.environ["PATH"], "TMPDIR": str(temporary), "SERVICE_ACCOUNT": api.account,
                               "KUBERNETES_API": api.url, **_job(), **environment})
    assert not list(temporary.iterdir()), "nothing is left behind"
    return done.returncode, done.stdout


@pytest.fixture(name="api")
def _api(tmp_path):
    for program in ("wget", "openssl"):
        if not shutil.which(program):
            pytest.skip(f"there is no {program}")
    names = _DEV["Role", "dormouse-credentials"]["rules"][0]["resourceNames"]
    with SecretsApi(tmp_path, names) as api:
        yield api


def _openssl(*words, of=b""):
    return subprocess.run(["openssl", *words], input=of, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)


def _ends_within(certificate, days):
    return _openssl("x509", "-noout", "-checkend", str(days * _DAY), of=certificate).returncode != 0


def test_all_is_made_once(api, tmp_path):
    status, said = _run(api, tmp_path)
    assert status == 0, said
    assert sorted(api.changes) == sorted(api.secrets), "each is filled in one step"
    made = {name: dict(content) for name, content in api.secrets.items()}
    secrets = [value.decode() for name, content in made.items() for key, value in content.items()
               if key in ("password", "ca.key", "tls.key")]
    assert len(secrets) == 4 and not any(secret.strip() in said for secret in secrets)
    assert made["dormouse-redis"]["redis.conf"] == b"requirepass " + made["dormouse-redis"]["password"]
    for role in ("gateway", "statekeeper"):
        content = made[f"dormouse-link-{role}"]
        assert content.keys() == {"tls.crt", "tls.key", "ca.crt"}
        assert content["ca.crt"] == made["dormouse-link-ca"]["ca.crt"]
        assert f"DNS:dormouse-{role}".encode() in _openssl("x509", "-noout", "-text", of=content["tls.crt"]).stdout
        assert _ends_within(content["tls.crt"], 90) and not _ends_within(content["tls.crt"], 89)
    status, said = _run(api, tmp_path)
    assert status == 0, said
    assert {name: dict(content) for name, content in api.secrets.items()} == made, "and left as it is"


def test_secrets_and_keys_are_what_pods_ask_for(api, tmp_path):
    _run(api, tmp_path)
    asked = 0
    for _, name, spec in manifests.pods(_DEV.values()):
        for volume in spec["volumes"]:
            if "secret" in volume:
                keys = {item["key"] for item in volume["secret"]["items"]}
                assert keys <= api.secrets[volume["secret"]["secretName"]].keys(), name
                asked += 1
    assert asked == 4


def test_certificates_are_renewed_in_time(api, tmp_path):
    _run(api, tmp_path, DAYS="61")
    before = {name: api.secrets[name].get("tls.crt") for name in _LINK}
    authority = dict(api.secrets["dormouse-link-ca"])
    _run(api, tmp_path)
    assert {name: api.secrets[name].get("tls.crt") for name in _LINK} == before, "not before they have to be"
    _run(api, tmp_path, RENEW_BEFORE_DAYS="62", DAYS="70")
    for role in ("gateway", "statekeeper"):
        name = f"dormouse-link-{role}"
        assert api.secrets[name]["tls.crt"] != before[name] and not _ends_within(api.secrets[name]["tls.crt"], 69)
    assert api.secrets["dormouse-link-ca"] == authority, "of the same authority"


def test_certificates_follow_another_authority(api, tmp_path):
    _run(api, tmp_path)
    api.secrets["dormouse-link-ca"].clear()
    _run(api, tmp_path)
    assert {api.secrets[name]["ca.crt"] for name in _LINK} == {api.secrets["dormouse-link-ca"]["ca.crt"]}
    path = tmp_path / "ca.pem"
    path.write_bytes(api.secrets["dormouse-link-ca"]["ca.crt"])
    for name in _LINK[1:]:
        assert _openssl("verify", "-CAfile", str(path), of=api.secrets[name]["tls.crt"]).returncode == 0


def test_two_at_a_time_do_not_undo_each_other(api, tmp_path):
    def somebody_else(name):
        if name == "dormouse-redis" and not api.secrets[name]:
            api.secrets[name].update({"password": b"theirs", "redis.conf": b"requirepass theirs\n"})
            api.versions[name] += 1

    api.before_change = somebody_else
    status, said = _run(api, tmp_path)
    assert status == 1 and "the object has been modified" in said
    status, said = _run(api, tmp_path)
    assert status == 0 and api.secrets["dormouse-redis"]["password"] == b"theirs"


def test_a_password_of_ones_own_is_kept(api, tmp_path):
    api.secrets["dormouse-redis"]["password"] = b"mine"
    assert _run(api, tmp_path)[0] == 0
    assert api.secrets["dormouse-redis"] == {"password": b"mine", "redis.conf": b"requirepass mine\n"}


def test_the_shared_secret_is_long_enough(api, tmp_path):
    api.secrets["cluster"], api.versions["cluster"] = {}, 1
    assert _run(api, tmp_path, LINK_CA="", CLUSTER="cluster")[0] == 0
    assert not api.secrets["dormouse-link-ca"]
    one, other = (api.secrets["cluster"][key] for key in ("cluster-secret", "admin-key"))
    assert len(one) == len(other) == 65 and one != other


def test_a_refusal_is_told(api, tmp_path):
    status, said = _run(api, tmp_path, REDIS="dormouse-other")
    assert status == 1 and "Kubernetes does not GET the Secret dormouse-other" in said and "403" in said
    with open(os.path.join(api.account, "token"), "w", encoding="ascii") as file:
        file.write("another")
    status, said = _run(api, tmp_path)
    assert status == 1 and "Authentication Failed" in said


def test_processes_take_the_certificates(api, tmp_path):
    """A statekeeper and a gateway reach each other with what is in their Secrets."""
    _run(api, tmp_path)
    paths = {}
    for role in ("gateway", "statekeeper"):
        os.mkdir(tmp_path / role)
        for key, value in api.secrets[f"dormouse-link-{role}"].items():
            path = tmp_path / role / key
            path.write_bytes(value)
            path.chmod(0o600)
        paths[role] = [word for option, key in (("certificate", "tls.crt"), ("key", "tls.key"), ("ca", "ca.crt"))
                       for word in (f"--link-{option}", str(tmp_path / role / key))]
    listen, admin, clients, view = (ports.choose(None, what) for what in ("links", "admin", "clients", "view"))
    statekeeper = Process("statekeeper", [
        os.path.join(BIN, "dormouse-statekeeper"), "--data", str(tmp_path / "data"), "--listen", f"127.0.0.1:{listen}",
        "--admin", f"127.0.0.1:{admin}", *paths["statekeeper"]], str(tmp_path), admin)
    gateway = Process("gateway", [
        os.path.join(BIN, "dormouse-gateway"), "--listen", f"127.0.0.1:{clients}", "--admin", f"127.0.0.1:{view}",
        "--statekeepers", f"127.0.0.1:{listen}", "--drain-window", "0", *paths["gateway"]], str(tmp_path), view)
    for process in (statekeeper, gateway):
        process.start()
    try:
        wait_until(gateway.is_ready, "the gateway has reached the statekeeper")
    finally:
        wrong = [process.stop_finally() for process in (gateway, statekeeper)]
    assert not any(wrong), wrong
