"""A saved file is a new version; what cannot be built changes nothing."""

import contextlib
import os
import time

import builder as builders
import pytest
from process import wait_until
from projects import MAIN, Project, config, needs_esbuild
from saved_project import SavedProject

pytestmark = needs_esbuild


class Author:
    """Works on a project that is looked after."""

    def __init__(self, project):
        self.project = project
        self.saved = SavedProject(project.builder())
        self.saved.build()

    @property
    def version(self):
        return os.readlink(os.path.join(self.project.into, "current"))

    def news(self):
        """The next that there is to tell: (new version?, lines)."""

        def tell():
            is_new, lines = self.saved.turn()
            return (is_new, "\n".join(lines)) if is_new or lines else None

        return wait_until(tell, "something is told")

    def settle(self):
        """Goes on until nothing is under way, and nothing was told."""
        wait_until(lambda: self.saved.turn() == (False, []) and not self.saved.busy, "the project rests")


@pytest.fixture
def author(tmp_path):
    made = []

    def make(**files):
        made.append(Author(Project(str(tmp_path), **files)))
        return made[-1]

    yield make
    for each in made:
        each.saved.stop()


def test_a_saved_file_is_a_new_version(author):
    it = author(**{"src/index.ts": MAIN + 'export * from "./other";', "src/other.ts": "export const a = 1;"})
    it.settle()
    for name, text in (("src/other.ts", "export const a = 2;"), (".dev.vars", "A=1"),
                       ("wrangler.json", config(vars={"B": "2"})), ("tsconfig.json", "{}")):
        before = it.version
        it.project.save(name, text)
        if name == "tsconfig.json":  # changes nothing here, and nothing is told
            it.settle()
            assert it.version == before
            continue
        is_new, said = it.news()
        assert is_new and it.version != before
        assert f"version {it.version} is built and handed over" in said
        assert it.project.manifest()["version"] == it.version


def test_a_save_while_a_build_is_under_way_is_not_lost(author):
    it = author()
    it.settle()
    it.project.save("src/index.ts", MAIN + "console.log(1);")
    wait_until(lambda: it.saved.turn() == (False, []) and it.saved.busy, "a build has begun")
    it.project.save("src/index.ts", MAIN + "console.log(2);")
    it.news()
    it.settle()
    with open(os.path.join(it.project.into, "current", "worker.mjs"), encoding="utf-8") as file:
        assert "console.log(2)" in file.read()


def test_a_broken_save_keeps_what_is_there(author):
    it = author()
    it.settle()
    version = it.version
    it.project.save("src/index.ts", MAIN + "oops oops")
    is_new, said = it.news()
    assert not is_new and it.version == version
    assert 'Expected ";" but found "oops"' in said and said.endswith(f"app chat: version {version} goes on")
    it.settle()
    it.project.save("src/index.ts", MAIN)
    assert it.news() == (False, f"app chat: it can be built again, and is version {version} as before")
    it.project.save("wrangler.toml", "name = ")
    assert "wrangler.toml cannot be read" in it.news()[1]
    it.settle()
    it.project.save("wrangler.json", config(name="renamed"))
    is_new, said = it.news()
    assert is_new and "app renamed: version" in said
    it.project.save("wrangler.json", config(durable_objects={"bindings": [{"name": "R", "class_name": "Nobody"}]}))
    is_new, said = it.news()
    assert not is_new and "does not export Nobody" in said


@pytest.mark.parametrize("name, module", [("src/late.ts", "./late"), ("src/deep/late.ts", "./deep/late"),
                                          ("lib/late.ts", "../lib/late"), ("node_modules/late/index.js", "late")])
def test_what_was_missing_is_found_when_it_comes(author, name, module):
    it = author()
    it.settle()
    it.project.save("src/index.ts", MAIN + f'import "{module}";')
    assert f'Could not resolve "{module}"' in it.news()[1]
    it.settle()
    os.makedirs(os.path.dirname(it.project.path(name)), exist_ok=True)
    it.settle()
    it.project.save(name, "console.log('late');")
    if "node_modules" in name:
        it.project.save("node_modules/.package-lock.json", "{}")  # npm's last
    wait_until(lambda: it.saved.turn()[0], "it is built")


def test_notices_are_told_once(author):
    it = author(**{"wrangler.toml": None, "wrangler.json": config(ai={"binding": "AI"})})
    it.settle()
    it.project.save("src/index.ts", MAIN + "console.log(1);")
    assert "Not supported" not in it.news()[1]
    it.project.save("wrangler.json", config(ai={"binding": "AI"}, browser={"binding": "PAGES"}))
    said = it.news()[1]
    assert "env.PAGES" in said and "env.AI" not in said


def test_the_projects_own_command_runs_when_its_sources_change_alone(author):
    command = "mkdir -p out && cp src/index.js out/index.js && echo >> out/log"
    it = author(**{"wrangler.json": config(main="out/index.js", build={"command": command}), "src/unused.css": "",
                   "src/index.js": "export class Room {} export default {};", "lib.js": ""})

    def runs():
        with open(it.project.path("out/log"), encoding="utf-8") as file:
            return len(file.read())

    it.settle()
    first = runs()
    it.project.save("src/index.js", "export class Room {} export default { a: 1 };")
    assert it.news()[0]
    it.settle()
    assert runs() == first + 1
    it.project.save("src/unused.css", "p {}")
    wait_until(lambda: it.saved.turn() == (False, []) and runs() == first + 2, "the command runs for whatever is in src")
    it.settle()
    it.project.save("out/index.js", "export class Room {} export default { by: 'hand' };")
    assert it.news()[0]
    it.settle()
    assert runs() == first + 2


def test_a_build_that_is_stopped_leaves_nothing(author):
    it = author(**{"wrangler.json": config(build={"command": "[ ! -e src/slow ] || { echo $$ > pid; sleep 1000; }"})})
    it.settle()
    it.project.save("src/slow", "")

    def pid():
        it.saved.turn()
        with contextlib.suppress(FileNotFoundError, ValueError), open(it.project.path("pid"), encoding="utf-8") as file:
            return int(file.read())

    started = wait_until(pid, "it is slow")
    it.saved.stop()
    assert not os.path.exists(f"/proc/{started}")
    assert not [name for name in os.listdir(it.project.into) if name.startswith(".")]


def test_to_look_at_a_project_that_rests_costs_little(author):
    it = author(**{"src/index.ts": MAIN + "".join(f'import "./m{number}";' for number in range(1000)),
                   **{f"src/m{number}.ts": f"console.log({number});" for number in range(1000)}})
    it.settle()
    began = time.process_time()
    for _ in range(20):
        assert it.saved.turn() == (False, [])
    assert time.process_time() - began < 20 * 0.02, "a tenth of a processor, at five looks a second"


def test_builds_of_one_project_in_two_clusters_do_not_meet(tmp_path):
    it = Project(str(tmp_path))
    other = builders.Builder(it.directory, str(tmp_path / "another"), None, it.host)
    assert other.build().version == it.builder().build().version
