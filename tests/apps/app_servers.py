"""What can run a Durable Object project: workerd, Cloudflare's own runtime, and ours. Each is started with an empty
directory for its data, on ports of its own. One that cannot be had here says why (Missing)."""

import asyncio
import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

from cluster import BIN, REPOSITORY, SLOWNESS, ports, until, wait_until
from process import die_with_parent

sys.path.insert(0, os.path.join(REPOSITORY, "tests", "bench"))
import servers as peers  # noqa: E402  # pylint: disable=wrong-import-position

Missing = peers.Missing


class Server:
    """One project on one runtime. `url`: of its port, while it runs."""

    name = ""

    def __init__(self, project):
        self.project = project
        self.url = ""

    @contextlib.contextmanager
    def running(self):
        raise NotImplementedError

    async def asleep(self):
        """Until all objects sleep that may."""
        raise NotImplementedError

    async def time_passes(self):
        """As long as that may take."""
        raise NotImplementedError

    async def scheduled(self, cron):
        raise NotImplementedError

    def log(self):
        """What the server has said."""
        raise NotImplementedError


class Workerd(Server):
    """Cloudflare's runtime, from npm, with the project bundled by esbuild."""

    name = "workerd"
    _ASLEEP = 11.5  # it lets go of objects after ten seconds

    @contextlib.contextmanager
    def running(self):
        program = _once(peers.Workerd.program)
        if shutil.which("esbuild") is None:
            raise Missing("there is no esbuild")
        with tempfile.TemporaryDirectory(prefix="dormouse-apps-") as directory:
            self._directory = directory
            self._bundle()
            port, control = ports.choose(None, directory), ports.choose(None, directory)
            os.mkdir(os.path.join(directory, "objects"))
            with open(os.path.join(directory, "app.capnp"), "w", encoding="utf-8") as file:
                file.write(_capnp(self.project, os.path.join(directory, "objects")))
            with open(os.path.join(directory, "control.mjs"), "w", encoding="utf-8") as file:
                file.write(_CONTROL)
            command = [program, "serve", os.path.join(directory, "app.capnp"), "--experimental",
                       "--socket-addr", f"http=127.0.0.1:{port}", "--socket-addr", f"control=127.0.0.1:{control}"]
            with open(os.path.join(directory, "log"), "wb") as log, subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=die_with_parent) as process:
                try:
                    wait_until(lambda: process.poll() is not None or _listens(port) and _listens(control),
                               "workerd listens", timeout=20)
                    assert process.poll() is None, self.log()
                    self.url = f"http://127.0.0.1:{port}"
                    self._control = f"http://127.0.0.1:{control}"
                    yield
                finally:
                    process.kill()

    def _bundle(self):
        done = subprocess.run(["esbuild", self.project.path(self.project.config["main"]), "--bundle", "--format=esm",
                               "--target=es2022", "--external:cloudflare:*", "--external:node:*", "--log-level=warning",
                               f"--outfile={self._directory}/worker.mjs"], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    async def asleep(self):
        await asyncio.sleep(self._ASLEEP)

    time_passes = asleep

    async def scheduled(self, cron):
        # It has no clock of its own for these: whoever runs it calls the handler.
        body = json.dumps({"cron": cron, "scheduledTime": int(time.time() // 60) * 60_000}).encode()
        request = urllib.request.Request(self._control, data=body)
        await asyncio.to_thread(lambda: urllib.request.urlopen(request, timeout=20).read())

    def log(self):
        with open(os.path.join(self._directory, "log"), encoding="utf-8", errors="replace") as file:
            return file.read()[-4000:]


class Dormouse(Server):
    """Ours, as `deploy/local up --app` starts it."""

    name = "dormouse"
    _LOCAL = ("/usr/bin/python3", os.path.join(REPOSITORY, "deploy", "localcluster"), "--bin", BIN)
    _HIBERNATE_AFTER = 2  # seconds: longer than a script lets an object idle without meaning to

    @contextlib.contextmanager
    def running(self):
        if not os.path.exists(os.path.join(BIN, "dormouse-gateway")):
            raise Missing(f"there is no build of it in {BIN}")
        if "--app" not in self._do("up", "--help"):
            raise Missing("deploy/local knows no --app")
        with tempfile.TemporaryDirectory(prefix="dormouse-apps-") as directory:
            self._data = os.path.join(directory, "data")
            # A copy: a script may change it, and what is built of it may be put beside it.
            self.folder = os.path.join(directory, self.project.name)
            shutil.copytree(self.project.folder, self.folder,
                            ignore=shutil.ignore_patterns("script.py", "expected.txt", "__pycache__"))
            port = ports.choose(None, directory)
            self.url = f"http://127.0.0.1:{port}"
            try:
                self._do("up", "--app", self.folder, "--detach", "--port", str(port), "--set", "drain-window=100ms",
                         "--set", f"hibernate-after={self._HIBERNATE_AFTER}s", "--data", self._data,
                         *os.environ.get("DORMOUSE_TEST_CLUSTER", "").split())
                yield
            finally:
                self._do("down", "--data", self._data)

    def _do(self, *words):
        done = subprocess.run([*self._LOCAL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=60 * SLOWNESS, check=False)
        said = done.stdout.decode()
        assert done.returncode == 0, said
        return said

    async def asleep(self):
        with open(os.path.join(self._data, "run", "cluster.json"), encoding="utf-8") as file:
            admins = [entry["admin"] for entry in json.load(file)["processes"] if "statekeeper" in entry["name"]]

        async def sleeps():
            return sum([await asyncio.to_thread(_awake, admin) for admin in admins]) == 0
        await until(sleeps, "no hub is awake", timeout=self._HIBERNATE_AFTER + 15)

    async def time_passes(self):
        await asyncio.sleep(self._HIBERNATE_AFTER + 1)

    async def scheduled(self, cron):
        # Its clock calls by itself: with the next minute, and a little later the handler has ended.
        await asyncio.sleep(60 - time.time() % 60 + 1)

    def log(self):
        return self._do("logs", "--data", self._data)[-4000:]


ALL = {server.name: server for server in (Workerd, Dormouse)}

# Behind workerd's second socket: calls the handler that no request from outside can call.
_CONTROL = """export default {
  async fetch(request, env) {
    const { cron, scheduledTime } = await request.json();
    const { outcome } = await env.APP.scheduled({ cron, scheduledTime: new Date(scheduledTime) });
    return new Response(outcome);
  },
};
"""

_answers = {}


def _once(function):
    """Its answer, or why there is none, which may have taken long to find out."""
    if function not in _answers:
        try:
            _answers[function] = function()
        except Missing as why:
            _answers[function] = why
    if isinstance(_answers[function], Missing):
        raise _answers[function]
    return _answers[function]


def _listens(port):
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
        return True
    except OSError:
        return False


def _awake(admin):
    """Hubs in memory of a statekeeper, as its metrics say."""
    with urllib.request.urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=5) as answer:
        counts = re.findall(r"^dormouse_hubs_awake\S* (\d+)", answer.read().decode(), re.M)
    assert counts, "the statekeeper does not say how many hubs are awake"
    return sum(map(int, counts))


def _capnp(project, objects):
    """workerd's configuration for a project, as wrangler would make it."""
    config = project.config
    with_sql = {name for step in config.get("migrations", []) for name in step.get("new_sqlite_classes", [])}
    durable = config.get("durable_objects", {}).get("bindings", [])
    classes = sorted({binding["class_name"] for binding in durable})
    text = json.dumps  # strings of capnp look like those of JSON
    bindings = [f"(name = {text(binding['name'])}, durableObjectNamespace = {text(binding['class_name'])})"
                for binding in durable]
    for name, value in {**config.get("vars", {}), **project.secrets}.items():
        kind = ("text", value) if isinstance(value, str) else ("json", json.dumps(value))
        bindings.append(f"(name = {text(name)}, {kind[0]} = {text(kind[1])})")
    for service in config.get("services", []):
        assert service["service"] == config["name"], "only a service binding to itself"
        target = f"(name = \"app\", entrypoint = {text(service['entrypoint'])})" if "entrypoint" in service else '"app"'
        bindings.append(f"(name = {text(service['binding'])}, service = {target})")
    namespaces = [f"(className = {text(name)}, uniqueKey = {text(config['name'] + '-' + name)}"
                  f"{', enableSql = true' if name in with_sql else ''})" for name in classes]
    flags = ", ".join(map(text, config.get("compatibility_flags", [])))
    return f"""using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "app", worker = .app),
    (name = "control", worker = .control),
    (name = "objects", disk = (path = {text(objects)}, writable = true)),
    (name = "internet", network = (allow = ["public", "private"])),
  ],
  sockets = [
    (name = "http", address = "127.0.0.1:0", http = (), service = "app"),
    (name = "control", address = "127.0.0.1:0", http = (), service = "control"),
  ],
);
const app :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.mjs")],
  compatibilityDate = {text(config["compatibility_date"])},
  compatibilityFlags = [{flags}],
  durableObjectNamespaces = [{", ".join(namespaces)}],
  durableObjectStorage = (localDisk = "objects"),
  bindings = [{", ".join(bindings)}],
);
const control :Workerd.Worker = (
  modules = [(name = "control", esModule = embed "control.mjs")],
  compatibilityDate = "2025-09-01",
  compatibilityFlags = ["service_binding_extra_handlers"],
  bindings = [(name = "APP", service = "app")],
);
"""
