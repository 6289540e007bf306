"""What asking for tokens and limiting rates cost, against the same build without either.

Each round starts a cluster for each kind and takes them in turn, for a moment each, again and again: then neither the
machine's mood nor the luck of one process falls on one of them. Ratios compare within a turn. Every figure is the median
of all turns, with the quartiles behind it.
"""

import contextlib
import itertools
import os
import statistics
import subprocess
import tempfile
import time

import jwt
import tokens
from cluster import BIN, Cluster
from cryptography.hazmat.primitives.serialization import load_pem_private_key


# Nobody sends so fast.
RATE = {"rate-limit": "1000000000", "rate-burst": "1000000000"}
NO_RATE = {"rate-limit": "0"}
# A client may take its time, and a hub that was measured stays what it is, whatever else this machine does.
COMMON = {"connect-timeout": "60s", "hibernate-after": "1h"}
TURNS = 10


def measure(store, rounds, seconds, connects):
    """Prints the figures for one store: `seconds` of sending and `connects` connections of each kind in a turn."""
    with tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
        connect = {"none": ({}, [])}
        for algorithm in ("HS256", "RS256", "ES256"):
            connect[algorithm] = _authentication(directory, algorithm, connects)
        (none, no_tokens), (hs256, its_tokens) = connect["none"], connect["HS256"]
        send = {"plain": ({**NO_RATE, **none}, no_tokens), "auth": ({**NO_RATE, **hs256}, its_tokens),
                "limit": ({**RATE, **none}, no_tokens), "auth+limit": ({**RATE, **hs256}, its_tokens)}
        _compare("limits.send", store, rounds, send, "send", "--seconds", str(seconds), "--warm-up", str(seconds / 4))
        _compare("limits.connect", store, rounds, connect, "connect", "--connections", str(connects))


def _authentication(directory, algorithm, count):
    """(options of the cluster, words for the driver): tokens for as many actors."""
    if algorithm == "HS256":
        private = public = tokens.SECRET
    else:
        private, public = tokens.new_keys(algorithm)
        # Read once: that takes longer than to sign.
        private = load_pem_private_key(private.encode(), None)
    key, file = (os.path.join(directory, f"{algorithm}.{name}") for name in ("key", "tokens"))
    with open(key, "w", encoding="ascii") as out:
        out.write(public)
    with open(file, "w", encoding="ascii") as out:
        for number in range(count):
            claims = tokens.claims(f"bench/{number}", exp=int(time.time()) + 3600)
            out.write(jwt.encode(claims, private, algorithm) + "\n")
    return {"auth-algorithm": algorithm, "auth-key": key}, ["--tokens", file]


def _compare(title, store, rounds, kinds, *load):
    """Takes the kinds, name -> (options, words), in turn; the first is what the others are compared with."""
    taken = {name: [] for name in kinds}
    for _ in range(rounds):
        with contextlib.ExitStack() as stack:
            clusters = {name: stack.enter_context(Cluster(store=store, options={**COMMON, **options}))
                        for name, (options, _) in kinds.items()}
            names = list(kinds)
            for turn in range(TURNS):
                for name in names:
                    # A hub of its own: those who were there before wait in theirs for a chance to resume.
                    taken[name].append(_load(clusters[name], *load, "--path", f"/ws/turn-{turn}", *kinds[name][1]))
                names.reverse()
    first = next(iter(kinds))
    for name, figure in itertools.product(kinds, taken[first][0]):
        values, compared = ([turn[figure][0] for turn in taken[kind]] for kind in (name, first))
        _show(f"{title}.{name}.{figure}", values, taken[first][0][figure][1])
        if name != first:
            _show(f"{title}.{name}.{figure}.ratio", [a / b for a, b in zip(values, compared)], f"of {first}")


def _load(cluster, *words):
    """Figure -> (value, unit) that the driver prints."""
    driver = [os.path.join(BIN, "dormouse_signal_load"), *words, "--target", f"127.0.0.1:{cluster.port()}",
              "--watch", f"gateway={cluster.gateways[0].pid}", "--watch", f"statekeeper={cluster.statekeeper.pid}"]
    lines = subprocess.run(driver, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    figures = (line.split(maxsplit=2) for line in lines)
    return {name.partition(".")[2]: (float(value), unit) for name, value, unit in figures}


def _show(name, values, unit):
    low, median, high = statistics.quantiles(values, n=4)
    print(f"{name:<44} {median:12.2f} {unit} ({low:.2f} to {high:.2f})", flush=True)
