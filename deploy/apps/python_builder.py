"""Builds a Python project (python_config.py): its files are copied, as they are, and looked at by the host
(clients/hubs/python/check.py). So a worker that is started again runs the version that it ran before, whatever has been saved
meanwhile."""

import json
import os
import shutil

import builder as builders
import bundle
import python_config
from wrangler_config import ProjectError

HOST = builders.host_directory("python")
_PYTHON = "/usr/bin/python3"  # what Debian's packages of modules are for
_CODE = "code"
_NOT_COPIED = {"__pycache__", "node_modules"}
_MOST_FILES = 2000
_MOST_BYTES = 64 << 20


class PythonBuilder(builders.AppBuilder):
    # `host`: where the host of hubs is on the machine that runs it.
    def __init__(self, directory, into, host=HOST, umask=-1):
        super().__init__(directory, into, umask)
        if host is None or HOST is None:
            raise ProjectError("The host of hubs in Python (hubs/python) is not there.")
        self._host = host

    def watched(self, inputs, failed):
        paths = {os.path.join(self.directory, python_config.FILE), *inputs}
        paths.update(folder for folder, _ in _folders(self.directory))
        if failed:
            paths.update(_files(self.directory))
        return paths

    def needs_command(self, changed):
        return False

    def _make(self, run_command):
        project = python_config.read(self.directory)
        files = self._copy()
        code = os.path.join(self._staging, _CODE)
        process = bundle.run([_PYTHON, "-B", os.path.join(HOST, "check.py"), code, project.main, *project.classes],
                             code, self._staging, environment=project.vars)
        yield process
        errors = bundle.said(self._staging, "errors").replace(code, self.directory)
        if process.returncode != 0:
            raise ProjectError(errors or f"The project ended its build with status {process.returncode}, and said nothing."
                                         " What it does when it is imported must come to an end.")
        found = json.loads(bundle.said(self._staging, "said"))
        for name in ("said", "errors"):
            os.remove(os.path.join(self._staging, name))
        copies = [os.path.join(_CODE, os.path.relpath(path, self.directory)) for path in files]
        return builders.Made(project.name, self._manifest(project, found, copies), copies, list(project.classes),
                             [errors] if errors else [], files)

    def _copy(self):
        files = list(_files(self.directory))
        if len(files) > _MOST_FILES:
            raise ProjectError(f"{self.directory} has more than {_MOST_FILES} files. A project is a directory of its own.")
        size = 0
        for path in files:
            target = os.path.join(self._staging, _CODE, os.path.relpath(path, self.directory))
            os.makedirs(os.path.dirname(target), exist_ok=True)
            shutil.copyfile(path, target)
            size += os.stat(target).st_size
            if size > _MOST_BYTES:
                raise ProjectError(f"{self.directory} has more than {_MOST_BYTES >> 20} MiB. What its code does not read"
                                   " belongs elsewhere.")
        return files

    def _manifest(self, project, found, copies):
        classes = []
        for name, each in sorted(project.classes.items()):
            paths = [each.path] if each.path else []
            # Where a class answers plain requests, its sockets come by the same way: the host knows the paths.
            by_http = found[name]["http"]
            classes.append({"name": name, "routes": [] if by_http else paths, "max_message_size": each.max_message_size,
                            **({"http": paths} if by_http else {})})
        return {
            "name": project.name,
            "command": [_PYTHON, "-B", os.path.join(self._host, "host.py")],
            "environment": project.vars,
            "http": any(each.get("http") for each in classes),
            "classes": classes,
            "code": _CODE,
            "main": project.main,
            "source": self.directory,
            "files": copies,
        }


def _folders(root):
    """(path, names of its files) of those in which a project has something: nothing hidden or generated, and no
    environment with packages of its own."""
    for path, below, names in os.walk(root):
        below[:] = sorted(name for name in below if name not in _NOT_COPIED and not name.startswith(".")
                          and not os.path.exists(os.path.join(path, name, "pyvenv.cfg")))
        yield path, sorted(name for name in names if not name.startswith(".") and not name.endswith((".pyc", "~"))
                           and os.path.isfile(os.path.join(path, name)))


def _files(root):
    count = 0
    for path, names in _folders(root):
        for name in names:
            yield os.path.join(path, name)
            count += 1
            if count > _MOST_FILES:
                return
