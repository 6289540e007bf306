"""Runs a cluster's processes: starts them, waits until they are ready, starts again what crashes, stops them in order.

One thread. Signals are blocked and taken in one place (`_wait`), so nothing here is interrupted half-way. The
processes are in sessions of their own: a Ctrl-C at the terminal reaches the supervisor only, which stops them in
order. They survive the supervisor: should it be killed, sockets stay open and `down` or the next `up` finds the
processes by the record.

Once all is ready nothing but a signal ends it: what it cannot write (a full disk) it writes when there is room, and
what it cannot start it tries again.
"""

import contextlib
import datetime
import os
import resource
import signal
import subprocess
import time

import health
import logs
import processes
from layout import Failure

READY_TIMEOUT = 60       # seconds
FIRST_BACKOFF = 0.1      # seconds before a crashed process is started again; doubles with every crash in a row
MAX_BACKOFF = 10
STEADY_AFTER = 30        # a process that lived this long starts over with the first back-off
WRITE_AGAIN_AFTER = 1    # seconds after the record could not be written
_LINES_KEPT = 1000       # of the log, while that cannot be written
_FULL = 1 << 20          # bytes; a disk with less of them has no room for what processes write

_STOP = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_ALL = _STOP | {signal.SIGCHLD}


def block_signals():
    """Before anything else in a process that will run a Supervisor."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _ALL)


class Interrupted(Exception):
    """Somebody asked to stop while the cluster was starting."""


class _Child:
    def __init__(self, plan):
        self.plan = plan
        self.popen = None
        self.started_at = 0.0   # monotonic
        self.restarts = 0
        self.backoff = FIRST_BACKOFF
        self.cause = ""         # why it may have ended the last time
        self.restart_at = None  # monotonic; None: it runs
        self.successor = None   # a Popen that is to take over from it
        self.takeovers = 0
        self.refusals = 0       # successors that could not
        self.refusal = ""       # why the last one could not

    def entry(self):
        """As it is recorded."""
        pid = self.popen.pid if self.popen and self.restart_at is None else 0
        return {"name": self.plan.name, "kind": self.plan.kind, "pid": pid,
                "started": processes.start_time(pid) if pid else None, "admin": self.plan.admin,
                "socket": self.plan.socket, "restarts": self.restarts, "takeovers": self.takeovers,
                "refusals": self.refusals, "refusal": self.refusal}


class Supervisor:
    def __init__(self, plan, layout, app=None):
        self._plan = plan
        self._layout = layout
        self._app = app           # whose new versions statekeepers are to run; or None
        self._children = [_Child(process) for process in plan.processes]
        self._log = logs.begin(layout.log("supervisor"))
        self._unsaid = b""        # of the log: what could not be written yet
        self._record_at = None    # monotonic; the record is to be written then. None: it is as it should be

    def start(self):
        """Starts everything and returns when all of it is ready. Raises Failure when a process ends before that
        or takes too long, Interrupted when a signal says so; then stop() is to be called as ever."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < hard:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # a socket is a descriptor
        for child in self._children:
            logs.begin(self._layout.log(child.plan.name)).close()
        deadline = time.monotonic() + READY_TIMEOUT
        for kind in ("redis", "statekeeper", "gateway"):
            waiting = [child for child in self._children if child.plan.kind == kind]
            for child in waiting:
                self._launch(child)
            self._record()
            while waiting:
                ready, why = health.readiness(waiting[0].entry())
                self._fail_if_ended()
                if ready:
                    waiting.pop(0)
                elif time.monotonic() > deadline:
                    raise Failure(self._with_log(waiting[0], f"is not ready after {READY_TIMEOUT} s: {why}"))
                elif self._wait(0.02) in _STOP:
                    raise Interrupted
        self._say(f"ready: {self._plan.url}")

    def watch(self, each_turn=lambda: None):
        """Restarts what ends, until a signal to stop comes. Calls `each_turn` several times a second."""
        while self._wait(0.2) not in _STOP:
            for child in self._children:
                self._tend_successor(child)
                self._tend(child)
                self._rotate(child)
            if self._app:
                self._tend_app()
            if self._record_at is not None and time.monotonic() >= self._record_at:
                self._record_or_later()
            if self._unsaid:
                self._write_log()
            each_turn()

    def stop(self):
        """Stops everything in order, at once where the signal to stop comes a second time."""
        if self._app:
            self._app.stop()
        for child in self._children:
            if child.successor:
                child.successor.kill()
                child.successor.wait()
        for names in self._plan.stop_order():
            stopping = [child for child in self._children if child.plan.name in names and child.popen]
            killed = processes.stop([child.entry() for child in stopping], self._layout.data,
                                    self._plan.stop_timeout, hurry=lambda: bool(signal.sigpending() & _STOP))
            for child in stopping:
                status = child.popen.wait()
                self._say(f"{child.plan.name} {'had to be killed' if child.plan.name in killed else _ended(status)}")
        self._layout.remove_record()

    def _tend_successor(self, child):
        """Starts one where somebody has asked for it, and sees how that ends: it is the child then, or it was refused."""
        if child.plan.kind != "gateway" or child.restart_at is not None:
            return
        if child.successor is None:
            try:
                os.remove(self._layout.replacement(child.plan.name))
            except OSError:
                return
            try:
                child.successor = self._start(child, ["--take-over"])
            except Failure as failure:
                self._refuse(child, str(failure))
        elif child.popen.poll() is not None:
            # Where it was a crash the successor has everything, and serves, or it ends as well and is started again.
            child.popen, child.successor = child.successor, None
            child.started_at = time.monotonic()
            child.takeovers += 1
            self._say(f"{child.plan.name} was replaced without closing a socket; its pid is {child.popen.pid} now")
            self._record_or_later()
        elif child.successor.poll() is not None:
            lines = [line for line in logs.tail(self._layout.log(child.plan.name), 20) if "not taking over: " in line]
            why = lines[-1].partition("not taking over: ")[2] if lines else f"it {_ended(child.successor.returncode)}"
            child.successor = None
            self._refuse(child, why)

    def _refuse(self, child, why):
        child.refusals += 1
        child.refusal = why
        self._say(f"{child.plan.name} goes on, its successor could not take over: {why}")
        self._record_or_later()

    def _launch(self, child):
        child.popen = self._start(child)
        child.started_at = time.monotonic()
        child.restart_at = None

    def _start(self, child, more=()):
        # A statekeeper that is told of a new version before it listens to signals hears of it when it does.
        blocked = {signal.SIGHUP} if child.plan.kind == "statekeeper" else ()
        try:
            with open(self._layout.log(child.plan.name), "ab") as log:
                return subprocess.Popen(
                    [*child.plan.command, *more], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
                    preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_SETMASK, blocked))  # only this thread exists
        except (OSError, subprocess.SubprocessError) as error:
            raise Failure(f"Cannot start {child.plan.name}: {error}.") from error

    def _tend(self, child):
        now = time.monotonic()
        if child.restart_at is None and child.popen.poll() is not None:
            if now - child.started_at > STEADY_AFTER or child.popen.returncode == 0:  # 0: it was asked to end
                child.backoff = FIRST_BACKOFF
            self._start_later(child, _ended(child.popen.returncode) + self._cause(child))
            self._record_or_later()
        if child.restart_at is not None and now >= child.restart_at:
            child.restarts += 1
            try:
                self._launch(child)
            except Failure as failure:
                self._start_later(child, f"could not be started ({failure})")
            self._record_or_later()

    def _cause(self, child):
        """Why it may have ended, where that was not said the last time: on a full disk it cannot say so itself."""
        before, child.cause = child.cause, ""
        with contextlib.suppress(OSError):
            disk = os.statvfs(self._layout.data)
            if child.popen.returncode != 0 and disk.f_bavail * disk.f_frsize < _FULL:
                child.cause = f" (the disk is full: {disk.f_bavail * disk.f_frsize >> 10} KiB are free at {self._layout.data})"
        return "" if before else child.cause

    def _tend_app(self):
        try:
            is_new, lines = self._app.turn()
        except Exception as error:  # pylint: disable=broad-except  # a project is no reason to leave a cluster alone
            is_new, lines = False, [f"the app cannot be looked after: {error!r}"]
        if is_new:
            for child in self._children:
                if child.plan.kind == "statekeeper" and child.popen.poll() is None:
                    child.popen.send_signal(signal.SIGHUP)
            self._record_or_later()
        for line in lines:
            self._say(line)

    def _start_later(self, child, why):
        child.restart_at = time.monotonic() + child.backoff
        self._say(f"{child.plan.name} {why}; starting it again in {child.backoff:g} s")
        child.backoff = min(child.backoff * 2, MAX_BACKOFF)

    def _record_or_later(self):
        try:
            self._record()
        except OSError as error:
            if self._record_at is None:
                self._say(f"the record of what runs cannot be written: {error}; going on, and trying again")
            self._record_at = time.monotonic() + WRITE_AGAIN_AFTER
            return
        if self._record_at is not None:
            self._record_at = None
            self._say("the record of what runs is written again")

    def _rotate(self, child):
        try:
            logs.rotate_if_large(self._layout.log(child.plan.name))
        except OSError:  # its lines stay where they are
            pass

    def _fail_if_ended(self):
        for child in self._children:
            if child.popen and child.popen.poll() is not None:
                raise Failure(self._with_log(child, _ended(child.popen.returncode) + " while starting"))

    def _with_log(self, child, what):
        path = self._layout.log(child.plan.name)
        last = "".join(f"  {line}\n" for line in logs.tail(path, 20))
        return f"{child.plan.name} {what}. The end of {path}:\n{last or '  (it is empty)'}".rstrip("\n")

    def _record(self):
        self._layout.write_record({
            "supervisor": {"name": "supervisor", "pid": os.getpid(), "started": processes.start_time(os.getpid())},
            "url": self._plan.url, "api": self._plan.api, "api_key": self._plan.api_key, "tls": self._plan.tls,
            "app": self._app.record() if self._app else None, "store": self._plan.store, "stop_timeout": self._plan.stop_timeout,
            "processes": [child.entry() for child in self._children]})

    def _wait(self, seconds):
        """The next signal; None after `seconds`, or earlier where a process waits to be started again."""
        due = [child.restart_at - time.monotonic() for child in self._children if child.restart_at is not None]
        info = signal.sigtimedwait(_ALL, max(0, min([seconds, *due])))
        return info.si_signo if info else None

    def _say(self, text):
        now = datetime.datetime.now(datetime.timezone.utc)
        line = f"{now:%Y-%m-%dT%H:%M:%S}.{now.microsecond // 1000:03} supervisor info {text}\n"
        self._unsaid += line.encode()
        self._write_log()

    def _write_log(self):
        """What can be written of what was said; the rest when there is room, without the oldest of very much."""
        try:
            while self._unsaid:
                self._unsaid = self._unsaid[self._log.write(self._unsaid):]
        except OSError:
            self._unsaid = b"".join(self._unsaid.splitlines(keepends=True)[-_LINES_KEPT:])


def _ended(status):
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"
