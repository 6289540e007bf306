"""The app of `up --app DIR`: a project, built here and built anew when it is saved; or an app directory, as it is."""

import json
import os
import sys

sys.path.append(os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "apps"))
import builder as builders  # noqa: E402  # pylint: disable=wrong-import-position
import kinds  # noqa: E402  # pylint: disable=wrong-import-position
from layout import Failure  # noqa: E402  # pylint: disable=wrong-import-position
from saved_project import SavedProject  # noqa: E402  # pylint: disable=wrong-import-position


class App:
    """`option`: the directory that statekeepers are given. What it holds is known after prepare()."""

    def __init__(self, source, layout, environment=None, umask=-1, inspect=None):
        self._inspect = inspect
        self._source = os.path.abspath(source)
        self._saved = None
        if os.path.isfile(os.path.join(self._source, builders.MANIFEST)):
            if inspect:
                raise Failure(f"--inspect is for projects that are built here; {self._source} is an app directory.")
            self.option = self._source
            return
        try:
            builder = kinds.builder_for(self._source, layout.app, environment, umask=umask, inspect=inspect)
        except builders.ProjectError as error:
            raise Failure(error) from error
        if builder is None:
            raise Failure(f"{self._source} is neither a project ({', '.join(kinds.FILES)}) nor an app directory"
                          f" ({builders.MANIFEST}).")
        self.option = os.path.join(layout.app, builders.CURRENT)
        self._saved = SavedProject(builder)

    def prepare(self):
        """Builds it, where it is to be built. Returns lines to tell; raises Failure."""
        if self._saved is None:
            self.record()  # it can be read
            return []
        try:
            return self._saved.build()
        except builders.ProjectError as error:
            raise Failure(error) from error
        except OSError as error:
            raise Failure(f"The project cannot be built: {error}.") from error

    def turn(self):
        """(whether statekeepers are to read it again, lines to tell); never waits."""
        return self._saved.turn() if self._saved else (False, [])

    def stop(self):
        if self._saved:
            self._saved.stop()

    def record(self):
        """As it is recorded: name, version, classes, where it is from."""
        path = os.path.join(self.option, builders.MANIFEST)
        try:
            with open(path, encoding="utf-8") as file:
                manifest = json.load(file)
            return {"name": manifest["name"], "version": manifest["version"], "source": self._source,
                    "classes": [each.get("class", each["name"]) for each in manifest["classes"]
                                if not each.get("internal")]}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise Failure(f"{path} is not what an app says of itself: {error!r}.") from error

    def lines(self):
        """For whoever has started it."""
        it = self.record()
        said = f"App {it['name']}, version {it['version']}: {', '.join(it['classes']) or 'no classes'}."
        lines = [said + (f" What is saved in {self._source} is built, and live, at once." if self._saved else "")]
        if self._inspect:
            lines.append(f"A debugger finds its code at 127.0.0.1:{self._inspect}, each version anew (chrome://inspect, or attach"
                         " to it in an editor). At a breakpoint all objects stand still.")
        return lines
