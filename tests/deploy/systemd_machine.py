"""A Debian in a directory as a machine that systemd has started, in a container of podman without a network.

    with Machine(root) as machine:          # NoMachine: podman cannot do that here; the sentence says why
        machine("systemctl", "start", ...)
"""

import os
import resource
import shutil
import subprocess

from process import wait_until


_PROCESSES = 4096


class NoMachine(Exception):
    pass


def _run(*words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=120, check=False)
    return done.returncode, done.stdout.strip()


class Machine:
    def __init__(self, root):
        self._root = root
        self._name = f"dormouse-systemd-{os.getpid()}"
        self._image = f"localhost/{self._name}"

    def __enter__(self):
        if not shutil.which("podman"):
            raise NoMachine("podman is not installed")
        tar = ["tar", "--one-file-system", "-C", self._root, "-c", "."]
        with subprocess.Popen(tar, stdout=subprocess.PIPE) as packed:
            done = subprocess.run(["podman", "import", "-", self._image], stdin=packed.stdout, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, text=True, check=False)
        try:
            if done.returncode != 0:
                raise NoMachine(f"podman imports no image: {done.stdout.strip()[-200:]}")
            # Units make namespaces of their own. Podman's own limits are more than some machines grant.
            limits = [f"--ulimit={name}={hard}:{hard}" for name, hard in (
                ("nofile", resource.getrlimit(resource.RLIMIT_NOFILE)[1]), ("nproc", _PROCESSES))]
            status, said = _run("podman", "run", "--detach", "--name", self._name, "--privileged", "--systemd=always",
                                "--network=none", *limits, self._image, "/lib/systemd/systemd")
            if status != 0:
                raise NoMachine(f"podman starts no systemd here: {said[-200:]}")
            wait_until(self._is_up, "systemd is up", timeout=60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        _run("podman", "rm", "--force", "--time", "0", self._name)
        _run("podman", "rmi", "--force", self._image)

    def try_to(self, *words):
        """(exit status, all that a command on the machine says)"""
        return _run("podman", "exec", self._name, *words)

    def __call__(self, *words):
        status, said = self.try_to(*words)
        assert status == 0, f"{' '.join(words)}:\n{said}"
        return said

    def _is_up(self):
        status, said = _run("podman", "inspect", "--format", "{{.State.Running}}", self._name)
        if (status, said) != (0, "true"):
            raise NoMachine(f"systemd ends in a container here: {_run('podman', 'logs', self._name)[1][-200:]}")
        return self.try_to("systemctl", "is-system-running")[1] in ("running", "degraded")
