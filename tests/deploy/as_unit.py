"""as_unit.py ROOT UNIT: becomes what UNIT's ExecStart says, below ROOT and under what the unit lets it do, as systemd
would have it: user, directories, capabilities, read-only files, system calls. For where no systemd runs: in a chroot.

What is not done here (_LEFT_TO_SYSTEMD) needs systemd or a whole system; an option that is not known is an error."""

import ctypes
import errno
import os
import re
import resource
import shlex
import signal
import subprocess
import sys

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_CLONE_NEWNS = 0x20000
_PROT_WRITE, _PROT_EXEC, _SHM_EXEC = 2, 4, 0o100000
_FAMILIES = {"AF_UNIX": 1, "AF_INET": 2, "AF_INET6": 10, "AF_NETLINK": 16}
_LEFT_TO_SYSTEMD = {
    "Type", "NotifyAccess", "ExecReload", "ExecStopPost", "TimeoutStopSec", "Restart", "RestartSec", "RestartPreventExitStatus",
    "PrivateUsers", "PrivateDevices", "ProtectClock", "ProtectControlGroups", "ProtectHome", "ProtectHostname",
    "ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "ProtectProc", "RestrictNamespaces",
    "RestrictRealtime", "RestrictSUIDSGID", "LockPersonality", "SystemCallArchitectures"}
_libc = ctypes.CDLL(None, use_errno=True)


def read_unit(path):
    """Option of [Service] -> its values, in order. Of an instance, name@instance.service, what its template says."""
    options, section = {}, ""
    template, instance = re.fullmatch(r"(.*@|.*?)(?:(?<=@)(\w*))?\.service", path).groups()
    with open(template + ".service", encoding="utf-8") as file:
        for line in (line.strip() for line in file):
            if line.startswith("["):
                section = line
            elif section == "[Service]" and line and line[0] not in "#;":
                name, _, value = line.partition("=")
                options.setdefault(name, []).append(value.replace("%i", instance or ""))
    return options


def _check(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")


def _user(root, name):
    """(uid, gid) by the passwd of that system."""
    with open(os.path.join(root, "etc/passwd"), encoding="utf-8") as file:
        entry = next(line.split(":") for line in file if line.startswith(name + ":"))
    return int(entry[2]), int(entry[3])


def _calls(root, names):
    """The system calls of these names, of which those with @ are groups."""
    found = set()
    for name in names:
        if name.startswith("@"):
            said = subprocess.run(["chroot", root, "systemd-analyze", "syscall-filter", name], stdout=subprocess.PIPE,
                                  text=True, check=True).stdout
            inner = [line.strip() for line in said.splitlines()[1:]]
            found |= _calls(root, [line for line in inner if line and not line.startswith("#")])
        else:
            found.add(name)
    return found


def _filter(root, options):
    """A seccomp filter of SystemCallFilter, RestrictAddressFamilies and MemoryDenyWriteExecute."""
    import seccomp  # of Debian's python3-seccomp, which the test installs  # pylint: disable=import-outside-toplevel
    allowed = set()
    for words in options["SystemCallFilter"]:
        if words.startswith("~"):
            allowed -= _calls(root, words[1:].split())
        else:
            allowed |= _calls(root, words.split())
    limits = {}  # call -> conditions of which one has to hold
    if options.get("MemoryDenyWriteExecute") == ["yes"]:
        both = _PROT_WRITE | _PROT_EXEC
        limits["mmap"] = [seccomp.Arg(2, seccomp.MASKED_EQ, both, value) for value in (0, _PROT_WRITE, _PROT_EXEC)]
        for call in ("mprotect", "pkey_mprotect"):
            limits[call] = [seccomp.Arg(2, seccomp.MASKED_EQ, _PROT_EXEC, 0)]
        limits["shmat"] = [seccomp.Arg(2, seccomp.MASKED_EQ, _SHM_EXEC, 0)]
    if families := options.get("RestrictAddressFamilies"):
        limits["socket"] = [seccomp.Arg(0, seccomp.EQ, _FAMILIES[name]) for name in families[0].split()]
    number = getattr(errno, options["SystemCallErrorNumber"][0])
    rules = seccomp.SyscallFilter(seccomp.ERRNO(number))
    for call in sorted(allowed):
        try:
            for condition in limits.get(call, [None]):
                rules.add_rule(seccomp.ALLOW, call, *([condition] if condition else []))
        except (ValueError, RuntimeError):
            pass  # not of this architecture
    return rules


def _mount(*words):
    subprocess.run(["mount", *words], check=True)


def _isolate(root, options, writable):
    """A mount namespace in which nothing below root can be written but `writable`."""
    _check(_libc.unshare(_CLONE_NEWNS), "unshare")
    _mount("--make-rprivate", "/")
    _mount("--rbind", root, root)
    for path in writable:
        _mount("--bind", root + path, root + path)
    if options.get("ProtectSystem") == ["strict"]:
        _mount("-o", "remount,bind,ro", root)
    if options.get("PrivateTmp") == ["yes"]:
        for path in ("/tmp", "/var/tmp"):
            _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", root + path)


def main(root, unit):
    options = read_unit(unit)
    done = {"User", "Group", "ExecStart", "LimitNOFILE", "UMask", "StateDirectory", "StateDirectoryMode",
            "AmbientCapabilities", "CapabilityBoundingSet", "MemoryDenyWriteExecute", "NoNewPrivileges", "PrivateTmp",
            "ProtectSystem", "RestrictAddressFamilies", "SystemCallErrorNumber", "SystemCallFilter"}
    if unknown := options.keys() - done - _LEFT_TO_SYSTEMD:
        sys.exit(f"as_unit.py knows nothing of {', '.join(sorted(unknown))}")
    assert options["CapabilityBoundingSet"] == options["AmbientCapabilities"] == [""]
    uid, gid = _user(root, options["User"][0])
    writable = []
    for name in options.get("StateDirectory", []):
        path = root + "/var/lib/" + name
        os.makedirs(path, exist_ok=True)
        os.chmod(path, int(options["StateDirectoryMode"][0], 8))
        os.chown(path, uid, gid)
        writable.append("/var/lib/" + name)
    rules = _filter(root, options)
    _isolate(root, options, writable)
    # As many as this machine grants.
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    limit = min(int(options["LimitNOFILE"][0]), hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    os.umask(int(options["UMask"][0], 8))
    os.chroot(root)
    os.chdir("/")
    for capability in range(64):
        _libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)  # fails beyond the last that there is
    parent = os.getppid()
    os.setgroups([])
    os.setresgid(gid, gid, gid)
    os.setresuid(uid, uid, uid)
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)  # another user's now, which has undone it
    if os.getppid() != parent:
        sys.exit("as_unit.py: who started it has ended")
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no new privileges")
    rules.load()
    words = shlex.split(options["ExecStart"][0])
    os.execve(words[0], words, {"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"})


if __name__ == "__main__":
    main(*sys.argv[1:])
