"""The process that runs hub classes written in Python: a project, as it was built into the working directory (workers.json,
and the files beside it). Which statekeeper it works for is in the environment; see proto/worker.proto."""

import os
import sys

sys.path[0] = os.path.dirname(os.path.abspath(__file__))
from dormouse_hubs.host.process import main  # noqa: E402  # pylint: disable=wrong-import-position

if __name__ == "__main__":
    sys.exit(main())
