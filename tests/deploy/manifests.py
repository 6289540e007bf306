"""Plain manifests as tests see them: the objects of files, and what `kubectl kustomize` makes of a folder of
deploy/k8s, as far as deploy/k8s/render writes kustomizations: resources, JSON patches, deletions."""

import copy
import os

import yaml
from cluster import REPOSITORY

K8S = os.path.join(REPOSITORY, "deploy", "k8s")


def read(path):
    """The objects of a file."""
    with open(path, encoding="utf-8") as file:
        return [each for each in yaml.safe_load_all(file) if each]


def key(each):
    return each["kind"], each["metadata"]["name"]


def build(folder):
    """The objects of a kustomization by kind and name. `folder`: such as overlays/dev."""
    return _build(os.path.join(K8S, folder))


def _build(folder):
    (kustomization,) = read(os.path.join(folder, "kustomization.yaml"))
    unknown = kustomization.keys() - {"apiVersion", "kind", "resources", "patches"}
    assert not unknown, f"{folder}: {unknown}"
    found = {}
    for name in kustomization.get("resources", []):
        path = os.path.normpath(os.path.join(folder, name))
        found.update(_build(path) if os.path.isdir(path) else {key(each): each for each in read(path)})
    apply(found, kustomization.get("patches", []))
    return found


def apply(objects, patches):
    for entry in patches:
        patch = yaml.safe_load(entry["patch"])
        if isinstance(patch, dict):
            assert patch["$patch"] == "delete"
            del objects[key(patch)]
            continue
        at = entry["target"]["kind"], entry["target"]["name"]
        objects[at] = _changed(copy.deepcopy(objects[at]), patch)


def _changed(content, operations):
    for operation in operations:
        *way, last = [step.replace("~1", "/").replace("~0", "~") for step in operation["path"].split("/")[1:]]
        at = content
        for step in way:
            at = at[int(step) if isinstance(at, list) else step]
        last = int(last) if isinstance(at, list) else last
        if operation["op"] == "remove":
            del at[last]
        else:
            assert operation["op"] in ("add", "replace"), operation
            if operation["op"] == "add" and isinstance(at, list):
                at.insert(last, operation["value"])
            else:
                at[last] = operation["value"]
    return content


def pods(objects):
    """(kind, name, spec) of each object's pod."""
    for each in objects:
        spec = each.get("spec", {})
        if each["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if each["kind"] in ("Deployment", "StatefulSet", "Job", "CronJob"):
            yield each["kind"], each["metadata"]["name"], spec["template"]["spec"]
        elif each["kind"] == "Pod":
            yield "Pod", each["metadata"]["name"], spec
