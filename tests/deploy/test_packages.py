"""deploy/package makes Debian packages of the build under test; in a bare Debian they install, their services start as
systemd would start them and carry an echo, and purging leaves nothing but the user. Where there can be no such Debian
this says why, and does not run."""

import asyncio
import glob
import os
import re
import shutil
import signal
import stat
import subprocess
import sys

import as_unit
import pytest
from cluster import BIN, REPOSITORY
from debian_chroot import Chroot, Unreachable, why_not
from process import Process, http_get, wait_until
from systemd_machine import Machine, NoMachine
from ws import echo

_NAMES = {"dormouse-gateway", "dormouse-statekeeper", "dormouse-hubs", "dormouse-ctl"}
_SERVERS = ("dormouse-statekeeper", "dormouse-gateway")
_ADMIN = {"dormouse-gateway": 8081, "dormouse-statekeeper": 7401}
_UNITS = "/lib/systemd/system/"


def _made(*words, **more):
    """What a command says; fails with it where the command does."""
    done = subprocess.run(words, cwd=REPOSITORY, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False, **more)
    assert done.returncode == 0, f"{' '.join(words)}:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(name="packages", scope="module")
def _packages(tmp_path_factory):
    """Package -> its file."""
    if os.path.basename(os.path.dirname(BIN)) != "release":
        pytest.skip("packages are made of release builds")
    tools = subprocess.run(["deploy/install", "package", "package-test"], cwd=REPOSITORY, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if tools.returncode != 0:
        pytest.skip(f"what packages are made with is not there: {tools.stdout.strip().splitlines()[-1]}")
    output = tmp_path_factory.mktemp("packages")
    # Nothing here needs the packages of debug symbols, which take longer than all the rest.
    listed = _made("deploy/package", "--bin", BIN, "--output", str(output),
                   env={**os.environ, "DEB_BUILD_OPTIONS": "noautodbgsym"}).splitlines()
    return {os.path.basename(path).partition("_")[0]: path for path in listed}


@pytest.fixture(name="lintian", scope="module")
def _lintian(packages):
    """(exit status, errors and warnings) of Debian's checker, which on a busy machine takes longer than a test may."""
    changes = glob.glob(os.path.join(os.path.dirname(packages["dormouse-ctl"]), "*.changes"))
    said = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", *changes], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return said.returncode, said.stdout


class _Service:
    """A service of the chroot, started as its unit says."""

    def __init__(self, chroot, name, directory):
        self._chroot = chroot
        unit = chroot.path(f"{_UNITS}{name}.service")
        program = os.path.join(os.path.dirname(os.path.abspath(__file__)), "as_unit.py")
        self.process = Process(name, [sys.executable, program, chroot.root, unit], directory,
                               prefix=chroot.namespaces)
        self._admin = _ADMIN[name] if name in _ADMIN else int(name.partition("@")[2])

    def start(self):
        self.process.start()
        wait_until(self.is_ready, f"{self.process.name} is ready:\n{self.process.log_text()}", timeout=30)

    def is_ready(self):
        assert self.process.running(), self.process.log_text()
        try:
            return self._chroot.in_network(http_get, self._admin, "/readyz")[0] == 200
        except OSError:
            return False

    def status(self, name):
        """A line of /proc/PID/status, as words."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii") as file:
            return next(line.split()[1:] for line in file if line.startswith(name + ":"))


@pytest.fixture(name="chroot", scope="module")
def _chroot(packages, tmp_path_factory):
    """A bare Debian in which the packages are installed."""
    if why := why_not():
        pytest.skip(why)
    directory = tmp_path_factory.mktemp("chroot")
    try:
        with Chroot(directory) as chroot:
            for path in packages.values():
                shutil.copy(path, chroot.path("/root"))
            files = [f"/root/{os.path.basename(path)}" for path in packages.values()]
            try:
                chroot.apt("update")
                chroot.apt("install", "--download-only", *files)
            except AssertionError as error:
                pytest.skip(f"Debian's mirror cannot be reached: {str(error).strip().splitlines()[-1]}")
            chroot.apt("install", "--no-install-recommends", *files)
            yield chroot
    except Unreachable as error:
        pytest.skip(f"Debian's mirror cannot be reached: {error}")
    finally:
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(name="machine", scope="module")
def _machine(chroot):
    """That Debian, started by systemd."""
    try:
        with Machine(chroot.root) as machine:
            yield machine
    except NoMachine as why:
        pytest.skip(str(why))


def test_packages_are_what_they_say(packages):
    assert packages.keys() == _NAMES
    with open(os.path.join(REPOSITORY, "CMakeLists.txt"), encoding="utf-8") as file:
        version = re.search(r"^project\(dormouse VERSION (\S+)", file.read(), re.M)[1]
    for name, path in packages.items():
        assert _made("dpkg-deb", "--field", path, "Version").startswith(version)
        depends = _made("dpkg-deb", "--field", path, "Depends")
        hubs = name == "dormouse-hubs"
        assert ("libgrpc++" in depends, "libc6" in depends, "nodejs" in depends) == (not hubs, True, hubs), name
        assert ("libsqlite3-0" in depends) == (hubs or name == "dormouse-statekeeper"), name


def test_the_package_of_hubs_has_what_runs_and_nothing_else(packages, tmp_path):
    _made("dpkg-deb", "--extract", packages["dormouse-hubs"], str(tmp_path))
    files = {os.path.relpath(os.path.join(folder, name), tmp_path) for folder, _, names in os.walk(tmp_path)
             for name in names}
    share = "usr/share/dormouse/"
    assert {share + "hubs/js/host.mjs", share + "hubs/js/sqlite/addon.mjs", share + "apps/builder.py",
            share + "hubs/python/host.py", share + "hubs/python/dormouse_hubs/py.typed",
            "usr/bin/dormouse-build-app", "usr/lib/dormouse/dormouse_sqlite.node"} <= files
    assert not [path for path in files if path.startswith(share) and re.search(r"test|\.(cc|h|md|pyc)$", path)]
    # The addon is found from there, and loads.
    addon = tmp_path / share / "hubs/js/sqlite/addon.mjs"
    _made("node", "--input-type=module", "-e", f"import {{sqliteAddon}} from '{addon}'; sqliteAddon()")


def test_lintian_finds_nothing(lintian):
    assert lintian == (0, "")


def test_what_is_installed_is_roots_and_for_all_to_read(chroot):
    for name in _NAMES:
        chroot("dpkg", "--verify", name)
        for path in chroot("dpkg", "-L", name).split("\n"):
            info = os.lstat(chroot.path(path)) if path.startswith("/") else None
            if info is None or stat.S_ISLNK(info.st_mode):
                continue
            program = path.startswith("/usr/bin/") or path == "/usr/share/dormouse/build-app"
            wanted = 0o755 if stat.S_ISDIR(info.st_mode) or program else 0o644
            assert (info.st_uid, info.st_gid, oct(info.st_mode & 0o7777)) == (0, 0, oct(wanted)), path
    conffiles = chroot("dpkg-query", "-W", "-f", "${Conffiles}\n", *_NAMES)
    assert set(re.findall(r"^ (\S+) ", conffiles, re.M)) == {f"/etc/dormouse/{name}.toml"
                                                            for name in ("gateway", "statekeeper")}
    entry = chroot("getent", "passwd", "dormouse").strip().split(":")
    assert int(entry[2]) < 1000 and entry[5:] == ["/var/lib/dormouse", "/usr/sbin/nologin"]
    assert chroot("passwd", "--status", "dormouse").split()[1] == "L"


def test_configuration_is_every_option_at_its_default(chroot):
    for name in _SERVERS:
        path = f"/etc/dormouse/{name.removeprefix('dormouse-')}.toml"
        configured = chroot(name, "--config", path, "--check-config").splitlines()
        defaults = chroot(name, "--check-config").splitlines()
        assert [line for line in configured if line not in defaults] == ['data = "/var/lib/dormouse"']
        # Each line is a default indeed: with all of them in effect nothing is different.
        with open(chroot.path(path), encoding="utf-8") as file:
            everything = re.sub(r"^# ([a-z][\w-]* = (?!\[\]))", r"\1", file.read(), flags=re.M)
        with open(chroot.path("/root/everything.toml"), "w", encoding="utf-8") as file:
            file.write(everything)
        assert len(re.findall(r"^\w", everything, re.M)) > 20
        assert chroot(name, "--config", "/root/everything.toml", "--check-config").splitlines() == configured


def test_units(chroot):
    for name in (*_SERVERS, "dormouse-gateway@8082"):
        file = re.sub("@.*", "@", name) + ".service"
        unit = f"{name}.service" if "@" in name else _UNITS + file
        assert chroot("systemd-analyze", "verify", "--man=no", unit) == ""
        said = chroot("systemd-analyze", "security", "--offline=true", "--threshold=20", _UNITS + file)
        exposure = re.search(r"Overall exposure level for .*: (\S+) (\w+)", said)
        print(f"{file}: exposure {exposure[1]} {exposure[2]}")
        assert float(exposure[1]) < 2
    # What both may not do is the same, so that one is not forgotten in one of them.
    units = [as_unit.read_unit(chroot.path(f"{_UNITS}{name}.service")) for name in _SERVERS]
    differ = {key for key in units[0].keys() | units[1].keys() if units[0].get(key) != units[1].get(key)}
    assert differ == {"ExecStart", "ExecReload", "TimeoutStopSec", "LimitNOFILE", "StateDirectory", "NotifyAccess",
                      "PrivateUsers", "ExecStopPost"}


def test_units_wait_longer_than_servers_take_to_stop(chroot):
    for name, option in (("dormouse-gateway", "drain-window"), ("dormouse-statekeeper", "stop-timeout")):
        unit = as_unit.read_unit(chroot.path(f"{_UNITS}{name}.service"))
        seconds = int(unit["TimeoutStopSec"][0].removesuffix("s"))
        default = re.search(rf'^{option} = "(\d+)s"$', chroot(name, "--check-config"), re.M)[1]
        assert seconds >= int(default) + 30


def test_installed_servers_are_a_cluster(chroot, tmp_path):
    # The gateway first: it waits for a statekeeper to come.
    gateway, statekeeper, another = services = [_Service(chroot, name, str(tmp_path)) for name in (
        "dormouse-gateway", "dormouse-statekeeper", "dormouse-gateway@8082")]
    gateway.process.start()
    try:
        statekeeper.start()
        wait_until(gateway.is_ready, "the gateway has found the statekeeper", timeout=30)
        another.start()  # at the same port
        for service in services:
            assert service.status("Uid") == [str(os.stat(chroot.path("/var/lib/dormouse")).st_uid)] * 4
            assert service.status("CapBnd") == service.status("CapEff") == ["0" * 16]
            assert (service.status("NoNewPrivs"), service.status("Seccomp")) == (["1"], ["2"])

        async def talk():
            async with echo("ws://127.0.0.1:8080/websocket/room") as client:
                return await client.ask("hello")
        assert chroot.in_network(asyncio.run, talk())["message"] == "hello"
        assert chroot.in_network(http_get, 8080, "/")[1].startswith("<!DOCTYPE html>")
        assert chroot.in_network(http_get, 8080, "/dormouse/index.js")[0] == 200
        assert "all as it should be" in chroot.inside("dormouse-load", "echo", "--connections", "8", "--duration", "1")
        assert " serving " in chroot.inside("dormousectl", "members")
        assert "echo/room" in chroot.inside("dormousectl", "hubs")
        for path, mode in (("", 0o700), ("/run", 0o700), ("/dormouse.db", 0o600)):
            assert os.stat(chroot.path("/var/lib/dormouse" + path)).st_mode & 0o777 == mode
    finally:
        # As systemd does, by After=: gateways first.
        statuses = [service.process.end(signal.SIGTERM, timeout=60) for service in (gateway, another, statekeeper)
                    if service.process.running()]
    assert statuses == [0, 0, 0]


def _shown(machine, name, what):
    return machine("systemctl", "show", "--value", "--property", what, name)


def _talks(machine):
    said = machine.try_to("dormouse-load", "echo", "--connections", "8", "--duration", "1")[1]
    return "all as it should be" in said


def test_services_start_with_the_machine(machine):
    wait_until(lambda: _talks(machine), "the services answer", timeout=60)
    for name in _SERVERS:
        status = machine("cat", f"/proc/{_shown(machine, name, 'MainPID')}/status")
        assert re.search(r"^CapBnd:\t0+$", status, re.M) and re.search(r"^Seccomp:\t2$", status, re.M)
    for user, status in (("dormouse", 0), ("nobody", 3)):
        assert machine.try_to("setpriv", f"--reuid={user}", "--clear-groups", "dormousectl", "members")[0] == status


def test_a_service_that_is_killed_comes_back_and_leaves_nothing(machine):
    def sockets():
        return set(machine("ls", "/var/lib/dormouse/run").split())
    before = sockets()
    machine("systemctl", "kill", "--signal=KILL", "dormouse-statekeeper")
    wait_until(lambda: _shown(machine, "dormouse-statekeeper", "NRestarts") == "1", "systemd starts it again")
    wait_until(lambda: " serving " in machine.try_to("dormousectl", "members")[1], "it serves again", timeout=30)
    assert before and not before & sockets()


def test_more_gateways_restart_with_the_first(machine):
    machine("systemctl", "start", "dormouse-gateway@8082")
    before = _shown(machine, "dormouse-gateway@8082", "MainPID")
    machine("systemctl", "restart", "dormouse-gateway")
    wait_until(lambda: _shown(machine, "dormouse-gateway@8082", "MainPID") not in ("0", before), "it restarts, too")


def test_a_wrong_file_stops_no_service_that_runs_and_lets_none_start(machine):
    machine("sh", "-c", "echo 'lisen = \"x\"' >>/etc/dormouse/gateway.toml")
    try:
        assert machine.try_to("systemctl", "reload", "dormouse-gateway")[0] != 0
        assert _shown(machine, "dormouse-gateway", "ActiveState") == "active"
        machine.try_to("systemctl", "restart", "dormouse-gateway")
        wait_until(lambda: _shown(machine, "dormouse-gateway", "ActiveState") == "failed", "it gives up")
        assert _shown(machine, "dormouse-gateway", "NRestarts") == "0"
        assert "there is no option lisen; is it to be listen?" in machine("journalctl", "--unit=dormouse-gateway")
    finally:
        machine("sed", "-i", "$d", "/etc/dormouse/gateway.toml")
        machine("systemctl", "start", "dormouse-gateway")


def test_gateways_stop_before_statekeepers(machine):
    wait_until(lambda: _talks(machine), "the services answer", timeout=30)
    machine("systemctl", "stop", *reversed(_SERVERS))
    ends = re.findall(r"systemd\[1\]: (Stopped|Stopping) (dormouse-\w+)\.service", machine("journalctl"))[-4:]
    assert ends.index(("Stopping", "dormouse-statekeeper")) > ends.index(("Stopped", "dormouse-gateway"))
    assert [_shown(machine, name, "Result") for name in _SERVERS] == ["success", "success"]


def test_removing_keeps_configuration_and_state_and_purging_nothing(chroot):
    with open(chroot.path("/etc/dormouse/gateway.toml"), "a", encoding="utf-8") as file:
        file.write('log-level = "debug"\n')

    def found():
        return [path for path in chroot("find", "/", "-xdev", "-name", "*dormouse*", "-not", "-path", "/root/*").split()
                if not path.startswith("/proc")]
    chroot.apt("remove", *_NAMES)
    assert not glob.glob(chroot.path("/usr/bin/dormouse*")) and not glob.glob(chroot.path(_UNITS + "dormouse*"))
    assert os.path.exists(chroot.path("/var/lib/dormouse/dormouse.db"))
    with open(chroot.path("/etc/dormouse/gateway.toml"), encoding="utf-8") as file:
        assert file.read().endswith('log-level = "debug"\n')
    chroot.apt("purge", *_NAMES)
    assert found() == []
    assert chroot("getent", "passwd", "dormouse") != ""  # what Debian's policy wants to stay
