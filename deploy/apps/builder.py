"""Builds a project into app directories, which statekeepers run (their option `app`):

    INTO/VERSION/workers.json     what it consists of, and how it is started
    INTO/VERSION/...              its code: of Durable Objects worker.mjs, one module, and worker.mjs.map, where each of its
                                  lines is from
    INTO/current                  a link to the newest; it is replaced at once

A version is named after its content: the same code and configuration are the same version. The last five are kept.
AppBuilder does that for projects of any kind (kinds.py), Builder is for those of Durable Objects.
"""

import hashlib
import json
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass

import bundle
import watched_files
import wrangler_config
from wrangler_config import ProjectError

_REPOSITORY = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def host_directory(language):
    """Where the host of hubs is: in the checkout; beside this where both are installed. None: it is not there."""
    return next((path for path in (
        os.path.join(_REPOSITORY, "clients", "hubs", language),
        os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "hubs", language))
                 if os.path.isdir(path)), None)


HOST = host_directory("js")
MANIFEST = "workers.json"
CURRENT = "current"
_INTERNAL_CLASSES = ("dormouse.crons", "dormouse.sockets", "dormouse.homes")  # of the host's own: clients/hubs/js/internal
_KEPT = 5
_MAX_MESSAGE = 1 << 20  # bytes of a WebSocket message, as Workers have it
_LIMIT = 120            # seconds for a step: longer, and it hangs


@dataclass
class Built:
    name: str
    version: str
    classes: list
    notices: list
    is_new: bool       # it was not the current one before
    inputs: list       # files that it was made of
    milliseconds: int


@dataclass
class Made:
    """What a build has put into its directory, all but the manifest."""

    name: str
    manifest: dict     # without the version
    files: list        # paths in the directory, of which the version is named after
    classes: list
    notices: list
    inputs: list


class AppBuilder:
    """Of one project. Each build is a generator of processes that have to end before it can go on; build() waits,
    others look now and then."""

    def __init__(self, directory, into, umask=-1):
        self.directory = os.path.realpath(directory)
        self.into = into
        self._umask = umask  # of what the project's own command makes
        self._staging = os.path.join(into, f".building-{os.getpid()}")

    def watched(self, inputs, failed):
        """Paths whose change may make another version: of what was made of `inputs`; `failed`: and could not be made last."""
        raise NotImplementedError

    def needs_command(self, changed):
        """Whether a change of these paths means that the project's own command has to run again."""
        raise NotImplementedError

    def _make(self, run_command):
        """A generator, as steps() is one; returns Made."""
        raise NotImplementedError

    def build(self):
        """Raises ProjectError; then the version that was current still is."""
        steps = self.steps()
        while True:
            try:
                process = next(steps)
            except StopIteration as end:
                return end.value
            try:
                process.wait(_LIMIT)
            except subprocess.TimeoutExpired:
                raise ProjectError(f"The build takes longer than {_LIMIT} s.") from None
            finally:
                kill(process)

    def steps(self, run_command=True):
        """`run_command`: what the project itself makes (build.command) is to be made anew."""
        began = time.monotonic()
        shutil.rmtree(self._staging, ignore_errors=True)
        os.makedirs(self._staging, mode=0o700)
        try:
            made = yield from self._make(run_command)
            version = self._write_manifest(made)
            is_new = self._publish(version)
        finally:
            shutil.rmtree(self._staging, ignore_errors=True)
        self._forget_old(version)
        return Built(made.name, version, sorted(made.classes), made.notices, is_new, made.inputs,
                     round(1000 * (time.monotonic() - began)))

    def _write_manifest(self, made):
        manifest = made.manifest
        digest = hashlib.sha256(json.dumps(manifest, sort_keys=True, default=str).encode())
        for name in made.files:
            with open(os.path.join(self._staging, name), "rb") as file:
                digest.update(file.read())
        manifest["version"] = digest.hexdigest()[:16]
        path = os.path.join(self._staging, MANIFEST)
        # It has the project's secrets.
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="utf-8") as file:
            json.dump(manifest, file, indent=1, default=str)  # dates of TOML are text
        return manifest["version"]

    def _publish(self, version):
        target = os.path.join(self.into, version)
        if os.path.exists(target):
            os.utime(target)  # among the last again
        else:
            os.rename(self._staging, target)
        link = os.path.join(self.into, CURRENT)
        if os.path.islink(link) and os.readlink(link) == version:
            return False
        os.symlink(version, link + ".new")
        os.replace(link + ".new", link)
        return True

    def _forget_old(self, current):
        there = [entry.path for entry in os.scandir(self.into)
                 if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(".") and entry.name != current]
        there.sort(key=lambda path: os.stat(path).st_mtime_ns, reverse=True)
        for path in there[_KEPT - 1:]:
            shutil.rmtree(path, ignore_errors=True)


class Builder(AppBuilder):
    """Of Durable Objects."""

    # `host`: where the host of hubs is on the machine that runs it.
    # `inspect`: port for a debugger, or None.
    def __init__(self, directory, into, environment=None, host=HOST, umask=-1, inspect=None):
        super().__init__(directory, into, umask)
        self.project = None  # as it was read last
        self._environment = environment
        self._host = host
        self._inspect = {"inspect": inspect} if inspect else {}

    def watched(self, inputs, failed):
        project = self.project
        paths = {os.path.join(self.directory, name) for name in (
            *wrangler_config.FILES, "package.json", "package-lock.json", "tsconfig.json", "node_modules")}
        paths.update(inputs)
        # A new file may take the place of one that is imported.
        paths.update(os.path.dirname(path) for path in inputs if "/node_modules/" not in path)
        paths.update(project.secrets_files)
        for directory in project.build["watched"] if project.build else ():
            paths.update(watched_files.files(directory))
        if failed:  # what is missing may come anywhere
            paths.update(watched_files.directories(self.directory,
                                                   [project.assets["directory"]] if project.assets else ()))
        return paths

    def needs_command(self, changed):
        project = self.project
        return project.build is None or any(
            path == project.file or path.startswith(tuple(project.build["watched"])) for path in changed)

    def _make(self, run_command):
        self.project = project = wrangler_config.read(self.directory, self._environment)
        if project.build and run_command:
            yield from self._run_command(project.build)
        process = bundle.start(project, self._staging, self._host)
        yield process
        exports, inputs, warnings = bundle.finish(project, process, self._staging)
        return Made(project.name, self._manifest(project, exports), [bundle.OUTPUT, bundle.OUTPUT + ".map"],
                    list(project.classes), project.notices + ([warnings] if warnings else []), inputs)

    def _run_command(self, build):
        binaries = os.path.join(self.directory, "node_modules", ".bin")
        process = bundle.run(["/bin/sh", "-c", build["command"]], build["directory"], self._staging, umask=self._umask,
                             path=f"{binaries}:{os.environ.get('PATH', os.defpath)}")
        yield process
        if process.returncode != 0:
            said = "\n".join(filter(None, (bundle.said(self._staging, "said"), bundle.said(self._staging, "errors"))))
            raise ProjectError(f"{said}\nbuild.command ended with exit status {process.returncode}:"
                               f" {build['command']}".lstrip())

    def _manifest(self, project, exports):
        return {
            "name": project.name,
            "command": [bundle.NODE, "--enable-source-maps", os.path.join(self._host, "host.mjs")],
            "environment": {},
            "http": True,
            "classes": [*(_class(project.stored_as[name], name, sql=sql, ids=True)
                          for name, sql in sorted(project.classes.items())),
                        *(_class(name, name, internal=True) for name in _INTERNAL_CLASSES)],
            "bundle": bundle.OUTPUT,
            "exports": sorted(exports),
            "vars": project.vars,
            "bindings": {"durable_objects": project.durable_objects, "services": project.services},
            "unsupported": project.unsupported,
            "assets": project.assets,
            "crons": project.crons,
            "compatibility_date": project.compatibility_date,
            "compatibility_flags": project.compatibility_flags,
            **self._inspect,
        }


def _class(stored, name, **more):
    renamed = {"class": name} if name != stored else {}
    return {"name": stored, **renamed, "routes": [], "max_message_size": _MAX_MESSAGE, **more}


def kill(process):
    """And what it has started."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
