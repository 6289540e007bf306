"""What it costs that a statekeeper dies: how long its hubs' clients wait, and what the others spend on it.

Two statekeepers on one Redis, hubs of class echo with a connection each, half of them on either. One of the two is
killed while all clients send a message at once ("killed"); the same burst without a death stands beside it ("calm").
"takeover" is a kill without any traffic: what the survivors and Redis spend within three seconds, beyond what three
quiet seconds cost. Everything should grow with the hubs that talk, and the last not at all with those that sleep.
"""

import os
import subprocess
import time

from cluster import BIN, Cluster

QUIET_SECONDS = 3
DRIVER_CONNECTIONS = 10_000  # of one driver process: its file descriptors


def show(name, value, unit):
    print(f"{name:<44} {value:12.2f} {unit}", flush=True)


def measure(hubs):
    """Prints the figures for so many hubs on the statekeeper that dies."""
    for asleep in (False, True):
        name = f"failover.{hubs}.{'asleep' if asleep else 'awake'}"
        _measure(name, 2 * hubs, asleep)


def _measure(name, hubs, asleep):
    options = {"hibernate-after": "500ms" if asleep else "1h", "idle-timeout": "0", "rate-limit": "0"}
    with Cluster(statekeepers=2, gateways=1, store="redis", options=options) as cluster:
        with _Burst(cluster, hubs) as burst:
            calm = burst.run()
            _settle(cluster, asleep)
            quiet = _spent(cluster, lambda: time.sleep(QUIET_SECONDS))
            with_kill = _spent(cluster, lambda: (cluster.kill_statekeeper(0), time.sleep(QUIET_SECONDS)))
            show(f"{name}.takeover.cpu", (with_kill["cpu"] - quiet["cpu"]) * 1000, "ms")
            show(f"{name}.takeover.redis", with_kill["commands"] - quiet["commands"], "commands")
            cluster.start_statekeeper(0)
            cluster.wait_balanced()
            burst.run()
            _settle(cluster, asleep)
            calm_spent = _spent(cluster, burst.run)
            _settle(cluster, asleep)
            killed = {}
            killed_spent = _spent(cluster, lambda: killed.update(burst.run(lambda: cluster.kill_statekeeper(0))))
            for share in ("p50", "p99", "max"):
                show(f"{name}.calm.{share}", calm[share], "ms")
                show(f"{name}.killed.{share}", killed[share], "ms")
            show(f"{name}.calm.cpu", calm_spent["cpu"] * 1000, "ms")
            show(f"{name}.killed.cpu", killed_spent["cpu"] * 1000, "ms")


def _settle(cluster, asleep):
    if asleep:
        cluster.wait_asleep(timeout=60)


def _spent(cluster, act):
    """Processor time of gateway, surviving statekeeper and Redis while act() runs, and commands that Redis was given."""
    processes = [cluster.gateways[0], cluster.statekeepers[1], cluster.redis]
    cpu = sum(process.cpu_seconds() for process in processes)
    commands = _commands(cluster)
    act()
    return {"cpu": sum(process.cpu_seconds() for process in processes) - cpu, "commands": _commands(cluster) - commands}


def _commands(cluster):
    for line in cluster.redis.command_answer("INFO stats").splitlines():
        if line.startswith("total_commands_processed:"):
            return int(line.partition(":")[2])
    raise AssertionError("Redis does not say how many commands it has had")


class _Burst:
    """Clients, each on a hub of its own, that all send at once when they are told to."""

    def __init__(self, cluster, hubs):
        self._drivers = []
        for first in range(0, hubs, DRIVER_CONNECTIONS):
            count = min(DRIVER_CONNECTIONS, hubs - first)
            self._drivers.append(subprocess.Popen(
                [os.path.join(BIN, "dormouse_echo_load"), "burst", "--target", f"127.0.0.1:{cluster.port()}",
                 "--path", f"/websocket/failover-{first}-", "--connections", str(count), "--hubs", str(count)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        for driver in self._drivers:
            assert driver.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for driver in self._drivers:
            driver.stdin.close()
        for driver in self._drivers:
            assert driver.wait(30) == 0

    def run(self, at_once=lambda: None):
        """Latencies in ms of the slower driver, where there are two."""
        at_once()
        for driver in self._drivers:
            driver.stdin.write("\n")
            driver.stdin.flush()
        latencies = {}
        for driver in self._drivers:
            for line in iter(driver.stdout.readline, "done\n"):
                assert line, "the driver ended"
                name, value, _ = line.split()
                share = name.rpartition(".")[2]
                latencies[share] = max(latencies.get(share, 0), float(value) / 1000)
        return latencies
