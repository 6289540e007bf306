"""What a process writes is for its user alone, whatever umask and modes it finds."""

import os

import pytest
from cluster import Cluster
from process import open_to_others


@pytest.fixture(autouse=True)
def _careless_umask():
    before = os.umask(0)
    yield
    os.umask(before)


def test_state_and_sockets_of_a_statekeeper():
    with Cluster() as cluster:
        assert {"dormouse.db", "run"} <= set(os.listdir(cluster.data))
        assert open_to_others(cluster.data) == set()


def test_a_store_elsewhere(tmp_path):
    path = tmp_path / "elsewhere" / "store.db"
    path.parent.mkdir(mode=0o777)
    with Cluster(store=f"file:{path}"):
        assert {"store.db", "store.db-wal"} <= set(os.listdir(path.parent))
        assert open_to_others(path.parent) == {"."}, "a directory that it did not make is not its own to close"
