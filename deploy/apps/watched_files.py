"""Tells whether files have changed, by looking at them: a few thousand take milliseconds."""

import os

_NOT_ENTERED = {"node_modules", "dist", "build"}
_MOST_DIRECTORIES = 2000
# The file system's clock stands still for up to a jiffy: a file's time may be that much before it was written.
_CLOCK_STEP_NS = 10_000_000


def _look(path):
    try:
        state = os.stat(path)
    except OSError:
        return None
    return (state.st_mtime_ns, state.st_ino, state.st_size)


class WatchedFiles:
    def __init__(self):
        self._seen = {}  # path -> what was seen of it; None: it was not there

    def changed(self):
        """Paths that are not as they were."""
        return [path for path, seen in self._seen.items() if _look(path) != seen]

    def look(self):
        """What is there now is known."""
        self._seen = {path: _look(path) for path in self._seen}

    def replace(self, paths, since_ns):
        """Watches `paths` from now on, and no others. One that was watched already is as it was seen; one that was
        changed after `since_ns` has changed."""
        before, self._seen = self._seen, {}
        for path in paths:
            if path in before:
                self._seen[path] = before[path]
                continue
            seen = _look(path)
            self._seen[path] = () if seen and seen[0] > since_ns - _CLOCK_STEP_NS else seen


def directories(root, without=()):
    """Those below `root`, itself included, where an author may put something: what is generated or hidden is not entered."""
    found = []
    for path, below, _ in os.walk(root):
        found.append(path)
        if len(found) >= _MOST_DIRECTORIES:
            break
        below[:] = [name for name in below if name not in _NOT_ENTERED and not name.startswith(".")
                    and os.path.join(path, name) not in without]
    return found


def files(root):
    """Those below `root`, in the same directories."""
    return [entry.path for directory in directories(root) for entry in os.scandir(directory)
            if entry.is_file()] if os.path.isdir(root) else []
