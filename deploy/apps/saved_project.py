"""A project that its author is working on: builds it anew when something was saved. Never waits; turn() is to be called
several times a second, and when a child process has ended."""

import time

import builder as builders
import watched_files
from wrangler_config import ProjectError

_LIMIT = 120  # seconds for a build


class SavedProject:
    def __init__(self, builder):
        self.builder = builder
        self.built = None        # the newest that could be built; there is one after build()
        self._files = watched_files.WatchedFiles()
        self._steps = None       # of the build that is under way
        self._process = None
        self._began = 0.0        # monotonic
        self._began_ns = 0
        self._failed = False     # the last build did
        self._told = set()       # notices that were said already

    def build(self):
        """The first build: waits, and raises ProjectError."""
        self._began_ns = time.time_ns()
        self.built = self.builder.build()
        self._watch()
        return self._new_notices(self.built)

    @property
    def busy(self):
        """Whether a build is under way."""
        return self._steps is not None

    def turn(self):
        """(whether there is a new version, lines to tell)."""
        if self._steps is None:
            if not self._files.changed():
                return False, []
            self._begin()
        elif self._process.poll() is None:
            if time.monotonic() - self._began < _LIMIT:
                return False, []
            self.stop()
            return False, [f"the build was given up after {_LIMIT} s"]
        return self._go_on()

    def stop(self):
        """Ends a build that is under way."""
        if self._steps is not None:
            if self._process is not None:
                builders.kill(self._process)
            self._steps.close()
            self._steps = self._process = None

    def _begin(self):
        by_command = self.builder.needs_command(self._files.changed())
        self._began, self._began_ns = time.monotonic(), time.time_ns()
        self._files.look()
        self._steps = self.builder.steps(run_command=by_command)

    def _go_on(self):
        try:
            self._process = next(self._steps)
            return False, []
        except StopIteration as end:
            self._steps = None
            self.built = end.value
            self._watch()
            lines = self._new_notices(self.built)
            if self.built.is_new:
                took = round(1000 * (time.monotonic() - self._began))
                lines.append(f"app {self.built.name}: version {self.built.version} is built and handed over"
                             f" {took} ms after its change was seen")
            elif self._failed:
                lines.append(f"app {self.built.name}: it can be built again, and is version {self.built.version} as before")
            self._failed = False
            return self.built.is_new, lines
        except (ProjectError, OSError) as error:
            self._steps = None
            self._failed = True
            self._watch(failed=True)
            return False, [*filter(str.strip, str(error).splitlines()),
                           f"app {self.built.name}: version {self.built.version} goes on"]

    def _new_notices(self, built):
        lines = [line for notice in built.notices for line in notice.splitlines()
                 if line.strip() and notice not in self._told]
        self._told = set(built.notices)
        return lines

    def _watch(self, failed=False):
        self._files.replace(sorted(self.builder.watched(self.built.inputs, failed)), self._began_ns)
