"""What the product's work costs beside a bare echo (bare_echo.cc): in turn, on the same processor, in one run."""

import os
import subprocess

from cluster import BIN, Cluster

ECHO = ("--expect", '{"type":"message"'), ()
HEARTBEAT = (("--message", '{"type":"heartbeat"}', "--expect", '{"type":"heartbeat"}'),
             ("--message", '{"type":"heartbeat"}', "--expect", '{"type":"heartbeat_ack"'))
ROWS = (
    # name, connections, hubs, messages in flight, the driver's words for the bare server and for the product
    ("echo through a hub, 64 connections", 64, 8, 1, ECHO),
    ("echo through a hub, 1000 connections", 1000, 100, 1, ECHO),
    ("echo through a hub, 64 connections x 16 in flight", 64, 8, 16, ECHO),
    ("heartbeat answered at the edge, 1000 connections", 1000, 100, 1, HEARTBEAT),
)


def figures(words, watched):
    """NAME -> value of one run of the driver."""
    command = [os.path.join(BIN, "dormouse_echo_load"), "echo", *words]
    for name, pid in watched.items():
        command += ["--watch", f"{name}={pid}"]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return {line.split()[0]: float(line.split()[1]) for line in said.splitlines()}


def measure(store, seconds, rounds):
    with subprocess.Popen([os.path.join(BIN, "dormouse_bare_echo")], stdout=subprocess.PIPE, text=True) as bare:
        try:
            target = f"127.0.0.1:{int(bare.stdout.readline())}"
            for row in ROWS:
                with Cluster(store=store) as cluster:
                    print(f"--- {row[0]}: processor seconds per million messages, and times a bare echo's", flush=True)
                    for _ in range(rounds):
                        _round(row, seconds, (target, bare.pid), cluster)
        finally:
            bare.kill()


def _round(row, seconds, bare, cluster):
    _, connections, hubs, in_flight, (said_to_bare, said_to_us) = row
    load = ("--connections", str(connections), "--in-flight", str(in_flight), "--seconds", str(seconds))
    least = figures(("--target", bare[0], "--welcome", "", *said_to_bare, *load), {"bare": bare[1]})["echo.cpu.bare"]
    costs = figures(("--target", f"127.0.0.1:{cluster.port()}", "--hubs", str(hubs), *said_to_us, *load),
                    {"gateway": cluster.gateways[0].pid, "statekeeper": cluster.statekeeper.pid})
    gateway, statekeeper = costs["echo.cpu.gateway"], costs["echo.cpu.statekeeper"]
    print(f"bare {least:6.2f}   gateway {gateway:6.2f} ({gateway / least:4.2f}x)   statekeeper {statekeeper:6.2f}   "
          f"both {(gateway + statekeeper) / least:4.2f}x   p50 {costs['echo.latency.p50']:.0f} us", flush=True)
