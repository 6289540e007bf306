"""What a delivery of a fan-out costs, beside the least that it can: a bare send() of as many bytes (bare_send.cc)."""

import json
import os
import subprocess
import tempfile

from cluster import BIN, Cluster


def measure(store, subscribers, rounds, seconds, size=1024):
    with Cluster(store=store, options={"rate-limit": "0"}) as cluster:
        for _ in range(rounds):
            _round(cluster, subscribers, seconds, size)


def _round(cluster, subscribers, seconds, size):
    said = subprocess.run([os.path.join(BIN, "dormouse_bare_send"), str(subscribers), str(size)], check=True,
                          capture_output=True, text=True).stdout
    least = float(said.split()[1])
    with tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
        found = os.path.join(directory, "fanout.json")
        subprocess.run([os.path.join(BIN, "dormouse-load"), "fanout", "--url", cluster.ws_url(""), "--connections",
                        str(subscribers), "--size", str(size), "--rate", "0", "--duration", str(seconds), "--json", found,
                        "--watch", f"gateway={cluster.gateways[0].pid}",
                        "--watch", f"statekeeper={cluster.statekeeper.pid}"],
                       check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        with open(found, encoding="utf-8") as file:
            figures = json.load(file)["figures"]
    gateway, statekeeper = (figures[f"cpu.{process}"]["value"] for process in ("gateway", "statekeeper"))
    print(f"bare send() {least:6.2f}   gateway {gateway:6.2f} ({gateway / least:4.2f}x)   statekeeper {statekeeper:6.2f}   "
          f"{figures['rate']['value']:.0f} deliveries/s", flush=True)
