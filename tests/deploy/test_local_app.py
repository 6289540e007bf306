"""deploy/local up --app: a project is built, given to the statekeepers, and given again when it is saved. The processes
are stand-ins: what they do with it is not the matter here."""

import json
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

import pytest
from cluster import REPOSITORY, ports, wait_until
from projects import MAIN, Project, config, needs_esbuild

pytestmark = needs_esbuild

_PROGRAMS = ("dormouse-statekeeper", "dormouse-gateway", "dormousectl")


class Local:
    def __init__(self, directory):
        self.data = os.path.join(directory, "data")
        self.bin = os.path.join(directory, "bin")
        os.mkdir(self.bin)
        for name in _PROGRAMS:
            shutil.copy(os.path.join(os.path.dirname(__file__), "stand_in.py"), os.path.join(self.bin, name))
        self.project = Project(directory)
        self._port = ports.choose(None, directory)

    def __call__(self, command, *words):
        done = subprocess.run(
            ["/usr/bin/python3", os.path.join(REPOSITORY, "deploy", "localcluster"), "--bin", self.bin, command, "--data",
             self.data, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=False)
        return done.returncode, done.stdout

    def up(self, app, *words):
        return self("up", "--detach", "--port", str(self._port), "--set", "drain-window=100ms", "--app", app, *words)

    def log(self, name):
        with open(os.path.join(self.data, "logs", name + ".log"), encoding="utf-8") as file:
            return file.read()

    def version(self):
        with open(os.path.join(self.data, "app", "current", "workers.json"), encoding="utf-8") as file:
            return json.load(file)["version"]

    def processes(self):
        with open(os.path.join(self.data, "run", "cluster.json"), encoding="utf-8") as file:
            return {entry["name"]: entry["pid"] for entry in json.load(file)["processes"]}


@pytest.fixture
def local():
    directory = tempfile.mkdtemp(prefix="dormouse-app-")
    it = Local(directory)
    yield it
    it("down")
    shutil.rmtree(directory)


def test_a_project_is_built_and_given_to_all_statekeepers_again_when_it_is_saved(local):
    local.project.save("wrangler.json", config(kv_namespaces=[{"binding": "KV"}]))
    status, said = local.up(local.project.directory, "--statekeepers", "2", "--store", "redis://127.0.0.1:1")
    assert status == 0, said
    first = local.version()
    assert "Not supported: env.KV (kv_namespaces in wrangler.json)" in said
    assert f"App chat, version {first}: Room. What is saved in {local.project.directory} is built, and live, at once." in said
    assert f"app: chat  version: {first}  classes: Room  from: {local.project.directory}\n" in local("status")[1]
    before = local.processes()

    began = time.monotonic()
    local.project.save("src/index.ts", MAIN + "console.log(1);")
    for name in ("statekeeper-1", "statekeeper-2"):
        said = wait_until(lambda name=name: "looks again" in local.log(name) and local.log(name), "it is told")
        assert said == f"starts: has version {first}\nlooks again: has version {local.version()}\n"
    assert time.monotonic() - began < 5, "a second on a machine that does nothing else"
    assert local.version() != first
    assert local.processes() == before, "nothing was started again"
    wait_until(lambda: f"version: {local.version()} " in local("status")[1], "status shows it")
    assert f"app chat: version {local.version()} is built and handed over" in local.log("supervisor")

    second = local.version()
    local.project.save("src/index.ts", "export {")
    wait_until(lambda: f"app chat: version {second} goes on" in local.log("supervisor"), "what is wrong is in the log")
    assert "found end of file" in local.log("supervisor")
    assert local.version() == second
    assert local.log("statekeeper-1").count("looks again") == 1
    assert local("down")[0] == 0


def test_a_project_that_cannot_be_built_starts_nothing(local):
    local.project.save("src/index.ts", "export {")
    status, said = local.up(local.project.directory)
    assert status == 1 and "found end of file" in said
    assert "Nothing runs" in local("status")[1]


def test_a_debugger_gets_a_port_and_time(local):
    port = ports.choose(None, "inspect")
    status, said = local.up(local.project.directory, "--inspect", str(port), "--set", "call-timeout=2h")
    assert status == 0 and f"A debugger finds its code at 127.0.0.1:{port}, each version anew" in said
    with open(os.path.join(local.data, "app", "current", "workers.json"), encoding="utf-8") as file:
        assert json.load(file)["inspect"] == port
    with open(f"/proc/{local.processes()['statekeeper-1']}/cmdline", encoding="utf-8") as file:
        words = file.read().split("\0")
    assert "worker-timeout=0" in words and words.index("call-timeout=1h") < words.index("call-timeout=2h")


def test_an_environment_is_chosen(local):
    local.project.save("wrangler.json", config(env={"staging": {}}))
    status, said = local.up(local.project.directory, "--env", "staging")
    assert status == 0 and "App chat-staging, version" in said


def test_an_app_directory_is_taken_as_it_is(local):
    version = local.project.build()["version"]
    ready = os.path.join(local.project.into, version)
    status, said = local.up(ready)
    assert status == 0 and f"App chat, version {version}: Room.\n" in said
    assert local.log("statekeeper-1") == f"starts: has version {version}\n"
    assert not os.path.exists(os.path.join(local.data, "app"))
    assert f"from: {ready}\n" in local("status")[1]


def test_what_cannot_be_is_refused_with_a_sentence(local):
    os.makedirs(os.path.join(local.data, "empty"))
    empty = os.path.join(local.data, "empty")
    assert local.up(empty) == (1, f"{empty} is neither a project (wrangler.json, wrangler.jsonc, wrangler.toml,"
                                  " dormouse.toml) nor an app"
                                  " directory (workers.json).\n")
    assert local("up", "--env", "staging") == (1, "--env chooses among the environments of a project: it needs --app.\n")
    assert local("up", "--set", f"app={empty}") == (1, "--set app is decided by deploy/local; use --app.\n")
    assert local("up", "--inspect") == (1, "--inspect is for the code of a project: it needs --app.\n")
    project = local.project.directory
    assert local.up(project, "--statekeepers", "2", "--inspect")[1].startswith("--inspect is for one statekeeper: ")
    assert local.up(project, "--inspect", "0") == (1, "--inspect must be 1-65535.\n")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert local.up(project, "--inspect", str(port))[1].startswith(f"Port {port} on 127.0.0.1 cannot be had")
    with open(os.path.join(empty, "workers.json"), "w", encoding="utf-8") as file:
        file.write("[]")
    assert local.up(empty, "--inspect")[1].startswith("--inspect is for projects that are built here")
    status, said = local.up(empty)
    assert status == 1 and f"{empty}/workers.json is not what an app says of itself" in said


def test_an_app_outlives_its_supervisor(local):
    assert local.up(local.project.directory)[0] == 0
    with open(os.path.join(local.data, "run", "cluster.json"), encoding="utf-8") as file:
        os.kill(json.load(file)["supervisor"]["pid"], signal.SIGKILL)
    wait_until(lambda: "The supervisor is gone" in local("status")[1], "it is gone")
    assert f"version: {local.version()} " in local("status")[1]
    local.project.save("src/index.ts", MAIN + "console.log(1);")
    status, said = local.up(local.project.directory)
    assert status == 0 and "Stopping what an earlier run left behind" in said
    assert local.log("statekeeper-1") == f"starts: has version {local.version()}\n"
