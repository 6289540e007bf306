"""Prometheus and its tools, from Debian's packages. They are unpacked below build/ and not installed, for the packages
start services of the machine's own."""

import glob
import json
import os
import re
import shutil
import subprocess
import urllib.parse

import pytest
import yaml
from cluster import REPOSITORY
from fetched import filling
from process import Process, http_get

OBSERVE = os.path.join(REPOSITORY, "deploy", "observe")
_UNPACKED = os.path.join(REPOSITORY, "build", "monitoring")


def program(name):
    """The path of prometheus, promtool, prometheus-alertmanager or amtool. Skips the test where it cannot be had."""
    if found := shutil.which(name):
        return found
    path = os.path.join(_UNPACKED, "usr", "bin", name)
    with filling(_UNPACKED):
        if not os.path.exists(path):
            _unpack()
    return path


def _unpack():
    with open(os.path.join(REPOSITORY, "deploy", "packages"), encoding="utf-8") as file:
        packages = " ".join(re.findall(r"^unpack:(.*)$", file.read(), re.M)).split()
    done = subprocess.run(["apt-get", "download", *packages], cwd=_UNPACKED, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"Debian's packages {', '.join(packages)} cannot be had: {done.stdout.strip().splitlines()[-1:]}")
    for package in glob.glob(os.path.join(_UNPACKED, "*.deb")):
        subprocess.run(["dpkg-deb", "--extract", package, _UNPACKED], check=True)
        os.remove(package)


def run(name, *words):
    """Runs a tool to its end: (exit status, all it said)."""
    done = subprocess.run([program(name), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def alerts():
    """The rules of alerts.yml, by name."""
    with open(os.path.join(OBSERVE, "alerts.yml"), encoding="utf-8") as file:
        return {rule["alert"]: rule for group in yaml.safe_load(file)["groups"] for rule in group["rules"]}


def selectors(expression):
    """The series that an expression reads, as dormouse_closes_total{reason="idle"}."""
    return re.findall(r"\b(?:(?:dormouse|haproxy|process)_\w+|up)\b(?:\{[^}]*\})?", expression)


class Prometheus(Process):
    """A Prometheus that asks the processes of a cluster each second, by the names that deploy/observe/prometheus.yml
    gives them, and has its alert rules, which fire at once (`for` is left out)."""

    def __init__(self, cluster, port):
        self._port = port
        directory = os.path.join(cluster.directory, "prometheus")
        os.mkdir(directory)
        rules = [{**rule, "for": "0s"} for rule in alerts().values()]
        self._write(directory, "alerts.yml", {"groups": [{"name": "dormouse", "rules": rules}]})
        jobs = {"dormouse-statekeeper": cluster.statekeepers, "dormouse-gateway": cluster.gateways}
        self._write(directory, "prometheus.yml", {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["alerts.yml"],
            "scrape_configs": [
                {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{each.admin}" for each in processes]}]}
                for job, processes in jobs.items()]})
        super().__init__("prometheus", [
            program("prometheus"), f"--config.file={directory}/prometheus.yml", f"--storage.tsdb.path={directory}/data",
            f"--web.listen-address=127.0.0.1:{port}", "--log.level=warn"], cluster.directory, port)

    @staticmethod
    def _write(directory, name, content):
        with open(os.path.join(directory, name), "w", encoding="utf-8") as file:
            yaml.safe_dump(content, file)

    def is_ready(self):
        try:
            return http_get(self._port, "/-/ready")[0] == 200
        except OSError:
            return False

    def query(self, expression):
        """The result: a list of {"metric": labels, "value": [time, text]}."""
        status, body, _ = http_get(self._port, "/api/v1/query?" + urllib.parse.urlencode({"query": expression}))
        assert status == 200, f"{expression}: {body}"
        return json.loads(body)["data"]["result"]

    def firing(self):
        """The names of the alerts that fire now."""
        return {each["metric"]["alertname"] for each in self.query('ALERTS{alertstate="firing"}')}
