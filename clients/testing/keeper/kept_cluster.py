"""A cluster of deploy/local, with what tests do to one: put hubs to sleep, kill, pause and move their owners, and move the
clock.

It listens on free ports of 127.0.0.1, has its files in a directory of its own, and ends with this process, whatever
becomes of that. Hubs are named CLASS/NAME. Times are in seconds, unless they say milliseconds.
"""

import collections
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

import binaries
from failure import Failure
from hub_names import HubNames
from moved_clock import MovedClock

sys.path.append(os.path.join(binaries.CHECKOUT, "deploy", "localcluster"))
import health  # noqa: E402  # pylint: disable=wrong-import-position
import layout  # noqa: E402  # pylint: disable=wrong-import-position
import ports  # noqa: E402  # pylint: disable=wrong-import-position
import processes  # noqa: E402  # pylint: disable=wrong-import-position

_LOOK_EVERY = 0.02
_LINES_KEPT = 60
_STOP_PATIENCE = 10
_ALARMS_PATIENCE = 2
_MOVE_AGAIN_AFTER = 1
_HUBS_LOOKED_AT = 100
_NO_SUCH_HUB = 4  # exit status of dormousectl
_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1
# What a test does not want to wait for, unless it says so.
_SETTINGS = {"drain-window": "100ms"}


def _end_with_parent():
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _directory():
    """For all files. In /tmp, where TMPDIR is too long for the unix sockets in it."""
    base = tempfile.gettempdir()
    name = "dormouse-kit-12345678/data"
    return tempfile.mkdtemp(prefix="dormouse-kit-",
                            dir=base if len(os.path.join(os.path.realpath(base), name)) <= layout.MAX_PATH else "/tmp")


def _settings(given):
    """As words for --set; numbers and booleans as the options have them."""
    for name, value in {**_SETTINGS, **given}.items():
        if value is None:
            continue
        text = str(value).lower() if isinstance(value, bool) else str(value)
        if isinstance(value, (list, tuple)):
            text = ",".join(map(str, value))
        yield from ("--set", f"{name}={text}")


class KeptCluster:
    def __init__(self):
        self.calls = {call.__name__: call for call in (
            self.start, self.stop, self.ctl, self.hub, self.processes, self.logs, self.sleep_now, self.await_life,
            self.kill_owner, self.kill_worker, self.kill_gateway, self.pause_owner, self.resume, self.move_hub,
            self.restart, self.advance_clock)}
        self._directory = None
        self._up = None                                      # the process of deploy/local up
        self._said = collections.deque(maxlen=_LINES_KEPT)   # by it
        self._ready = threading.Event()                      # or ended
        self._stopped = False
        self._stopping = threading.Lock()
        self._paused = {}                                    # name -> entry

    # --- life

    def launch(self, app=None, store="file", gateways=1, statekeepers=1, settings=None, timeout=90):
        """Starts to start it; start() waits."""
        self._bin = binaries.find()
        self._start_by = time.monotonic() + timeout
        self._timeout = timeout
        if app is not None and not os.path.isdir(app):
            raise Failure(f"app: there is no directory {os.path.abspath(app)}.")
        self._directory = _directory()
        self._data = os.path.join(os.path.realpath(self._directory), "data")
        self._names = HubNames(app, self._data)
        self._clock = MovedClock(os.path.join(self._directory, "clock"))
        self._layout = layout.Layout(self._data)
        self._port = ports.choose(None, self._data)
        command = [binaries.LOCAL, "--bin", self._bin, "up", "--data", self._data, "--port", str(self._port),
                   "--store", store, "--gateways", str(gateways), "--statekeepers", str(statekeepers),
                   *(["--app", os.path.abspath(app)] if app is not None else []), *_settings(settings or {})]
        # Options in the caller's environment are of another cluster.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DORMOUSE_")}
        environment["DORMOUSE_TEST_CLOCK"] = self._clock.path
        self._up = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                    text=True, errors="replace", env=environment, start_new_session=True,
                                    preexec_fn=_end_with_parent)  # pylint: disable=subprocess-popen-preexec-fn
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self._up.stdout:
            self._said.append(line.rstrip("\n"))
            if line.startswith("Dormouse is ready: "):
                self._ready.set()
        self._ready.set()

    def start(self):
        """Waits until it is ready."""
        in_time = self._ready.wait(self._start_by - time.monotonic())
        if in_time and (self._up.poll() is None and self._layout.read_record() is not None):
            return {"port": self._port, "data": self._data, "processes": [each["name"] for each in self.processes()],
                    **self._api()}
        said = "\n".join(self._said)
        why = "did not start" if in_time else f"did not start within {self._timeout:g} s"
        if not in_time:
            said += "\n" + self.logs()
        self.stop()
        raise Failure(f"The cluster {why}:\n{said}")

    def _api(self):
        """Where backends call hubs, and their key; empty where the settings have a port of their own for that."""
        record = self._layout.read_record()
        if not record.get("api"):
            return {"api": "", "api_key": ""}
        with open(record["api_key"], encoding="utf-8") as file:
            return {"api": record["api"], "api_key": file.read().strip()}

    def stop(self):
        """At once: what it stores is removed with it."""
        with self._stopping:
            if self._stopped or self._up is None:
                return
            self._stopped = True
            self.resume()
            deadline = time.monotonic() + _STOP_PATIENCE
            while self._up.poll() is None and time.monotonic() < deadline:
                # The first says stop; the next, that it is not to wait.
                self._up.terminate()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._up.wait(0.1)
            self._kill_the_rest()
            shutil.rmtree(self._directory, ignore_errors=True)

    def _kill_the_rest(self):
        """Whatever names the data directory: the supervisor itself may have been killed."""
        with contextlib.suppress(ProcessLookupError):
            self._up.kill()
        self._up.wait()
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):
                with open(f"/proc/{pid}/cmdline", "rb") as file:
                    if os.fsencode(self._data) in file.read():
                        os.kill(int(pid), signal.SIGKILL)

    # --- looking

    def processes(self):
        """Of deploy/local: name, kind, pid, restarts, admin port, and whether it is ready."""
        record = self._record()
        return [{"name": entry["name"], "kind": entry["kind"], "pid": entry["pid"], "restarts": entry["restarts"],
                 "admin": entry["admin"]} for entry in record["processes"]]

    def _record(self):
        record = self._layout.read_record() if self._up and not self._stopped else None
        if record is None:
            raise Failure("The cluster does not run.")
        return record

    def _entry(self, name):
        entries = {entry["name"]: entry for entry in self._record()["processes"]}
        if name not in entries:
            raise Failure(f"There is no process {name}; these run: {', '.join(entries)}.")
        return entries[name]

    def logs(self, lines=200):
        """The end of all logs, in the order of time."""
        done = subprocess.run([binaries.LOCAL, "logs", "--data", self._data], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
        return "\n".join(done.stdout.splitlines()[-lines:])

    def _ctl(self, *words, patience=10):
        """(exit status, standard output, standard error) of dormousectl."""
        self._record()
        try:
            done = subprocess.run([os.path.join(self._bin, "dormousectl"), "--data", self._data,
                                   "--timeout", f"{max(1, round(patience * 1000))}ms", *words],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                                  timeout=patience + 5, check=False)
        except subprocess.TimeoutExpired:
            return 5, "", f"dormousectl {' '.join(words)} does not end."
        return done.returncode, done.stdout, done.stderr.strip()

    def ctl(self, words):
        """What dormousectl says; of commands that can, as JSON."""
        status, said, why = self._ctl("--json", *words, patience=60)
        if status != 0:
            raise Failure(why or f"dormousectl {' '.join(words)} ended with exit status {status}.")
        try:
            return json.loads(said)
        except ValueError:
            return said

    def hub(self, hub):
        """What operators see of it. Does not wake it."""
        status, said, why = self._ctl("--json", "hub", self._names.known_as(hub))
        if status != 0:
            raise Failure(self._about(hub, status, why))
        return json.loads(said)

    def _about(self, hub, status, why):
        if status != _NO_SUCH_HUB:
            return why
        _, said, _ = self._ctl("--json", "hubs")
        with contextlib.suppress(ValueError, KeyError, TypeError):
            there = [each["hub"] for each in json.loads(said)["hubs"]]
            known = self._names.known_as(hub)
            return (f"{why}{f' ({hub} is {known}.)' if known != hub else ''} These there are: {', '.join(there) or 'none; connect to one first'}. (One that stores nothing and has"
                    " no sockets is known while it is awake.)")
        return why

    def _owner(self, hub):
        """(shard of the hub, id of the statekeeper that has it, that as a process on record)."""
        seen = self.hub(hub)
        return seen["shard"], seen["statekeeper"], self._process_of(seen["statekeeper"])

    def _process_of(self, identity):
        address = next((each["address"] for each in self.ctl(["members"])["members"] if each["id"] == identity), None)
        for entry in self._record()["processes"]:
            if entry["kind"] == "statekeeper" and address and self._listens(entry["pid"], address):
                return entry
        raise Failure(f"Statekeeper {identity} is no process of this cluster any more.")

    @staticmethod
    def _listens(pid, address):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                return os.fsencode(address) in file.read().split(b"\0")
        except OSError:
            return False

    # --- sleep

    def sleep_now(self, hub):
        """It leaves memory; its sockets stay open."""
        status, _, why = self._ctl("hibernate", self._names.known_as(hub))
        if status != 0:
            raise Failure(self._about(hub, status, why))

    def await_life(self, hub, awake, timeout=5):
        """Waits until it is awake or asleep."""
        wanted = "awake" if awake else "asleep"
        state = ""

        def is_so():
            nonlocal state
            state = "awake" if self.hub(hub)["awake"] else "asleep"
            return state == wanted

        self._until(is_so, timeout, lambda: f"Hub {hub} is {state}, after {timeout:g} s still; it was to be {wanted}.")

    # --- death

    def kill_owner(self, hub, timeout=30):
        """kill -9 of the statekeeper that has it; returns the name of the one that serves it then."""
        shard, identity, entry = self._owner(hub)
        self._kill(entry)
        return self._served_by_another(hub, shard, identity, timeout)

    def _served_by_another(self, hub, shard, identity, timeout, meanwhile=lambda: None):
        """Waits until that is so; the name of who serves it. `meanwhile` is called now and then until it has another owner."""
        name = ""

        def is_served():
            nonlocal name
            owner = self._owner_of(shard)
            if owner in (None, identity):
                meanwhile()
                return False
            # Of a hub that stores nothing nobody knows when it has left memory; that is an answer of its owner, too.
            if self._ctl("hub", self._names.known_as(hub), patience=2)[0] in (0, _NO_SUCH_HUB):
                with contextlib.suppress(Failure):
                    name = self._process_of(owner)["name"]
            return name

        self._until(is_served, timeout, lambda: f"Nobody else serves hub {hub} after {timeout:g} s.\n{self.logs(40)}")
        return name

    def _owner_of(self, shard):
        """The id of the statekeeper that has it; None: nobody that lives."""
        for each in self._json("shards").get("shards", []):
            if each["shard"] == shard and each["owner_lives"]:
                return each["owner"]
        return None

    @staticmethod
    def _kill(entry):
        if entry["pid"]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(entry["pid"], signal.SIGKILL)

    def kill_worker(self, hub, timeout=30):
        """kill -9 of the process with the app's code, at the statekeeper that has the hub; returns when there is another."""
        entry = self._owner(hub)[2]
        killed = self._children(entry["pid"])
        if not killed:
            raise Failure(f"{entry['name']}, which has hub {hub}, has no worker: the cluster was started without app.")
        for pid in killed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._until(lambda: set(self._children(entry["pid"])) - set(killed), timeout,
                    lambda: f"{entry['name']} has no other worker after {timeout:g} s.\n{self.logs(40)}")

    @staticmethod
    def _children(pid):
        found = []
        with contextlib.suppress(OSError):
            for thread in os.listdir(f"/proc/{pid}/task"):
                with contextlib.suppress(OSError):
                    with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as file:
                        found += map(int, file.read().split())
        return found

    def kill_gateway(self, gateway=1, timeout=30):
        """kill -9; its sockets break. Returns when it is there again."""
        entry = self._entry(f"gateway-{gateway}")
        self._kill(entry)

        def is_back():
            now = self._entry(entry["name"])
            return now["restarts"] > entry["restarts"] and health.readiness(now)[0]

        self._until(is_back, timeout, lambda: f"{entry['name']} is not ready again after {timeout:g} s.\n{self.logs(40)}")

    def pause_owner(self, hub):
        """SIGSTOP, until resume(); returns its name."""
        entry = self._owner(hub)[2]
        os.kill(entry["pid"], signal.SIGSTOP)
        self._paused[entry["name"]] = entry
        return entry["name"]

    def resume(self):
        """All that are paused go on."""
        names = sorted(self._paused)
        for entry in self._paused.values():
            if processes.start_time(entry["pid"]) == entry["started"]:
                os.kill(entry["pid"], signal.SIGCONT)
        self._paused.clear()
        return names

    def move_hub(self, hub, timeout=30):
        """To another statekeeper, if there is one; sockets stay open. Returns the name of its owner then."""
        shard, identity, entry = self._owner(hub)
        evict = ["evict", "--hub", self._names.known_as(hub), "--mode", "migrate"]
        self.ctl(evict)
        if sum(each["kind"] == "statekeeper" for each in self._record()["processes"]) == 1:
            return entry["name"]
        again_at = time.monotonic() + _MOVE_AGAIN_AFTER

        def evict_again():
            """It has come back: there was nobody else, or others were moving it, too, as they do when one has joined."""
            nonlocal again_at
            if time.monotonic() >= again_at and self._owner_of(shard) == identity:
                again_at = time.monotonic() + _MOVE_AGAIN_AFTER
                with contextlib.suppress(Failure):
                    self.ctl(evict)

        return self._served_by_another(hub, shard, identity, timeout, evict_again)

    def restart(self, name):
        """Stops a process in order, and starts it again."""
        done = subprocess.run([binaries.LOCAL, "restart", name, "--data", self._data], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            raise Failure(done.stdout.strip())

    # --- time

    def advance_clock(self, milliseconds):
        """Of all processes, and of all that are started later. Returns by how much it is ahead then, once the alarms and
        timers that are due by that have rung, those that can."""
        if milliseconds < 0:
            raise Failure("The clock goes ahead only: a hub cannot unsee a time.")
        self._record()
        ahead_ms = self._clock.advance(round(milliseconds))
        with contextlib.suppress(Failure):
            self._until(lambda: not self._any_is_due(time.time() * 1000 + ahead_ms), _ALARMS_PATIENCE, lambda: "")
        return ahead_ms

    def _any_is_due(self, now_ms):
        """Whether an alarm or a timer is; as far as owners answer, and for so many hubs."""
        for each in self._json("hubs", "--limit", str(_HUBS_LOOKED_AT)).get("hubs", []):
            hub = self._json("hub", each["hub"])
            due = [hub.get("alarm_due_ms"), *(timer["due_ms"] for timer in hub.get("timers", []))]
            if any(due_ms is not None and due_ms <= now_ms for due_ms in due):
                return True
        return False

    def _json(self, *words):
        """{}: there is no answer."""
        status, said, _ = self._ctl("--json", *words, patience=1)
        return json.loads(said) if status == 0 else {}

    @staticmethod
    def _until(condition, timeout, complaint):
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                raise Failure(complaint())
            time.sleep(_LOOK_EVERY)
