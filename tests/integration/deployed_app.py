"""A cluster that was started without an app, to which dormousectl deploys the project of worker_project/."""

import asyncio
import json
import os
import shutil
import subprocess
import tempfile

from cluster import SLOWNESS, Cluster, die_with_parent
from process import http_get
from worker_app import PROJECT

COUNTER = "counter.js"


class DeployedCluster(Cluster):
    """`project`: a copy, which a test may change; edit() and deploy(). The rest as of Cluster."""

    def __init__(self, options=None, **more):
        directory = tempfile.mkdtemp(prefix="dormouse-test-")
        self.project = os.path.join(directory, "project")
        shutil.copytree(PROJECT, self.project)
        super().__init__(directory=directory, options={"rate-limit": "0", **(options or {})}, **more)

    def edit(self, file, old, new):
        """Changes the project's code, or with a path from its directory its configuration."""
        path = os.path.join(self.project, file if "." in file and file.startswith("wrangler") else f"src/{file}")
        with open(path, encoding="utf-8") as opened:
            text = opened.read()
        assert old in text
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text.replace(old, new))

    def write(self, file, text):
        path = os.path.join(self.project, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as opened:
            opened.write(text)

    def set_version(self, version):
        """That each answer of class Counter ends with."""
        path = os.path.join(self.project, "src", COUNTER)
        with open(path, encoding="utf-8") as opened:
            lines = opened.read().splitlines(keepends=True)
        with open(path, "w", encoding="utf-8") as opened:
            opened.writelines(f"export const VERSION = {version};\n" if line.startswith("export const VERSION") else line
                              for line in lines)

    async def run_ctl(self, *words):
        """(exit status, standard output, errors) of dormousectl, while the test goes on."""
        process = await asyncio.create_subprocess_exec(
            *self.ctl_command(*words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            preexec_fn=die_with_parent)
        said, errors = await asyncio.wait_for(process.communicate(), 120 * SLOWNESS)
        return process.returncode, said.decode(), errors.decode()

    async def deploy(self, *words, directory=None):
        """The version that all serve now."""
        status, said, errors = await self.run_ctl("--json", "deploy", directory or self.project, *words)
        assert status == 0, (said, errors)
        return json.loads(said)["version"]

    async def refused(self, *words):
        """What dormousectl says, which fails."""
        status, said, errors = await self.run_ctl(*words)
        assert status != 0, said
        return errors

    async def rollback(self, *words):
        status, said, errors = await self.run_ctl("--json", "rollback", *words)
        assert status == 0, (said, errors)
        return json.loads(said)["version"]

    async def versions(self):
        status, said, errors = await self.run_ctl("--json", "versions")
        assert status == 0, errors
        return json.loads(said)

    def get(self, path, gateway=0):
        """(status, body) of a GET that the project's code answers."""
        return http_get(self.port(gateway), path, host=self.gateways[gateway].host)[:2]
