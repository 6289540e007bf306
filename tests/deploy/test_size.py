"""deploy/size computes what deploy/size.md says, of the figures that it names."""

import os
import re
import subprocess

import pytest
from cluster import REPOSITORY


def _page():
    with open(os.path.join(REPOSITORY, "deploy", "size.md"), encoding="utf-8") as file:
        return file.read()


def _run(*words):
    done = subprocess.run([os.path.join(REPOSITORY, "deploy", "size"), *words], stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def _rows(*words):
    """What -> how much. Rows that are indented are called by the row above them, too."""
    status, said = _run(*words)
    assert status == 0, said
    rows, above = {}, ""
    for line in said.splitlines():
        what, much, _ = re.split(r" {2,}(?=\S)", line.strip(), 2)
        above = above if line.startswith(" ") else what
        rows[what if what == above else f"{above}: {what}"] = much
    return rows


def test_examples_are_what_it_prints():
    examples = re.findall(r"^    \$ deploy/size (.*)\n((?:    .*\n)+)", _page(), re.M)
    assert len(examples) == 3
    for words, shown in examples:
        status, said = _run(*words.split())
        assert (status, [line.rstrip() for line in said.splitlines()]) == (
            0, [line.removeprefix("    ").rstrip() for line in shown.splitlines()]), words


def test_options_are_those_of_the_page():
    table = dict(re.findall(r"^\| `--([\w-]+)` \| `?(\w[\w.]*)`? \|", _page(), re.M))
    status, said = _run("--help")
    assert status == 0
    told = dict(re.findall(r"^  --([\w-]+) (?:.|\n)*?(?:\(default:\s+(\S+)\)|(?=\n  --))", said, re.M))
    assert {name: "" if default == "required" else default for name, default in table.items()} == told


def test_figures_are_those_that_were_measured():
    with open(os.path.join(REPOSITORY, "deploy", "size"), encoding="utf-8") as file:
        source = file.read()
    with open(os.path.join(REPOSITORY, "tests", "bench", "RESULTS.md"), encoding="utf-8") as file:
        results = file.read()

    def ours(title):
        """The cells of our row in a table of the results."""
        section = results.partition(f"### {title}\n")[2].partition("### ")[0]
        return [cell.strip() for cell in re.search(r"^\| dormouse \|(.*)\|$", section, re.M)[1].split("|")]

    def figure(name):
        return float(re.search(rf"^{name} = ([\d._]+)", source, re.M)[1])
    wake = ours("First message to each of 200 sleeping hubs, and one right behind it")
    for name, measured in (
            ("MESSAGE_SPARSE", ours("Echo: 5,000 messages a second over 1,000 connections")[0]),
            ("MESSAGE_DENSE", ours("Echo: 1,000 connections, one message in flight each")[0]),
            ("CONNECT", ours("Connections that come and go, 16 at a time, up to the greeting")[0]),
            ("SOCKET", ours("8,000 connections that are silent")[0]),
            ("WAKE", f"{float(wake[0]) - float(wake[2]):.1f}")):
        assert figure(name) == float(measured.replace(",", "")), f"{name}: tests/bench/RESULTS.md has {measured}"


def _sized(connections, messages, hubs, *more):
    return _rows("--connections", str(connections), "--messages", str(messages), "--hubs", str(hubs), *more)


def test_what_it_depends_on():
    few = _sized(40000, 100, 100)
    assert (few["gateways"], few["statekeepers"]) == ("3", "3")
    # More sockets a gateway, fewer of them; more messages than their processors can take, more.
    assert _sized(40000, 100, 100, "--per-gateway", "40000")["gateways"] == "2"
    busy = _sized(40000, 100000, 100)
    assert int(busy["gateways"]) > 3 and float(busy["gateways: processors of each"]) <= 0.5
    assert int(_sized(40000, 900000, 100, "--cores", "2")["statekeepers"]) > 3
    # Hubs that nobody talks to sleep.
    assert _sized(9, 0, 1000)["hubs awake"] == "0"
    assert _sized(9, 900, 1000, "--active", "0.1")["hubs awake"] == "100"
    file = _sized(1000, 100, 100, "--store", "file")
    assert file["statekeepers"] == "1" and "the file" in file and "Redis" not in file


@pytest.mark.parametrize("words, wrong", [
    (("--connections", "0", "--messages", "1", "--hubs", "1"), "--connections: 0 will not do: say a number, 1 or more"),
    (("--connections", "1", "--messages", "nan", "--hubs", "1"), "--messages: nan will not do"),
    (("--connections", "1", "--messages", "1"), "--hubs"),
    (("--connections", "1", "--messages", "1", "--hubs", "1", "--busy", "2"), "--busy: at most 1"),
])
def test_mistakes_are_told(words, wrong):
    status, said = _run(*words)
    assert status == 2 and wrong in said


def test_a_file_is_for_one_statekeeper():
    status, said = _run("--connections", "1000", "--messages", "300000", "--hubs", "10", "--store", "file")
    assert status == 1 and "Several share a Redis: --store redis." in said
