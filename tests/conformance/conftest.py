"""The clusters that scenarios share."""

import pytest
from cluster import Cluster

from .scenario import Stage

NEVER_ASLEEP = {"hibernate-after": "1h", "rate-limit": "0", "edge-heartbeats": "false"}
SOON_ASLEEP = {"hibernate-after": "5ms", "rate-limit": "0"}


@pytest.fixture(scope="session")
def awake():
    """Hubs stay in memory, and answer heartbeats themselves."""
    with Cluster(options=NEVER_ASLEEP) as it:
        yield it


@pytest.fixture(scope="session")
def asleep():
    """Hubs fall asleep at once, heartbeats are answered at the edge: the other way for every answer to come about."""
    with Cluster(options=SOON_ASLEEP) as it:
        yield it


@pytest.fixture(scope="session")
def stage(awake, asleep):
    return Stage(awake=awake, asleep=asleep)


@pytest.fixture(scope="module")
def staged(request, tmp_path_factory):
    """A stage with clusters of the module's own. OPTIONS says how they differ: NAME -> VALUE, or a function of a
    directory for files that options name. TOKEN, where there is one, makes the tokens that clients connect with."""
    options = getattr(request.module, "OPTIONS")
    if callable(options):
        options = options(tmp_path_factory.mktemp("files"))
    with Cluster(options={**NEVER_ASLEEP, **options}) as awake_one, \
            Cluster(options={**SOON_ASLEEP, **options}) as asleep_one:
        yield Stage(awake=awake_one, asleep=asleep_one, token=getattr(request.module, "TOKEN", None))
