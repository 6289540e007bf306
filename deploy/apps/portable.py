"""A built version as any machine can run it: what it needs of this one is copied into it, and the host of hubs is named
by a place that each statekeeper fills in ("{hubs}")."""

import json
import os
import pathlib
import re
import shutil

import builder as builders
from wrangler_config import ProjectError

_ASSETS = "assets"
_HOSTS = "{hubs}"


def write(version, into):
    """Of the directory `version`, into a directory that is not there yet. Raises ProjectError."""
    shutil.copytree(version, into)
    path = os.path.join(into, builders.MANIFEST)
    with open(path, encoding="utf-8") as file:
        manifest = json.load(file)
    bundle = os.path.join(into, manifest.get("bundle", ""))
    if builders.HOST and os.path.isfile(bundle):
        _name_modules(bundle)
    manifest["command"] = [_name_hosts(word) for word in manifest["command"]]
    manifest["environment"] = {name: _name_hosts(value) for name, value in manifest.get("environment", {}).items()}
    # A version that is deployed is named after all that is in it.
    manifest["version"] = "deployed"
    if manifest.get("assets"):
        _copy_assets(manifest["assets"], into)
    with open(path, "w", encoding="utf-8") as file:
        json.dump(manifest, file, indent=1, sort_keys=True)


def _name_hosts(word):
    hosts = os.path.dirname(builders.HOST) + os.sep if builders.HOST else None
    return os.path.join(_HOSTS, word[len(hosts):]) if hosts and word.startswith(hosts) else word


def _name_modules(bundle):
    """The modules of the host by the names that projects have for them, which it finds wherever it is."""
    with open(bundle, encoding="utf-8") as file:
        code = file.read()
    place = re.escape(pathlib.Path(builders.HOST).as_uri())
    with open(bundle, "w", encoding="utf-8") as file:
        file.write(re.sub(rf"([\"'])({place})/cloudflare_(\w+)\.mjs\1", r"\1cloudflare:\3\1", code))


def _copy_assets(assets, into):
    target = os.path.join(into, _ASSETS)
    if os.path.exists(target):
        raise ProjectError(f"{target} is there already; assets cannot be copied there.")
    try:
        shutil.copytree(assets["directory"], target)
    except (OSError, shutil.Error) as error:
        raise ProjectError(f"The assets in {assets['directory']} cannot be copied: {error}.") from error
    assets["directory"] = _ASSETS
