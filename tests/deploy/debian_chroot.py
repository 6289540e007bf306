"""A bare Debian 12 in a directory, in a mount and a network namespace of its own: what is started there finds every
port free, and nothing of it is left when the test has ended, however that is.

    why_not()                                  # what keeps this machine from it; nothing: it can be done
    with Chroot(directory) as chroot:
        chroot("apt-get", "install", ...)      # with this machine's network
        chroot.inside("dormousectl", "members")
        chroot.in_network(http_get, 8081, "/readyz")
"""

import concurrent.futures
import ctypes
import os
import shutil
import subprocess
import tempfile
import time

from process import REPOSITORY, die_with_parent

_CLONE_NEWNET = 0x40000000
_RELEASE = "bookworm"
# debootstrap takes a minute, and what it makes changes with Debian's point releases.
_CACHE = os.path.join(REPOSITORY, "build", f"debian-{_RELEASE}-minbase.tar")
_CACHE_DAYS = 7
_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}


def _run(*words, **more):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          check=False, **more)
    return done.returncode, done.stdout


def _mirror():
    """That which this machine takes its own packages from."""
    _, said = _run("apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages",
                   f"Codename: {_RELEASE}", "Component: main")
    return (said.split() or ["http://deb.debian.org/debian"])[0]


def _proxies():
    """Lines of apt's configuration."""
    _, said = _run("apt-config", "dump")
    return [line for line in said.splitlines() if line.startswith("Acquire::http") and "Proxy" in line]


def why_not():
    if os.geteuid() != 0:
        return "a chroot takes root"
    status, said = _run("unshare", "--mount", "--net", "true")
    if status != 0:
        return f"no namespaces here: {said.strip()}"
    if not shutil.which("debootstrap"):
        return "debootstrap is not installed (deploy/install package-test)"
    return ""


class Unreachable(Exception):
    """The mirror of Debian's packages gives none; the sentence says what it says."""


def _bootstrap():
    """The archive of the bare system, made anew where it is old."""
    try:
        if time.time() - os.stat(_CACHE).st_mtime < _CACHE_DAYS * 86400:
            return _CACHE
    except FileNotFoundError:
        pass
    os.makedirs(os.path.dirname(_CACHE), exist_ok=True)
    proxy = [line.split('"')[1] for line in _proxies() if line.startswith("Acquire::http::Proxy ")]
    with tempfile.TemporaryDirectory(prefix="dormouse-debootstrap-") as directory:
        status, said = _run("debootstrap", "--variant=minbase", _RELEASE, directory, _mirror(),
                            env={**os.environ, **({"http_proxy": proxy[0]} if proxy else {})})
        if status != 0:
            raise Unreachable(f"debootstrap: {said.strip().splitlines()[-1]}")
        made = f"{_CACHE}.{os.getpid()}"
        subprocess.run(["tar", "--one-file-system", "--numeric-owner", "--exclude=./var/cache/apt/archives/*.deb", "-C",
                        directory, "-cf", made, "."], check=True)
        os.rename(made, _CACHE)
    return _CACHE


class Chroot:
    def __init__(self, directory):
        """`directory` exists, and is empty."""
        self.root = os.path.realpath(directory)
        self._keeper = self._network = None

    def __enter__(self):
        subprocess.run(["tar", "--numeric-owner", "-C", self.root, "-xf", _bootstrap()], check=True)
        os.chmod(self.root, 0o755)
        shutil.copyfile("/etc/resolv.conf", self.path("/etc/resolv.conf"))
        with open(self.path("/etc/apt/apt.conf.d/proxy"), "w", encoding="utf-8") as file:
            file.write("\n".join([*_proxies(), ""]))
        # An idle process keeps the namespaces; the mounts in them go when it does.
        self._keeper = subprocess.Popen(
            ["unshare", "--mount", "--net", "sh", "-c",
             'mount --bind "$0" "$0" && mount --rbind /dev "$0/dev" && mount --rbind /proc "$0/proc" &&'
             ' ip link set lo up && echo up && exec sleep infinity', self.root],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=die_with_parent, start_new_session=True)
        assert self._keeper.stdout.readline() == b"up\n", "no namespaces: see the error above"
        self._network = concurrent.futures.ThreadPoolExecutor(1, initializer=self._enter_network)
        return self

    def __exit__(self, *_):
        if self._network:
            self._network.shutdown()
        if self._keeper:
            self._keeper.kill()
            self._keeper.wait()
            self._keeper.stdout.close()

    def path(self, path):
        """Where a file of that system is on this one."""
        return self.root + path

    @property
    def namespaces(self):
        """Words before a command that is to run in them, of this system."""
        return [*self._mounts, f"--net=/proc/{self._keeper.pid}/ns/net"]

    @property
    def _mounts(self):
        return ["nsenter", f"--mount=/proc/{self._keeper.pid}/ns/mnt"]

    def _chrooted(self, prefix, words):
        status, said = _run(*prefix, "chroot", self.root, *words, env=_ENVIRONMENT)
        assert status == 0, f"{' '.join(words)}:\n{said[-4000:]}"
        return said

    def __call__(self, *words):
        """What a command of that system says, with this machine's network; fails with it where it does."""
        return self._chrooted(self._mounts, words)

    def inside(self, *words):
        """The same without this machine's network."""
        return self._chrooted(self.namespaces, words)

    def apt(self, *words):
        return self("apt-get", "-q", "-y", "-o", "Acquire::Retries=3", *words)

    def in_network(self, function, *arguments, **named):
        """What the function returns, in a thread whose new sockets are of the chroot's network."""
        return self._network.submit(function, *arguments, **named).result()

    def _enter_network(self):
        with open(f"/proc/{self._keeper.pid}/ns/net", "rb") as file:
            if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), _CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")
