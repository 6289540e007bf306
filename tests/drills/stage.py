"""Where a drill is played: makes its cluster and traffic in one directory, holds the dice, and judges.

A drill is a module of drills/ with a docstring that says in a line what is done, and a function play(stage). It
returns when it is done, and raises Broken (or anything else) when a promise was not kept. NETWORK = True in it:
its processes are hosts of a network of their own (stage.network).

    stage.py NAME --seed S --connections N --hubs H --rate R --report FILE     plays it once; tests/drills/run calls this
"""

import argparse
import contextlib
import importlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback

_HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(_HERE, "..", "integration"))

from cluster import SLOWNESS, Cluster, wait_until  # noqa: E402  # pylint: disable=wrong-import-position
from network import Network  # noqa: E402  # pylint: disable=wrong-import-position
from stores import ClusterRedis, Redis, SentinelRedis  # noqa: E402  # pylint: disable=wrong-import-position
import ports  # noqa: E402  # pylint: disable=wrong-import-position
from traffic import Broken, Traffic  # noqa: E402  # pylint: disable=wrong-import-position

TTL = 3  # seconds: the option member-ttl


class Stage:
    def __init__(self, options, network):
        self.random = random.Random(options.seed)
        self.seed = options.seed
        self.connections = options.connections
        self.hubs = options.hubs
        self.rate = options.rate
        self.ttl = TTL
        # Seconds that 99 of 100 connections wait at most when shards move as planned. With certificates each link is TCP
        # with TLS, and all processes open several just then, on the processors of one machine.
        self.planned_pause = 0.4 if os.environ.get("DORMOUSE_TEST_TRUST") == "tls" else 0.1
        self.directory = tempfile.mkdtemp(prefix="stage-")
        self.reports = []  # of all traffic
        self.notes = []
        self.cluster = None
        self.network = None
        if network:
            private = os.path.join(self.directory, "data")
            os.mkdir(private)
            self.network = Network(private, self.directory)

    # --- what is on it

    @contextlib.contextmanager
    def play_on(self, gateways=2, statekeepers=3, store="redis", start=True, program="dormouse-statekeeper", **options):
        """A cluster (stage.cluster) on a durable "redis", on "sentinel" or on "cluster". `options`: of all processes,
        with underscores."""
        settings = {"hibernate-after": "1s", "rate-limit": "0", "member-ttl": f"{TTL}s",
                    **{name.replace("_", "-"): value for name, value in options.items()}}
        hosts = self.network.host if self.network else None
        self.cluster = Cluster(gateways, self._store(store), settings, start, statekeepers, hosts, self.directory,
                               statekeeper_program=program)
        with self.cluster:
            yield self.cluster

    def _store(self, kind):
        if kind == "sentinel":
            return SentinelRedis(self.directory)
        if kind == "cluster":
            return ClusterRedis(self.directory)
        if self.network:
            host = self.network.host("redis")
            return Redis(self.directory, durable=True, port=6379, host=host.address, prefix=host.prefix)
        return Redis(self.directory, durable=True, port=ports.choose(None, self.directory))

    @contextlib.contextmanager
    def traffic(self, on_close="none", rate=None, **more):
        """Checked traffic, which has to have kept its promises when the block is left."""
        traffic = Traffic(self.cluster, self.directory, self.connections, self.hubs, rate or self.rate, self.seed,
                          on_close, **more)
        with traffic:
            self.wait(0.5, 1)
            yield traffic
            self.wait(1, 1.5)
            report = traffic.stop()
        print(traffic.said)
        self.reports.append(report)
        self.promise(not report["broken"], "; ".join(report["broken"]))

    def host(self, process):
        return self.network.host(process.name)

    # --- what happens on it

    def wait(self, least, most):
        """Some time, by the dice."""
        time.sleep(self.random.uniform(least, most))

    def any_statekeeper(self):
        """One that runs, by the dice: each owns its part of the shards."""
        return self.random.choice([process for process in self.cluster.statekeepers if process.running()])

    def ctl_command(self, *words, through=None):
        """The command line `dormousectl WORDS --json`; `through`: the statekeeper that is asked, by default any."""
        asked = self.link(through or self.any_statekeeper())
        return self.cluster.ctl_command("--json", *words, statekeeper=asked)

    def ctl(self, *words, through=None):
        """What that command says, read."""
        done = subprocess.run(self.ctl_command(*words, through=through), stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=70 * SLOWNESS, check=False)
        if done.returncode != 0:
            raise Broken(f"dormousectl {' '.join(words)} ended with {done.returncode}: {done.stderr.decode().strip()}")
        return json.loads(done.stdout or "null")

    def promise(self, kept, text):
        if not kept:
            raise Broken(text)

    def note(self, text):
        self.notes.append(text)
        print(text, flush=True)

    def check_pause(self, mark, p50=None, p99=None, most=TTL + 1):
        """The pauses of the connections around a mark of the last traffic, in seconds."""
        pause = self.reports[-1]["pauses"][mark]
        for name, limit in (("p50_ms", p50), ("p99_ms", p99), ("max_ms", most)):
            self.promise(limit is None or pause[name] <= limit * 1000 * SLOWNESS,
                         f"after {mark} the pause was {pause[name]:g} ms ({name}), promised is {limit} s")

    def members(self, through=None):
        """Address -> what `dormousectl members` says of the statekeeper there."""
        return {member["address"]: member for member in self.ctl("members", through=through)["members"]}

    def link(self, process):
        """A statekeeper's address, by which dormousectl names it, too."""
        return self.cluster.links[self.cluster.statekeepers.index(process)]

    def check_shards(self):
        """Every shard comes to be owned by a statekeeper that lives, the living ones being members, and no others."""
        living = {self.link(process) for process in self.cluster.statekeepers if process.running()}

        def all_owned():
            try:
                said = self.ctl("members")
            except Broken:
                return False
            return said["ownerless_shards"] == 0 and {member["address"] for member in said["members"]} == living
        wait_until(all_owned, f"every shard is owned by one of {len(living)} living statekeepers", timeout=2 * TTL + 5)

    def close(self):
        if self.network:
            self.network.close()
        shutil.rmtree(self.directory, ignore_errors=True)


def _parse(words):
    parser = argparse.ArgumentParser(description="Plays one drill once.")
    parser.add_argument("name")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--connections", type=int, required=True)
    parser.add_argument("--hubs", type=int, required=True)
    parser.add_argument("--rate", type=int, required=True)
    parser.add_argument("--report", required=True)
    return parser.parse_args(words)


def main():
    options = _parse(sys.argv[1:])
    drill = importlib.import_module("drills." + options.name)
    stage = Stage(options, getattr(drill, "NETWORK", False))
    broken = ""
    try:
        drill.play(stage)
    except Broken as error:
        broken = str(error)
    except Exception as error:  # pylint: disable=broad-except  # a cluster that fails its test, above all
        traceback.print_exc()
        broken = f"{type(error).__name__}: {error}"
    finally:
        stage.close()
    with open(options.report, "w", encoding="utf-8") as file:
        json.dump({"broken": broken, "notes": stage.notes, "traffic": stage.reports}, file)
    print(f"BROKEN: {broken}" if broken else "All promises were kept.", flush=True)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
