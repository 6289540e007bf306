"""What it costs that a statekeeper dies: until when its hubs' clients wait, and what the others spend on it.

Three statekeepers on one Redis, hubs of class echo with a connection each. The first statekeeper is killed (-9), and
at once a client of each hub that "moved" sends a message. Hubs that are "mute" are of its shards, too, but their
clients are silent; those that "stayed" are of the others' shards, and silent.

    owned      until all shards have a living owner, which the two that are left say of themselves
    answered   until a client has its answer; of the last of them: until all that moved works again
    cpu        of the two that are left, the gateway and Redis, beyond what they use anyway, from the kill until all is
               owned and answered
    commands   that Redis was given in that time, and the bytes that it read and wrote

"asleep": the hubs were in nobody's memory; "awake": in that of the dead. "calm" is the same burst with nobody dying.
With 0 hubs nothing but shards moves: what a death costs however few hubs there are. All of it may grow with the hubs
that moved, and nothing with those that are mute or stayed.
"""

import ctypes
import json
import os
import signal
import statistics
import subprocess
import tempfile
import time
from typing import NamedTuple

from cluster import BIN, Cluster, wait_until

STATEKEEPERS = 3
SHARDS = 1024
OPTIONS = {"shards": str(SHARDS), "idle-timeout": "0", "rate-limit": "0"}
ASLEEP = {"hibernate-after": "1s"}
AWAKE = {"hibernate-after": "1h"}
ANYWAY_SECONDS = 1  # of watching what is used without a death
SETTLE_SECONDS = 0.2  # what follows the last answer: acknowledgements, above all

_xxhash = ctypes.CDLL("libxxhash.so.0")
_xxhash.XXH3_64bits.restype = ctypes.c_uint64
_xxhash.XXH3_64bits.argtypes = ctypes.c_char_p, ctypes.c_size_t


class Case(NamedTuple):
    moved: int
    mute: int
    stayed: int
    state: str

    def __str__(self):
        return f"{self.moved:6} {self.mute:6} {self.stayed:6} {self.state:6}"

    @property
    def hubs(self):
        return self.moved + self.mute + self.stayed


def measure(repetitions, scale):
    """Prints a table, and how it grows."""
    hundred, thousand, many = (count // scale for count in (100, 1000, 10_000))
    sizes = (hundred, 0, 0), (thousand, 0, 0), (many, 0, 0), (thousand, many, 0), (thousand, 0, many)
    cases = [Case(0, 0, 0, "awake"), *(Case(*size, state) for size in sizes for state in ("asleep", "awake"))]
    taken = {case: [] for case in cases}
    # One after the other, again and again: then the machine's mood falls on all of them.
    for _ in range(repetitions):
        for case in cases:
            taken[case].append(_Death(case).figures)
    print(f"median (least-most) of {repetitions}; times and processor time in ms, a hub's in us; kB of 1,000 bytes")
    for columns in (_TIMES, _COSTS):
        print(f"{'moved':>6} {'mute':>6} {'stayed':>6} {'':6}" + "".join(f"{title:>20}" for title, _ in columns))
        for case in cases:
            values = ([figures[name] for figures in taken[case]] for _, name in columns)
            print(f"{case}" + "".join(f"{_spread(some):>20}" for some in values))
    print("growth: how many times as much, and one hub's share of what was added: us, of commands the number")
    print(f"{'':57}" + "".join(f"{title:>20}" for title in _GROWTH.values()))
    for state in ("asleep", "awake"):
        for few, more in ((0, 1), (1, 2), (1, 3), (1, 4)):
            _print_growth(taken, Case(*sizes[few], state), Case(*sizes[more], state))


def _print_growth(taken, few, more):
    line = f"{str(few)[:20]} to {more}     "
    for name in _GROWTH:
        before, after = (statistics.median(figures[name] for figures in taken[case]) for case in (few, more))
        further = (after - before) / (more.hubs - few.hubs) * (1 if name == "commands" else 1000)
        line += f"{after / before:11.2f} {further:8.2f}"
    print(line, flush=True)


_TIMES = ("owned", "owned"), ("answered p50", "p50"), ("p99", "p99"), ("all", "max"), ("calm p50", "calm_p50"), (
    "calm, all", "calm_max")
_COSTS = ("statekeepers", "statekeepers"), ("us a hub", "per_hub"), ("calm, us a hub", "calm_per_hub"), (
    "gateway", "gateway"), ("Redis", "redis"), ("commands", "commands"), ("kB read", "read"), ("kB written", "written")

_GROWTH = {"max": "time until all", "statekeepers": "statekeepers", "gateway": "gateway", "redis": "Redis",
           "commands": "commands"}


def _spread(values):
    if None in values:
        return "-"
    low, median, high = (f"{value:.1f}" if max(values) < 100 else f"{value:.0f}"
                         for value in (min(values), statistics.median(values), max(values)))
    return f"{median} ({low}-{high})"


class _Death:
    """A cluster of its own, whose first statekeeper is killed."""

    def __init__(self, case):
        options = {**OPTIONS, **(ASLEEP if case.state == "asleep" else AWAKE)}
        with Cluster(statekeepers=STATEKEEPERS, store="redis", options=options) as self._cluster, \
                tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
            self._left = self._cluster.statekeepers[1:]
            theirs = wait_until(self._shared_out, "the statekeepers have shared the shards", timeout=20)
            there = _paths(case.moved + case.mute, lambda shard: shard in theirs)
            silent = there[case.moved:] + _paths(case.stayed, lambda shard: shard not in theirs)
            with _Burst(self._cluster, directory, "silent", silent), \
                    _Burst(self._cluster, directory, "moved", there[:case.moved]) as burst:
                self._settle(case)
                assert self._shards_of_first() == theirs, "shards have moved before anybody died"
                calm = self._spent(self._cluster.statekeepers, lambda: burst.run(time.monotonic()))
                self._settle(case)
                killed = self._spent(self._left, lambda: self._kill(burst))
        assert killed["wakes"] == case.moved, f"{killed['wakes']} hubs woke where {case.moved} were written to"
        self.figures = {**killed, "calm_p50": calm["p50"], "calm_max": calm["max"],
                        "per_hub": killed["statekeepers"] * 1000 / case.moved if case.moved else None,
                        "calm_per_hub": calm["statekeepers"] * 1000 / case.moved if case.moved else None}

    def _owned(self):
        return [self._cluster.metrics(process)["dormouse_member_shards"] for process in self._left]

    def _shared_out(self):
        """The shards of the first, once none has moved for a while."""
        theirs = self._shards_of_first()
        time.sleep(0.7)
        counts = [self._cluster.metrics(process)["dormouse_member_shards"] for process in self._cluster.statekeepers]
        shared = sum(counts) == SHARDS and min(counts) > SHARDS / STATEKEEPERS * 0.7
        return theirs if shared and self._shards_of_first() == theirs else None

    def _shards_of_first(self):
        first = self._cluster.links[0]
        said = subprocess.run(self._cluster.ctl_command("--json", "shards", "--owner", first, statekeeper=first),
                              check=True, stdout=subprocess.PIPE).stdout
        return {shard["shard"] for shard in json.loads(said)["shards"]}

    def _settle(self, case):
        if case.state == "asleep":
            self._cluster.wait_asleep(timeout=60)
        time.sleep(SETTLE_SECONDS)
        assert self._cluster.hubs_awake() == (0 if case.state == "asleep" else case.hubs)

    def _kill(self, burst):
        before = self._wakes()
        start = time.monotonic()
        self._cluster.statekeepers[0].send_signal(signal.SIGKILL)
        burst.begin(start)
        looks = 2  # for _wakes(): each is as much as an _owned()
        while sum(self._owned()) < SHARDS:
            assert time.monotonic() < start + 20, "shards stay without an owner"
            looks += 1
            time.sleep(0.005)
        owned = (time.monotonic() - start) * 1000
        self._cluster.statekeepers[0].await_end()
        answered = burst.end()
        return {"owned": owned, "looks": looks + 1, "wakes": self._wakes() - before, **answered}

    def _wakes(self):
        """Hubs that those that are left have rebuilt in memory."""
        return sum(self._cluster.metrics(process)["dormouse_hub_wakes_total"] for process in self._left)

    def _spent(self, statekeepers, act):
        """What act() returns, and what is spent while it runs, without what is spent anyway, nor on being looked at."""
        processes = {"statekeepers": statekeepers, "gateway": self._cluster.gateways, "redis": [self._cluster.redis]}
        before = self._count(processes)
        for _ in range(20):
            self._owned()
        look = {name: (value - before[name]) / 20 for name, value in self._count(processes).items()}
        before = self._count(processes)
        time.sleep(ANYWAY_SECONDS)
        anyway = {name: (value - before[name]) / ANYWAY_SECONDS for name, value in self._count(processes).items()}

        start = time.monotonic()
        before = self._count(processes)
        figures = act()
        time.sleep(SETTLE_SECONDS)
        after = self._count(processes)
        seconds = time.monotonic() - start
        looks = figures.pop("looks", 0)
        for name, value in after.items():
            figures[name] = value - before[name] - anyway[name] * seconds
            if name == "statekeepers":
                figures[name] -= looks * look[name]
        return figures

    def _count(self, processes):
        counts = {name: sum(_cpu_ms(process.pid) for process in some) for name, some in processes.items()}
        said = dict(line.split(":") for line in subprocess.run(
            ["redis-cli", "-s", self._cluster.redis.socket, "INFO", "stats"], check=True, stdout=subprocess.PIPE,
            text=True).stdout.split() if ":" in line)
        return {**counts, "commands": int(said["total_commands_processed"]),
                "read": int(said["total_net_input_bytes"]) / 1000,
                "written": int(said["total_net_output_bytes"]) / 1000}


def _cpu_ms(pid):
    """As clock_getcpuclockid(3) names the clock; /proc/PID/stat counts in steps of 10 ms."""
    return time.clock_gettime_ns(~pid << 3 | 2) / 1e6


def _paths(count, is_wanted):
    """Of hubs whose shards are wanted."""
    paths = []
    number = 0
    while len(paths) < count:
        name = f"failover-{number}"
        hub = f"echo/{name}".encode()
        if is_wanted(_xxhash.XXH3_64bits(hub, len(hub)) % SHARDS):
            paths.append(f"/websocket/{name}")
        number += 1
    return paths


class _Burst:
    """Clients, each on a hub of its own, that all send at once when they are told to."""

    def __init__(self, cluster, directory, name, paths):
        self._driver = None
        if not paths:
            return
        file = os.path.join(directory, name)
        with open(file, "w", encoding="ascii") as out:
            out.write("\n".join(paths) + "\n")
        self._driver = subprocess.Popen(
            [os.path.join(BIN, "dormouse_burst_load"), "--target", f"127.0.0.1:{cluster.port()}",
             "--paths", file],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._driver.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._driver:
            self._driver.stdin.close()
            assert self._driver.wait(30) == 0

    def begin(self, start):
        """`start`: from when latencies are counted."""
        if self._driver:
            self._driver.stdin.write(f"{start:.6f}\n")
            self._driver.stdin.flush()

    def end(self):
        """Latencies in ms, once all have been answered."""
        latencies = {"p50": None, "p99": None, "max": None} if not self._driver else {}
        if self._driver:
            for line in iter(self._driver.stdout.readline, "done\n"):
                assert line, "the driver ended"
                name, value, _ = line.split()
                latencies[name.rpartition(".")[2]] = float(value) / 1000
        return latencies

    def run(self, start):
        self.begin(start)
        return self.end()
