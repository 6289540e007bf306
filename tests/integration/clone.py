"""A fresh clone of this checkout: its tracked files, as they are here, and nothing else."""

import os
import shutil
import subprocess

import pytest
from cluster import REPOSITORY


def make(directory, wanted=lambda name: True):
    """Puts those files into the directory whose names `wanted` accepts. Skips the test where nothing says what is
    tracked."""
    listed = subprocess.run(["git", "-C", REPOSITORY, "ls-files", "-z"], stdout=subprocess.PIPE, check=False)
    if listed.returncode != 0:
        pytest.skip("this is no git checkout, so nothing says what a clone would have")
    for name in (os.fsdecode(name) for name in listed.stdout.split(b"\0") if name):
        source, target = os.path.join(REPOSITORY, name), os.path.join(directory, name)
        if wanted(name) and os.path.lexists(source):
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copy2(source, target, follow_symlinks=False)
