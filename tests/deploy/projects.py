"""Little projects for tests of what builds them, in a directory that goes with the test."""

import json
import os
import shutil
import subprocess

import builder as builders
import pytest

MAIN = """
import { DurableObject } from "cloudflare:workers";
export class Room extends DurableObject {
  async fetch(request: Request): Promise<Response> { return new Response("room"); }
}
export default { fetch(): Response { return new Response("worker"); } };
"""
TOML = """
name = "chat"
main = "src/index.ts"
compatibility_date = "2025-01-01"
[[durable_objects.bindings]]
name = "ROOMS"
class_name = "Room"
[[migrations]]
tag = "v1"
new_sqlite_classes = ["Room"]
"""
_HOST = "export class DurableObject {}\n"

needs_esbuild = pytest.mark.skipif(
    not (shutil.which("node") and os.path.exists("/usr/bin/esbuild")), reason="esbuild or nodejs is not installed")


class Project:
    """`files`: what it has beside the usual ones; None for one that it is not to have."""

    def __init__(self, directory, **files):
        self.directory = os.path.join(directory, "project")
        self.into = os.path.join(directory, "app")
        self.host = os.path.join(directory, "host")
        os.makedirs(self.into)
        for name, text in ({"src/index.ts": MAIN, "wrangler.toml": TOML} | files).items():
            if text is not None:
                self.save(name, text)
        self._write(os.path.join(self.host, "cloudflare_workers.mjs"), _HOST)
        self.notices = []

    def path(self, name):
        return os.path.join(self.directory, name)

    def save(self, name, content):
        self._write(self.path(name), content)

    @staticmethod
    def _write(path, content):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(content if isinstance(content, bytes) else content.encode())

    def builder(self, environment=None):
        return builders.Builder(self.directory, self.into, environment, self.host)

    def build(self, environment=None):
        """The manifest of what was built."""
        built = self.builder(environment).build()
        self.notices = built.notices
        return self.manifest()

    def refusal(self, environment=None):
        """Why it is not built."""
        with pytest.raises(builders.ProjectError) as refused:
            self.builder(environment).build()
        assert not [name for name in os.listdir(self.into) if name.startswith(".")], "nothing is left of a failed build"
        return str(refused.value)

    def manifest(self):
        with open(os.path.join(self.into, "current", "workers.json"), encoding="utf-8") as file:
            return json.load(file)

    def evaluate(self, script):
        """What JavaScript says that has the bundle as `worker` and the host's module as `host`."""
        text = (f"import * as host from {json.dumps(os.path.join(self.host, 'cloudflare_workers.mjs'))};"
                f"import * as worker from {json.dumps(os.path.join(self.into, 'current', 'worker.mjs'))};"
                f"console.log(JSON.stringify(await (async () => {{ {script} }})()));")
        said = subprocess.run(["node", "--enable-source-maps", "--input-type=module", "-e", text], capture_output=True,
                              text=True, check=False)
        assert said.returncode == 0, said.stderr
        return json.loads(said.stdout)


def config(**keys):
    """A wrangler.json with the usual keys and these."""
    usual = {"name": "chat", "main": "src/index.ts", "compatibility_date": "2025-01-01",
             "durable_objects": {"bindings": [{"name": "ROOMS", "class_name": "Room"}]},
             "migrations": [{"tag": "v1", "new_sqlite_classes": ["Room"]}]}
    return json.dumps({key: value for key, value in (usual | keys).items() if value is not None})
