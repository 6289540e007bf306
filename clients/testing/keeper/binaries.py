"""Where the programs of Dormouse are."""

import os

from failure import Failure

CHECKOUT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__)))))
LOCAL = os.path.join(CHECKOUT, "deploy", "local")
_PROGRAMS = ("dormouse-gateway", "dormouse-statekeeper", "dormousectl")


def find():
    """DORMOUSE_BIN, or what this checkout has built. Raises Failure."""
    named = os.environ.get("DORMOUSE_BIN")
    directory = os.path.abspath(named) if named else os.path.join(CHECKOUT, "build", "release", "bin")
    missing = [name for name in _PROGRAMS if not os.access(os.path.join(directory, name), os.X_OK)]
    if missing:
        where = f"DORMOUSE_BIN says {directory}, where" if named else f"In {directory}"
        raise Failure(f"{where} there is no {missing[0]}. Build Dormouse, once: {CHECKOUT}/deploy/build release; or let"
                      " DORMOUSE_BIN name the directory with its programs.")
    return directory
