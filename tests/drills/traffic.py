"""Checked traffic: the program dormouse-load, which talks to a cluster and knows afterwards whether it kept its word.

    with Traffic(cluster, directory, connections=2000, hubs=200, seed=7) as traffic:    # ready when entered
        traffic.mark("kill")        # latencies around this moment become report["pauses"]["kill"]
        ...
        report = traffic.stop()
"""

import json
import os
import select
import subprocess
import time

from process import BIN, SLOWNESS, die_with_parent

_PROGRAM = os.path.join(BIN, "dormouse-load")


class Broken(Exception):
    """A promise that was not kept, in a sentence."""


class Traffic:
    def __init__(self, cluster, directory, connections, hubs, rate, seed, on_close="none", asleep=0.33):
        self._report = os.path.join(directory, "report.json")
        urls = ",".join(cluster.ws_url("", gateway=number) for number in range(len(cluster.gateways)))
        self._command = [_PROGRAM, "--url", urls, "--connections", str(connections), "--hubs", str(hubs),
                         "--asleep", str(asleep), "--rate", str(rate), "--seed", str(seed), "--on-close", on_close,
                         "--report", self._report, "--history", os.path.join(directory, "history")]
        self._popen = None
        self.said = ""  # what it printed: after the end, the report as text

    def __enter__(self):
        if not os.access(_PROGRAM, os.X_OK):
            raise FileNotFoundError(f"there is no {_PROGRAM}; deploy/build release dormouse-load")
        self._popen = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                       stderr=subprocess.STDOUT, bufsize=0, preexec_fn=die_with_parent)
        try:
            self._await("ready", 60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self._popen.poll() is None:
            self._popen.kill()
        self._popen.wait()
        self._popen.stdin.close()
        self._popen.stdout.close()

    def _await(self, word, seconds):
        """Reads lines until one is `word`."""
        deadline = time.monotonic() + seconds * SLOWNESS
        while True:
            readable, _, _ = select.select([self._popen.stdout], [], [], max(0, deadline - time.monotonic()))
            line = self._popen.stdout.readline().decode() if readable else ""
            self.said += line
            if line.strip() == word:
                return
            if not line:
                what = "ended" if readable else f"was not {word} within {seconds * SLOWNESS} s"
                raise Broken(f"the traffic {what}; it said: {self.said.strip() or 'nothing'}")

    def _tell(self, line):
        try:
            self._popen.stdin.write(line.encode() + b"\n")
        except BrokenPipeError:
            raise Broken(f"the traffic has ended: {self.said + self._popen.stdout.read().decode()}") from None

    def mark(self, name):
        self._tell(f"mark {name}")

    def stop(self, seconds=60):
        """Ends the traffic, lets it check what it saw, and returns its report (README.md names the fields)."""
        self._tell("stop")
        try:
            said, _ = self._popen.communicate(timeout=seconds * SLOWNESS)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            raise Broken(f"the traffic did not end within {seconds * SLOWNESS} s of being told to") from None
        self.said += said.decode()
        if self._popen.returncode not in (0, 1):
            raise Broken(f"the traffic ended with {self._popen.returncode}: {self.said}")
        with open(self._report, encoding="utf-8") as file:
            report = json.load(file)
        if self._popen.returncode == 1 and not report["broken"]:
            raise Broken(f"the traffic ended with 1 and says not why: {self.said}")
        return report
