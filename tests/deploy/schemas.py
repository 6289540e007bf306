"""Whether objects are as Kubernetes' API (and that of the operators) takes them: by schemas/objects.json, which is
strict: a field that the API does not know is an error, as with `kubectl apply --validate=strict`."""

import functools
import json
import os

import jsonschema

_PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "schemas", "objects.json")


@functools.cache
def _schemas():
    with open(_PATH, encoding="utf-8") as file:
        return json.load(file)


@functools.cache
def _validator(kind):
    return jsonschema.Draft7Validator({"$ref": f"#/definitions/{_schemas()['kinds'][kind]}",
                                       "definitions": _schemas()["definitions"]})


def wrong(each):
    """What is wrong with an object, in sentences."""
    kind = f"{each['apiVersion']}/{each['kind']}"
    if kind not in _schemas()["kinds"]:
        return [f"{kind}: schemas/objects.json has no such kind; schemas/make knows how to add it"]
    return [f"{kind} {each['metadata']['name']}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
            for error in _validator(kind).iter_errors(each)]
