"""One cluster for all of them, a hub and a connection for each."""

import contextlib
import itertools

import pytest
from cluster import Cluster

from .wire import Wire

LIMIT = 4 << 20  # bytes of a message
OPTIONS = {"hibernate-after": "1h", "rate-limit": "0", "connection-cpu": "0", "max-message-size": str(LIMIT),
           "outbound-limit": "64MiB"}
_names = itertools.count()


class Place:
    """Where wires lead to."""

    def __init__(self, cluster, kind=Wire):
        self._cluster = cluster
        self._kind = kind
        self._stack = contextlib.ExitStack()

    def hub(self, kind="mirror"):
        """The path of a hub that nobody else uses."""
        return f"/{kind}/{next(_names)}"

    def wire(self, path=None, **how):
        wire = self._kind(self._cluster.port(), path or self.hub(), **how)
        self._stack.callback(wire.end)
        return wire

    def leave(self):
        self._stack.close()


@pytest.fixture(scope="package")
def cluster():
    with Cluster(options=OPTIONS, statekeeper_program="dormouse-mirror-statekeeper") as it:
        yield it


@pytest.fixture
def place(cluster):
    it = Place(cluster)
    yield it
    it.leave()


@pytest.fixture
def wire(place, request):
    """To a hub that gives back what it gets."""
    return place.wire(seed=request.node.name)
