"""What a delivery of a fan-out costs, beside the least that it can: a bare send() of as many bytes (bare_send.cc)."""

import os
import subprocess

import driver
from cluster import BIN, Cluster


def measure(store, subscribers, rounds, seconds, size=1024):
    with Cluster(store=store, options={"rate-limit": "0"}) as cluster:
        for _ in range(rounds):
            _round(cluster, subscribers, seconds, size)


def _round(cluster, subscribers, seconds, size):
    said = subprocess.run([os.path.join(BIN, "dormouse_bare_send"), str(subscribers), str(size)], check=True,
                          capture_output=True, text=True).stdout
    least = float(said.split()[1])
    found = driver.play("fanout", "--url", cluster.ws_url(""), "--connections", subscribers, "--size", size, "--rate", 0,
                        "--duration", seconds,
                        watched={"gateway": cluster.gateways[0].pid, "statekeeper": cluster.statekeeper.pid})
    gateway, statekeeper = (found.figures[f"cpu.{process}"] for process in ("gateway", "statekeeper"))
    print(f"bare send() {least:6.2f}   gateway {gateway:6.2f} ({gateway / least:4.2f}x)   statekeeper {statekeeper:6.2f}   "
          f"{found.figures['rate']:.0f} deliveries/s", flush=True)
