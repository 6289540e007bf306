"""The chart as tests see it: what `helm template` makes of values."""

import os

import yaml
from cluster import REPOSITORY
from kubernetes_tools import helm, run

CHART = os.path.join(REPOSITORY, "deploy", "helm", "dormouse")


def template(tmp_path, values=None, *words):
    """(exit status, what it said)."""
    path = os.path.join(tmp_path, "values.yaml")
    with open(path, "w", encoding="utf-8") as file:
        yaml.safe_dump(values or {}, file)
    return run(helm(), "template", "dormouse", CHART, "--namespace", "dormouse", "--values", path, *words)


def objects(tmp_path, values=None):
    """By kind and name."""
    status, said = template(tmp_path, values)
    assert status == 0, said
    return {(each["kind"], each["metadata"]["name"]): each for each in yaml.safe_load_all(said) if each}


def refusal(tmp_path, values):
    status, said = template(tmp_path, values)
    assert status != 0, "it was taken"
    return said


def environment(each):
    """Of the first container: value by name, as far as they have one."""
    (container, *_) = each["spec"]["template"]["spec"]["containers"]
    return {entry["name"]: entry.get("value") for entry in container["env"]}
