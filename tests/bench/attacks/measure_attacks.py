"""What attackers cost the others: a line for each attack of attackers.py, on a cluster of one lane, beside an innocent
client of another hub and one of the same hub (innocents.py).

    others p99 / max   how long the innocent in another hub waited for its answers, in ms
    same hub           the same of the one in the attacked hub
    gateway, keeper    how much their memory grew at most, in MiB
    heard              what the attackers were told; "others" what went wrong for the innocents
"""

import contextlib
import os
import tempfile
import threading
import time

import attackers
import jwt
import tokens
from cluster import Cluster
from innocents import Innocent


def measure(store, auth, names=()):
    """Prints the table. `names`: of attacks; all, where there is none."""
    chosen = [attack for attack in attackers.ALL if not names or attack.__name__ in names]
    print(f"store {store}, auth {'on' if auth else 'off'}")
    print(f"{'attack':<20}{'others p99':>11}{'max':>8}{'same hub p99':>14}{'max':>8}{'gateway':>9}{'keeper':>8}  heard")
    for attack in chosen:
        _run(attack, store, auth)


def _run(attack, store, auth):
    with tempfile.TemporaryDirectory(prefix="dormouse-attack-") as directory:
        options = {"lanes": "1", "connect-timeout": "60s", **attack.options}
        if auth:
            key = os.path.join(directory, "key")
            with open(os.open(key, os.O_WRONLY | os.O_CREAT, 0o600), "w", encoding="ascii") as file:
                file.write(tokens.SECRET)
            options |= {"auth-algorithm": "HS256", "auth-key": key}
        cluster = Cluster(store=store, options=options, gateways=attack.gateways)
        try:
            with cluster:
                _measure_one(attack, cluster, auth)
        except AssertionError as error:
            print(f"{attack.__name__:<20}  the cluster did not outlive it: {error}", flush=True)


def _measure_one(attack, cluster, auth):
    def token(actor):
        if not auth:
            return None
        kind = actor.split("/")[0]
        return jwt.encode(tokens.claims(actor, actors=[f"{kind}/*"]), tokens.SECRET, "HS256")

    attacker = attack(cluster, token)
    attacker.prepare()
    others = Innocent(cluster.port(), "echo", "innocent")
    same = Innocent(cluster.port(), "signal", attackers.HUB, token("innocent/actor"))
    time.sleep(0.5)
    processes = [*cluster.gateways, *cluster.statekeepers]
    before = [process.rss() for process in processes]
    peak = list(before)
    over = threading.Event()

    def watch():
        while not over.wait(0.02):
            for at, process in enumerate(processes):
                with contextlib.suppress(OSError):  # it has ended
                    peak[at] = max(peak[at], process.rss())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    began = time.monotonic()
    try:
        heard = attacker.attack()
    except (OSError, TimeoutError) as error:
        heard = {f"gave up after {time.monotonic() - began:.0f} s: {error}": 1}
    time.sleep(1)
    outcomes = [others.end(), same.end()]
    over.set()
    watcher.join()
    grown = [(high - low) / (1 << 20) for high, low in zip(peak, before)]
    gateway, keeper = max(grown[:len(cluster.gateways)]), max(grown[len(cluster.gateways):])
    columns = "".join(f"{_ms(_percentile(waits, 0.99)):>{first}}{_ms(max(waits)):>8}"
                      for first, (waits, _) in zip((11, 14), outcomes))
    said = ", ".join(f"{count} x {text}" for text, count in heard.items() if count)
    wrong = ", ".join(f"{count} x {text}" for _, all_wrong in outcomes for text, count in all_wrong.items())
    print(f"{attack.__name__:<20}{columns}{gateway:>9.0f}{keeper:>8.0f}  {said}{'; others: ' + wrong if wrong else ''}",
          flush=True)
    for client in attacker.clients:
        client.close()


def _percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ms(seconds):
    return f"{seconds * 1000:.0f}"
