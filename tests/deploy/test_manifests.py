"""deploy/k8s: what `kubectl apply -k` is given. The manifests are those that the chart makes, and safe."""

import os

import manifests
import pytest
import yaml
from chart import CHART
from kubernetes_tools import helm, kubectl, run
from schemas import wrong

_OVERLAYS = ("overlays/dev", "overlays/production")
_COMPONENTS = ("ingress", "httproute", "monitoring", "autoscaling")


@pytest.fixture(name="objects", params=["base", *_OVERLAYS])
def _objects(request):
    return manifests.build(request.param)


def _with_component(name, tmp_path):
    """production with a component, as a directory that kubectl reads, and as our own reader builds it."""
    there = os.path.join(manifests.K8S, "components", name)
    here = os.path.relpath(manifests.K8S, tmp_path)
    (tmp_path / "kustomization.yaml").write_text(
        f"resources: [{here}/overlays/production]\ncomponents: [{here}/components/{name}]\n", encoding="utf-8")
    objects = manifests.build("overlays/production")
    (component,) = manifests.read(os.path.join(there, "kustomization.yaml"))
    for file in component.get("resources", []):
        objects.update({manifests.key(each): each for each in manifests.read(os.path.join(there, file))})
    manifests.apply(objects, component.get("patches", []))
    return objects


def _built_by_kubectl(directory):
    status, said = run(kubectl(), "kustomize", str(directory), "--load-restrictor=LoadRestrictionsNone")
    assert status == 0, said
    return {manifests.key(each): each for each in yaml.safe_load_all(said)}


def test_what_is_here_is_what_the_chart_makes():
    status, said = run(os.path.join(manifests.K8S, "render"), "--check", env={**os.environ, "HELM": helm()})
    assert status == 0, said


@pytest.mark.parametrize("folder", ["base", *_OVERLAYS])
def test_kubectl_builds_the_same(folder):
    assert _built_by_kubectl(os.path.join(manifests.K8S, folder)) == manifests.build(folder)


@pytest.mark.parametrize("name", _COMPONENTS)
def test_components_fit(name, tmp_path):
    objects = _with_component(name, tmp_path)
    assert not [sentence for each in objects.values() for sentence in wrong(each)]
    assert objects.keys() > manifests.build("overlays/production").keys()
    assert _built_by_kubectl(tmp_path) == objects


@pytest.mark.parametrize("folder", _OVERLAYS)
def test_overlays_are_the_chart_with_other_values(folder, tmp_path):
    """What render makes of differences is what it was made from."""
    words = [word for name in ("base", os.path.basename(folder))
             for word in ("--values", os.path.join(manifests.K8S, "values", f"{name}.yaml"))]
    status, said = run(helm(), "template", "dormouse", CHART, "--namespace", "dormouse", "--skip-tests", *words)
    assert status == 0, said
    made = {manifests.key(each): each for each in yaml.safe_load_all(said) if each}
    for each in made.values():
        for name in ("helm.sh/chart", "app.kubernetes.io/managed-by"):
            del each["metadata"]["labels"][name]
    built = manifests.build(folder)
    del built["Namespace", "dormouse"]
    assert built == made


def test_objects_are_as_kubernetes_takes_them(objects):
    assert not [sentence for each in objects.values() for sentence in wrong(each)]


@pytest.mark.parametrize("broken, words", [
    (lambda pod: pod.update(terminationGracePeriodSecond=3), "terminationGracePeriodSecond"),
    (lambda pod: pod["containers"][0]["ports"][0].update(containerPort="80"), "is not of type 'integer'"),
    (lambda pod: pod["containers"][0].pop("name"), "'name' is a required property"),
])
def test_schemas_find_mistakes(broken, words):
    gateway = manifests.build("base")["Deployment", "dormouse-gateway"]
    broken(gateway["spec"]["template"]["spec"])
    assert words in "\n".join(wrong(gateway))


def test_pods_are_restricted(objects):
    """By the Pod Security Standards, which the namespace enforces; and a little more."""
    assert objects["Namespace", "dormouse"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    found = list(manifests.pods(objects.values()))
    assert len(found) >= 4
    for kind, name, spec in found:
        context = spec["securityContext"]
        assert context["runAsNonRoot"] and context["runAsUser"] > 0, name
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert not {"hostNetwork", "hostPID", "hostIPC"} & spec.keys(), name
        assert spec["automountServiceAccountToken"] == (kind in ("Job", "CronJob")), name
        assert spec["enableServiceLinks"] is False, name
        for volume in spec["volumes"]:
            assert set(volume) - {"name"} <= {"secret", "configMap", "emptyDir"}, name
        for container in spec["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["readOnlyRootFilesystem"] is True, name
            assert own["capabilities"] == {"drop": ["ALL"]}, name
            assert "memory" in container["resources"]["limits"] and "cpu" in container["resources"]["requests"], name
            assert not {"hostPort"} & {key for port in container.get("ports", []) for key in port}, name


def test_selectors_select(objects):
    """Services, PodDisruptionBudgets and NetworkPolicies are about pods that there are; names lead to objects."""
    labels = [each["spec"]["template"]["metadata"]["labels"] for each in objects.values()
              if each["kind"] in ("Deployment", "StatefulSet", "Job")]
    for (kind, name), each in objects.items():
        selector = {"Service": lambda spec: spec["selector"],
                    "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
                    "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"]}.get(kind)
        if selector:
            wanted = selector(each["spec"])
            assert len([one for one in labels if wanted.items() <= one.items()]) == 1, (kind, name)
    for _, name, spec in manifests.pods(objects.values()):
        assert ("ServiceAccount", spec["serviceAccountName"]) in objects, name
        for volume in spec["volumes"]:
            secret = volume.get("secret", {}).get("secretName")
            # That of the store is the operator's, unless there is a Redis here.
            assert (secret is None or ("Secret", secret) in objects
                    or volume["name"] == "store" and ("StatefulSet", "dormouse-redis") not in objects), (name, volume)
        for container in spec["containers"]:
            mounted = {mount["name"] for mount in container["volumeMounts"]}
            assert mounted <= {volume["name"] for volume in spec["volumes"]} | {"data"}, name


class _Network:
    """Who may open connections to whom, as NetworkPolicies say it: of pods that none selects, all."""

    def __init__(self, objects):
        self._policies = [each["spec"] for each in objects.values() if each["kind"] == "NetworkPolicy"]

    def _rules(self, labels, direction):
        """None: it is not isolated."""
        chosen = [policy for policy in self._policies if policy["podSelector"]["matchLabels"].items() <= labels.items()
                  and direction in policy["policyTypes"]]
        return [rule for policy in chosen for rule in policy.get(direction.lower(), [])] if chosen else None

    @staticmethod
    def _fits(rule, peers, other, port):
        if not any(each["port"] == port for each in rule["ports"]):
            return False
        return peers not in rule or any(
            other is not None and "namespaceSelector" not in peer and "podSelector" in peer
            and peer["podSelector"]["matchLabels"].items() <= other.items() for peer in rule[peers])

    def lets(self, source, target, port):
        """None is somebody outside of the namespace, who is nobody in particular."""
        for labels, direction, peers, other in ((source, "Egress", "to", target), (target, "Ingress", "from", source)):
            rules = None if labels is None else self._rules(labels, direction)
            if rules is not None and not any(self._fits(rule, peers, other, port) for rule in rules):
                return False
        return True


def test_who_reaches_whom():
    objects = manifests.build("overlays/dev")
    network = _Network(objects)
    parts = {part: {"app.kubernetes.io/name": "dormouse", "app.kubernetes.io/instance": "dormouse",
                    "app.kubernetes.io/component": part} for part in ("gateway", "statekeeper", "redis", "credentials")}
    everybody = {**parts, "a stranger's pod": {"app": "x"}, "somebody outside": None}
    ports = (8080, 8081, 7400, 7401, 6379, 443, 80)
    reached = {(source, target, port) for source, one in everybody.items() for target, other in everybody.items()
               for port in ports if (source in parts or target in parts) and network.lets(one, other, port)}
    strangers = ("a stranger's pod", "somebody outside")
    assert reached == {
        *((each, "gateway", 8080) for each in strangers),
        ("gateway", "statekeeper", 7400), ("statekeeper", "statekeeper", 7400), ("statekeeper", "redis", 6379),
        *(("credentials", each, 443) for each in strangers)}


def test_rollouts_wait_for_what_is_fit(objects):
    statekeeper = objects["StatefulSet", "dormouse-statekeeper"]["spec"]
    gateway = objects["Deployment", "dormouse-gateway"]["spec"]
    for spec in (statekeeper, gateway):
        (container,) = spec["template"]["spec"]["containers"]
        assert container["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "admin"}
        assert container["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "admin"}
    assert statekeeper["updateStrategy"] == {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}
    assert gateway["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    for part in ("gateway", "statekeeper"):
        assert objects["PodDisruptionBudget", f"dormouse-{part}"]["spec"]["maxUnavailable"] == 1
    # A new gateway finds statekeepers that wait for the store, and a new statekeeper is reached before it is ready.
    service = objects["Service", "dormouse-statekeeper"]["spec"]
    assert service["clusterIP"] == "None" and service["publishNotReadyAddresses"] is True
