"""Plays scenarios of dormouse-load and reads what they found."""

import dataclasses
import json
import os
import re
import subprocess
import tempfile

from cluster import BIN


_PROGRESS = re.compile(r"^ready$|\d+ of \d+ ready")


class Failed(Exception):
    """A run that was not as it should be; in words."""


@dataclasses.dataclass
class Found:
    figures: dict  # name -> value, in the unit that dormouse-load shows
    latencies: dict  # name -> {"p50_ms": ..., ...}
    command: str

    def sum(self, prefix, names):
        """Of the figures PREFIX.NAME: what all processes of a server took together."""
        return sum(self.figures[f"{prefix}.{name}"] for name in names)


def play(scenario, *words, watched=None):
    """`watched`: name -> pid. Raises Failed where a reply was wrong, missing, doubled or out of order."""
    with tempfile.TemporaryDirectory(prefix="dormouse-bench-") as directory:
        file = os.path.join(directory, "found.json")
        command = [os.path.join(BIN, "dormouse-load"), scenario, *map(str, words), "--json", file]
        for name, pid in (watched or {}).items():
            command += ["--watch", f"{name}={pid}"]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
            raise Failed("; ".join([line for line in said if not _PROGRESS.search(line)][-3:]) or "it failed without a word")
        with open(file, encoding="utf-8") as found:
            result = json.load(found)
    figures = {name: figure["value"] for name, figure in result["figures"].items()}
    latencies = {name: {key: value for key, value in each.items() if key.endswith("_ms")}
                 for name, each in result["distributions"].items()}
    return Found(figures, latencies, result["command"])
