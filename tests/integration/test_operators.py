"""deploy/local ctl: dormousectl against the cluster of a data directory."""

import os
import stat
import subprocess
import tempfile

import pytest
from cluster import BIN, REPOSITORY, Cluster

LOCAL = ["/usr/bin/python3", os.path.join(REPOSITORY, "deploy", "localcluster")]


def run(*words):
    done = subprocess.run([*LOCAL, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          timeout=60, check=False, text=True)
    return done.returncode, done.stdout


@pytest.fixture
def data():
    """A data directory; its path is short enough for sockets."""
    with tempfile.TemporaryDirectory(prefix="dormouse-ctl-") as directory:
        os.mkdir(os.path.join(directory, "run"))
        yield directory


@pytest.fixture
def told(tmp_path):
    """A directory with a dormousectl that says how it was called."""
    program = tmp_path / "dormousectl"
    program.write_text('#!/bin/sh\nprintf "%s\\n" "$DORMOUSE_STATEKEEPER" "$@"\nexit 5\n')
    program.chmod(0o755)
    return str(tmp_path)


def test_words_and_exit_status_pass_through(told, data):
    words = ["--json", "evict", "--mode", "close", "--statekeeper", "1f", "--data", "--help"]
    for flag in (["--data", data], [f"--data={data}"]):
        status, said = run("--bin", told, "ctl", *flag, *words)
        assert status == 5
        assert said.splitlines() == [f"unix:{data}/run", *words]


def test_says_what_is_missing(told, data):
    status, said = run("--bin", told, "ctl", "--data", os.path.join(data, "none"), "members")
    assert status == 1 and "There is no cluster in" in said
    status, said = run("--bin", os.path.join(told, "none"), "ctl", "--data", data, "members")
    assert status == 1 and "deploy/local up builds it" in said


def test_finds_no_statekeeper_where_none_runs(data):
    status, said = run("--bin", BIN, "ctl", "--data", data, "members")
    assert status == 3 and "no statekeeper's socket" in said


def test_sockets_are_for_their_owner_alone():
    with Cluster() as cluster:
        mode = os.stat(os.path.join(cluster.data, "run")).st_mode
        assert stat.S_IMODE(mode) == 0o700


def test_no_more_threads_poll_the_sockets_of_a_statekeeper():
    """gRPC's callback API would start some, which wake for each message of the edge link."""
    with Cluster(store="redis", statekeepers=2) as cluster:
        status, said = run("--bin", BIN, "ctl", "--data", cluster.data, "members")
        assert status == 0, said
        for statekeeper in cluster.statekeepers:
            threads = []
            for task in os.listdir(f"/proc/{statekeeper.pid}/task"):
                with open(f"/proc/{statekeeper.pid}/task/{task}/comm", encoding="ascii") as file:
                    threads.append(file.read())
            assert threads and not any("nexting" in name for name in threads), threads


def test_what_there_is_not_has_an_exit_status_of_its_own():
    with Cluster() as cluster:
        for words, said in ((["hibernate", "signal/never-was"], "never-was"), (["hubs", "--class", "nosuch"], "nosuch")):
            status, output = cluster.run_to_end(cluster.ctl_command(*words))
            assert status == 4 and said in output, output
        assert cluster.run_to_end(cluster.ctl_command("hubs", "--class", "signal"))[0] == 0
        status, output = cluster.run_to_end(cluster.ctl_command("hibernat", "signal/default"))
        assert status == 2 and "there is no command 'hibernat'" in output
