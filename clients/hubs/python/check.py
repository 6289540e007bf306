"""Looks at a project's classes, for who builds it: check.py DIRECTORY MAIN CLASS... Says what they are, as JSON on standard
output; or on standard error what is wrong, and ends with status 1."""

import json
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from dormouse_hubs.host import project  # noqa: E402  # pylint: disable=wrong-import-position
from dormouse_hubs.hub import Hub  # noqa: E402  # pylint: disable=wrong-import-position


def main() -> int:
    directory, file, *names = sys.argv[1:]
    answer = os.dup(1)
    os.dup2(2, 1)  # what the project prints is no answer
    try:
        classes = project.classes(project.load(directory, file), names, file)
    except project.ProjectError as error:
        print(error, file=sys.stderr)
        return 1
    with os.fdopen(answer, "w") as out:
        json.dump({name: {"http": found.on_request is not Hub.on_request} for name, found in classes.items()}, out)
    return 0


if __name__ == "__main__":
    sys.exit(main())
