"""deploy/helm/dormouse: what it makes of values, and what it says to wrong ones."""

import json
import os
import re
import subprocess

import chart
import pytest
import yaml
from cluster import BIN, REPOSITORY
from kubernetes_tools import helm, run
from manifests import pods
from schemas import wrong

_PRODUCTION = {"redis": {"enabled": False},
               "store": {"url": "rediss+sentinel://dormouse@s1:26379,s2:26379/main", "existingSecret": "store",
                         "sentinelPasswordKey": "sentinel", "caKey": "ca.crt", "certificateKey": "tls.crt",
                         "privateKeyKey": "tls.key", "ports": [6379, 26379]}}
_VALUES = {
    "defaults": {},
    "production": _PRODUCTION,
    "everything": {
        **_PRODUCTION,
        "image": {"repository": "registry.example/dormouse", "digest": "sha256:" + "0" * 64},
        "imagePullSecrets": [{"name": "registry"}],
        "ipFamily": "IPv6",
        "config": {"trusted-proxies": ["10.0.0.0/8", "fd00::/8"], "auth-upgrade": True, "rate-limit": 0.5,
                   "max-connections": 2000000},
        "gateway": {"replicas": 5, "config": {"log-level": "debug"}, "podLabels": {"team": "a"},
                    "podAnnotations": {"b": "c"}, "nodeSelector": {"d": "e"},
                    "tolerations": [{"key": "f", "operator": "Exists"}], "priorityClassName": "high",
                    "affinity": {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": []}},
                    "extraEnv": [{"name": "G", "value": "h"}], "extraVolumes": [{"name": "i", "emptyDir": {}}],
                    "extraVolumeMounts": [{"name": "i", "mountPath": "/i"}],
                    "service": {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "annotations": {"j": "k"},
                                "loadBalancerSourceRanges": ["192.0.2.0/24"], "nodePort": 30080},
                    "autoscaling": {"enabled": True},
                    "api": {"enabled": True, "existingSecret": "backends", "port": 9000,
                            "clients": [{"podSelector": {"matchLabels": {"app": "shop"}}}]}},
        "statekeeper": {"partition": 2, "extraEnv": [{"name": "L", "value": "m"}], "podLabels": {"team": "a"}},
        "credentials": {"podLabels": {"team": "a"}, "podAnnotations": {"n": "o"}, "nodeSelector": {"d": "e"}},
        "auth": {"algorithm": "ES256", "existingSecret": "tokens", "key": "jwks.json", "signingKey": "private.pem"},
        "networkPolicy": {"clients": [{"namespaceSelector": {"matchLabels": {"p": "q"}}}],
                          "store": [{"ipBlock": {"cidr": "192.0.2.7/32"}}],
                          "api": [{"ipBlock": {"cidr": "192.0.2.1/32"}}], "monitoring": [],
                          "callbacks": [{"to": [{"ipBlock": {"cidr": "192.0.2.0/24"}}], "ports": [{"port": 443}]}],
                          "traces": [{"to": [{"ipBlock": {"cidr": "192.0.2.8/32"}}], "ports": [{"port": 4318}]}]},
        "ingress": {"enabled": True, "className": "nginx", "hosts": ["a.example", "b.example"],
                    "tls": [{"hosts": ["a.example"], "secretName": "r"}]},
        "httpRoute": {"enabled": True, "parentRefs": [{"name": "public", "namespace": "gateways"}],
                      "hostnames": ["a.example"], "annotations": {"s": "t"}},
        "monitoring": {"serviceMonitor": {"enabled": True, "labels": {"release": "u"}},
                       "prometheusRule": {"enabled": True}},
        "serviceAccount": {"annotations": {"v": "w"}},
    },
    "TLS beside the port in clear": {
        "gateway": {"tls": {"enabled": True, "existingSecret": "app-tls", "nodePort": 30443}, "service": {"type": "NodePort"}}},
    "TLS only": {"ipFamily": "IPv6", "gateway": {"tls": {"enabled": True, "existingSecret": "app-tls", "only": True, "port": 80}}},
    "TLS only, with clients' certificates": {
        "gateway": {"tls": {"enabled": True, "existingSecret": "app-tls", "only": True, "clientCaKey": "ca.crt"}}},
    "cert-manager": {"links": {"source": "cert-manager"}},
    "cert-manager with an issuer": {"links": {"source": "cert-manager",
                                              "issuer": {"name": "cluster", "kind": "ClusterIssuer"}}},
    "secret": {"links": {"trust": "secret"}},
    "existing": {**_PRODUCTION,
                 "links": {"source": "existing", "gatewaySecret": "a", "statekeeperSecret": "b"}},
    "existing secret": {**_PRODUCTION, "links": {"trust": "secret", "source": "existing", "clusterSecret": "c"}},
    "no policies": {"networkPolicy": {"enabled": False}, "redis": {"persistence": {"enabled": False}},
                    "gateway": {"podDisruptionBudget": {"enabled": False}, "preStopSeconds": 0},
                    "statekeeper": {"podDisruptionBudget": {"enabled": False}}},
    "OpenShift": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
}


def _schema():
    with open(os.path.join(chart.CHART, "values.schema.json"), encoding="utf-8") as file:
        return json.load(file)


def test_options_are_those_of_the_processes():
    status, said = run(os.path.join(REPOSITORY, "deploy", "helm", "options"), "--check")
    assert status == 0, said


def test_each_value_is_explained():
    """values.yaml: every key of the schema is there; at the top each has a comment above it."""
    with open(os.path.join(chart.CHART, "values.yaml"), encoding="utf-8") as file:
        text = file.read()

    def compare(values, schema, where):
        properties = schema.get("properties")
        if schema.get("$ref"):
            properties = _schema()["definitions"][schema["$ref"].rpartition("/")[2]].get("properties")
        if properties is None or where == "config" or where.endswith((".config", ".resources")):
            return
        assert values.keys() == properties.keys() - {"global"}, where
        for name, value in values.items():
            if isinstance(value, dict):
                compare(value, properties[name], f"{where}.{name}".lstrip("."))

    compare(yaml.safe_load(text), _schema(), "")
    lines = text.splitlines()
    for number, line in enumerate(lines):
        if re.match(r"[a-z]", line):
            assert lines[number - 1].startswith("#") or re.match(r"[a-zA-Z]", lines[number - 1]), line


def test_chart_is_well_formed():
    status, said = run(helm(), "lint", "--strict", chart.CHART)
    assert status == 0, said


@pytest.mark.parametrize("name", _VALUES)
def test_objects_are_as_kubernetes_takes_them(name, tmp_path):
    made = chart.objects(tmp_path, _VALUES[name])
    assert len(made) > 8
    assert not [sentence for each in made.values() for sentence in wrong(each)]


@pytest.mark.parametrize("values, words", [
    ({"gatway": {}}, "gatway"),
    ({"config": {"hibernate-afte": "3s"}}, "hibernate-afte"),
    ({"config": {"hibernate-after": "3 s"}}, "hibernate-after"),
    ({"config": {"max-awake": "many"}}, "max-awake"),
    ({"gateway": {"replica": 3}}, "replica"),
    ({"statekeeper": {"config": {"log-level": "loud"}}}, "log-level"),
    ({"store": {"url": "redis.example:6379"}}, "url"),
    ({"config": {"listen": "0.0.0.0:80"}}, "config.listen is for the chart to say: ports are always 8080 and 7400"),
    ({"statekeeper": {"config": {"lanes": 4}}}, "statekeeper.config.lanes is for the chart to say"),
    ({"config": {"drain-window": "5m"}, "gateway": {"terminationGracePeriodSeconds": 60}},
     "gateway.terminationGracePeriodSeconds is 60, but its pods take up to 320 s to stop"),
    ({"statekeeper": {"terminationGracePeriodSeconds": 30}}, "its pods take up to 35 s to stop (stop-timeout + 15)"),
    ({"store": {"url": "redis://r:6379"}}, "set redis.enabled=false"),
    ({"redis": {"enabled": False}}, "there is nowhere to keep state"),
    ({"redis": {"enabled": False}, "store": {"url": "redis://user:secret@r:6379"}}, "store.url has a password in it"),
    ({"links": {"source": "existing"}}, "links.gatewaySecret and links.statekeeperSecret"),
    ({"links": {"source": "existing", "trust": "secret"}}, "links.clusterSecret"),
    ({"links": {"gatewaySecret": "a"}}, "are for links.source=existing"),
    ({"links": {"source": "cert-manager", "trust": "secret"}}, "set links.trust=certificates"),
    ({"links": {"days": 30}}, "links.renewBeforeDays (60) has to be less than links.days (30)"),
    ({"auth": {"algorithm": "HS256"}}, "auth.existingSecret"),
    ({"auth": {"existingSecret": "tokens"}}, "need auth.algorithm"),
    ({"config": {"auth-upgrade": True}}, "config.auth-upgrade asks for tokens"),
    ({"gateway": {"autoscaling": {"enabled": True, "minReplicas": 5, "maxReplicas": 2}}}, "is above maxReplicas (2)"),
    ({"gateway": {"autoscaling": {"enabled": True, "connections": 50000}}}, "has to be below config.max-connections"),
    ({"gateway": {"api": {"enabled": True}}}, "gateway.api.existingSecret"),
    ({"gateway": {"config": {"api-listen": "0.0.0.0:1"}}}, "set gateway.api"),
    ({"gateway": {"tls": {"enabled": True}}}, "kubectl create secret tls"),
    ({"gateway": {"tls": {"existingSecret": "app-tls"}}}, "need gateway.tls.enabled=true"),
    ({"gateway": {"tls": {"only": True}}}, "need gateway.tls.enabled=true"),
    ({"gateway": {"tls": {"enabled": True, "existingSecret": "app-tls", "only": True}},
      "ingress": {"enabled": True, "hosts": ["a.example"]}}, "set gateway.tls.only=false"),
    ({"gateway": {"tls": {"enabled": True, "existingSecret": "app-tls", "port": 80}}}, "are both 80"),
    ({"config": {"tls-cert": "/app.pem"}}, "set gateway.tls"),
    ({"ingress": {"enabled": True}}, "ingress.hosts"),
    ({"httpRoute": {"enabled": True}}, "httpRoute.parentRefs"),
])
def test_wrong_values_are_refused(values, words, tmp_path):
    assert words in chart.refusal(tmp_path, values)


def test_options_arrive(tmp_path):
    made = chart.objects(tmp_path, {
        "config": {"hibernate-after": "3s", "trusted-proxies": ["10.0.0.0/8", "fd00::/8"], "rate-limit": 0.5,
                   "max-connections": 12345678, "hub-view": True},
        "gateway": {"config": {"log-level": "debug"}}, "statekeeper": {"config": {"hibernate-after": "4s"}}})
    gateway = chart.environment(made["Deployment", "dormouse-gateway"])
    statekeeper = chart.environment(made["StatefulSet", "dormouse-statekeeper"])
    assert gateway["DORMOUSE_HIBERNATE_AFTER"] == "3s" and statekeeper["DORMOUSE_HIBERNATE_AFTER"] == "4s"
    assert gateway["DORMOUSE_TRUSTED_PROXIES"] == "10.0.0.0/8,fd00::/8"
    assert gateway["DORMOUSE_RATE_LIMIT"] == "0.5"
    assert gateway["DORMOUSE_MAX_CONNECTIONS"] == "12345678"
    assert gateway["DORMOUSE_HUB_VIEW"] == "true"
    assert gateway["DORMOUSE_LOG_LEVEL"] == "debug" and "DORMOUSE_LOG_LEVEL" not in statekeeper


def test_backends_reach_gateways_at_a_service_of_their_own(tmp_path):
    assert ("Service", "dormouse-gateway-api") not in chart.objects(tmp_path, {})
    made = chart.objects(tmp_path, {"gateway": {"api": {"enabled": True, "existingSecret": "backends"}}})
    service = made["Service", "dormouse-gateway-api"]["spec"]
    (container,) = made["Deployment", "dormouse-gateway"]["spec"]["template"]["spec"]["containers"]
    assert service["ports"] == [{"name": "api", "port": 8090, "targetPort": "api"}]
    assert {"name": "api", "containerPort": 8090} in container["ports"]
    gateway = chart.environment(made["Deployment", "dormouse-gateway"])
    assert gateway["DORMOUSE_API_LISTEN"] == "0.0.0.0:8090" and gateway["DORMOUSE_API_KEY_FILE"] == "/run/dormouse/api/api-keys"
    (rule,) = [rule for rule in made["NetworkPolicy", "dormouse-gateway"]["spec"]["ingress"] if rule["ports"][0]["port"] == 8090]
    assert rule["from"] == [{"podSelector": {}}]


def _ports(made):
    """Of clients: what the Service leads to, what the pods have, and what the policy lets in."""
    (container,) = made["Deployment", "dormouse-gateway"]["spec"]["template"]["spec"]["containers"]
    return ({port["port"]: port["targetPort"] for port in made["Service", "dormouse-gateway"]["spec"]["ports"]},
            {port["name"]: port["containerPort"] for port in container["ports"] if port["name"] != "admin"},
            [port["port"] for port in made["NetworkPolicy", "dormouse-gateway"]["spec"]["ingress"][0]["ports"]])


def test_clients_come_by_tls(tmp_path):
    assert _ports(chart.objects(tmp_path, {})) == ({80: "clients"}, {"clients": 8080}, [8080])
    made = chart.objects(tmp_path, _VALUES["TLS beside the port in clear"])
    assert _ports(made) == ({80: "clients", 443: "tls"}, {"clients": 8080, "tls": 8443}, [8080, 8443])
    gateway = chart.environment(made["Deployment", "dormouse-gateway"])
    assert gateway["DORMOUSE_LISTEN"] == "0.0.0.0:8080" and gateway["DORMOUSE_TLS_LISTEN"] == "0.0.0.0:8443"
    assert "DORMOUSE_TLS_CLIENT_CA" not in gateway
    pod = made["Deployment", "dormouse-gateway"]["spec"]["template"]["spec"]
    (secret,) = [volume["secret"] for volume in pod["volumes"] if volume["name"] == "tls"]
    (at,) = [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"] if mount["name"] == "tls"]
    assert secret["secretName"] == "app-tls"
    assert {gateway["DORMOUSE_TLS_CERT"], gateway["DORMOUSE_TLS_KEY"]} == {f"{at}/{item['path']}" for item in secret["items"]}


def test_tls_can_be_the_only_way_in(tmp_path):
    made = chart.objects(tmp_path, _VALUES["TLS only"])
    assert _ports(made) == ({80: "tls"}, {"tls": 8443}, [8443])
    assert chart.environment(made["Deployment", "dormouse-gateway"])["DORMOUSE_LISTEN"] == ""
    (test,) = [each for (kind, name), each in made.items() if kind == "Pod"]
    assert "wss://dormouse-gateway:80" in test["spec"]["containers"][0]["command"]
    made = chart.objects(tmp_path, _VALUES["TLS only, with clients' certificates"])
    assert _ports(made)[0] == {443: "tls"} and not [kind for kind, _ in made if kind == "Pod"]
    assert chart.environment(made["Deployment", "dormouse-gateway"])["DORMOUSE_TLS_CLIENT_CA"] == "/run/dormouse/tls/ca.crt"


@pytest.mark.parametrize("name", _VALUES)
def test_the_processes_take_these_options(name, tmp_path):
    """As far as they are values and not files: --check-config says so."""
    made = chart.objects(tmp_path, _VALUES[name])
    for kind, part in (("Deployment", "gateway"), ("StatefulSet", "statekeeper")):
        given = {variable: value for variable, value in chart.environment(made[kind, f"dormouse-{part}"]).items()
                 if variable.startswith("DORMOUSE_") and value is not None}
        done = subprocess.run([os.path.join(BIN, f"dormouse-{part}"), "--check-config"], env={**os.environ, **given},
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("window, grace", [("10s", 30), ("1500ms", 22), ("2m", 140), ("1h", 3620), ("0", 20), (0, 20)])
def test_pods_have_time_to_stop(window, grace, tmp_path):
    made = chart.objects(tmp_path, {"config": {"drain-window": window, "stop-timeout": "45s"}})
    specs = {kind: spec for kind, name, spec in pods(made.values()) if "redis" not in name}
    assert specs["Deployment"]["terminationGracePeriodSeconds"] == grace
    assert specs["StatefulSet"]["terminationGracePeriodSeconds"] == 60


def test_null_takes_a_default_away(tmp_path):
    made = chart.objects(tmp_path, {"config": {"max-connections": None}})
    assert "DORMOUSE_MAX_CONNECTIONS" not in chart.environment(made["Deployment", "dormouse-gateway"])


def test_another_job_has_another_name(tmp_path):
    """A Job cannot be changed."""
    def jobs(values):
        return [name for kind, name in chart.objects(tmp_path, values) if kind == "Job"]

    names = [jobs({}), jobs({"image": {"tag": "2"}}), jobs(_PRODUCTION)]
    assert len({*map(tuple, names)}) == 3 and all(len(each) == 1 for each in names)
    assert jobs({}) == names[0], "and the same one the same"


def test_nothing_is_made_by_chance(tmp_path):
    """What is rendered twice is the same, so that nothing changes that is not meant to (GitOps)."""
    assert chart.template(tmp_path) == chart.template(tmp_path)


def test_what_others_make_is_not_made(tmp_path):
    made = chart.objects(tmp_path, _VALUES["existing"])
    assert not {kind for kind, _ in made} & {"Job", "CronJob", "Secret", "Role", "RoleBinding"}
    made = chart.objects(tmp_path, _VALUES["cert-manager"])
    assert {name for kind, name in made if kind == "Certificate"} == {
        "dormouse-link-ca", "dormouse-link-gateway", "dormouse-link-statekeeper"}
    assert {name for kind, name in made if kind == "Secret"} == {"dormouse-redis"}
    made = chart.objects(tmp_path, _VALUES["cert-manager with an issuer"])
    assert {name for kind, name in made if kind == "Certificate"} == {
        "dormouse-link-gateway", "dormouse-link-statekeeper"}
    assert not {name for kind, name in made if kind == "Issuer"}


def test_notes_tell_what_to_do_next(tmp_path):
    def notes(values):
        status, said = chart.template(tmp_path, values, "--show-only", "templates/NOTES.txt")
        return said if status == 0 else _installed_notes(tmp_path)

    said = notes({})
    assert "kubectl -n dormouse port-forward service/dormouse-gateway 8080:80" in said
    assert "NOT FOR PRODUCTION" in said
    assert "NOT FOR PRODUCTION" not in notes(_PRODUCTION)


def _installed_notes(tmp_path):
    """Helm 3 and 4 show NOTES only of an installation; a dry one asks no cluster."""
    status, said = run(helm(), "install", "dormouse", chart.CHART, "--namespace", "dormouse", "--dry-run=client",
                       "--values", os.path.join(tmp_path, "values.yaml"))
    assert status == 0, said
    return said


def test_alerts_are_those_that_are_evaluated():
    """Tests of deploy/observe see whether queries have data; the chart has a copy, for it sees its own files only."""
    original = os.path.join(REPOSITORY, "deploy", "observe", "alerts.yml")
    if not os.path.exists(original):
        pytest.skip("there is no deploy/observe/alerts.yml")
    copy = os.path.join(chart.CHART, "files", "alerts.yml")
    with open(original, encoding="utf-8") as one, open(copy, encoding="utf-8") as other:
        assert one.read() == other.read(), "cp deploy/observe/alerts.yml deploy/helm/dormouse/files/"
