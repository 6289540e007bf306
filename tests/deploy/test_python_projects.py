"""Python projects become app directories, and what is wrong with one is said in a sentence."""

import json
import os
import subprocess

import kinds
import python_builder
import pytest
from builder import ProjectError
from cluster import REPOSITORY
from process import wait_until
from saved_project import SavedProject

TOML = """
[classes.Room]
path = "/room/{name}"
"""
CODE = """
from dormouse_hubs import Hub
from greeting import GREETING

class Room(Hub):
    async def on_message(self, connection, message):
        connection.send(GREETING)
"""


class PythonProject:
    def __init__(self, directory, **files):
        self.directory = os.path.join(directory, "project")
        self.into = os.path.join(directory, "app")
        os.makedirs(self.into)
        for name, text in ({"dormouse.toml": TOML, "hubs.py": CODE, "greeting.py": 'GREETING = "hello"\n'} | files).items():
            if text is not None:
                self.save(name, text)

    def save(self, name, text):
        path = os.path.join(self.directory, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    def builder(self):
        return kinds.builder_for(self.directory, self.into)

    def build(self):
        self.builder().build()
        with open(os.path.join(self.into, "current", "workers.json"), encoding="utf-8") as file:
            return json.load(file)

    def refusal(self, **files):
        for name, text in files.items():
            self.save(name.replace("_", "."), text)
        with pytest.raises(ProjectError) as refused:
            self.builder().build()
        assert not [name for name in os.listdir(self.into) if name.startswith(".")], "nothing is left of a failed build"
        return str(refused.value)


@pytest.fixture
def project(tmp_path):
    made = 0

    def make(**files):
        nonlocal made
        made += 1
        return PythonProject(str(tmp_path / str(made)), **files)

    return make


def test_an_app_directory_says_what_it_consists_of(project):
    it = project(**{".hidden": "", "data/words.txt": "a", "__pycache__/x.pyc": "", "venv/pyvenv.cfg": "", "venv/x.py": "",
                    "dormouse.toml": TOML + '[classes.Page]\npath = "/page/{name}"\nmax_message_size = 1000\n'
                                            '[classes.Inner]\n[vars]\nA = "b"\n',
                    "hubs.py": CODE + """
class Page(Hub):
    async def on_request(self, request):
        return "page"

class Inner(Hub):
    pass
"""})
    manifest = it.build()
    version = manifest.pop("version")
    assert manifest == {
        "name": "project",
        "command": ["/usr/bin/python3", "-B", os.path.join(REPOSITORY, "clients", "hubs", "python", "host.py")],
        "environment": {"A": "b"},
        "http": True,
        "classes": [{"name": "Inner", "routes": [], "max_message_size": 1048576},
                    {"name": "Page", "routes": [], "max_message_size": 1000, "http": ["/page/{name}"]},
                    {"name": "Room", "routes": ["/room/{name}"], "max_message_size": 1048576}],
        "code": "code", "main": "hubs.py", "source": it.directory,
        "files": ["code/dormouse.toml", "code/greeting.py", "code/hubs.py", "code/data/words.txt"],
    }
    assert sorted(os.listdir(os.path.join(it.into, version))) == ["code", "workers.json"]
    with open(os.path.join(it.into, version, "code", "greeting.py"), encoding="utf-8") as file:
        assert file.read() == 'GREETING = "hello"\n'


def test_the_same_content_is_the_same_version(project):
    it = project()
    first = it.build()["version"]
    assert it.build()["version"] == first
    it.save("greeting.py", 'GREETING = "hi"\n')
    assert it.build()["version"] != first
    it.save("greeting.py", 'GREETING = "hello"\n')
    assert it.build()["version"] == first
    os.rename(os.path.join(it.directory, "greeting.py"), os.path.join(it.directory, "greeting2.py"))
    it.save("hubs.py", CODE.replace("greeting", "greeting2"))
    assert it.build()["version"] != first


@pytest.mark.parametrize("toml, said", [
    ("[classes.Room", "cannot be read: Expected ']'"),
    ("", "dormouse.toml: it names no class. A class Chat of main is named by"),
    ('nmae = "x"\n' + TOML, "dormouse.toml: nmae is not known; did you mean name?"),
    ('route = "x"\n' + TOML, "dormouse.toml: route is not known; there are name, main, classes, vars."),
    (TOML + 'pahts = "x"', "dormouse.toml: classes.Room.pahts is not known; did you mean classes.Room.path?"),
    ('[classes.Room]\npath = "/room"', "dormouse.toml: classes.Room.path is '/room'; it has to be as \"/chat/{name}\""),
    ('[classes.Room]\npath = "/ws/{name}"', "dormouse.toml: classes.Room.path is /ws/{name}, where the class signal of"
                                            " Dormouse's own is."),
    (TOML + '[classes.Other]\npath = "/room/{name}"', "dormouse.toml: classes.Other.path is /room/{name}, where classes.Room is."),
    (TOML + "max_message_size = 0", "dormouse.toml: classes.Room.max_message_size must be a number of bytes"),
    ("[classes.echo]", "dormouse.toml: classes.echo: Dormouse has a class of that name itself."),
    ('classes = "Room"', "dormouse.toml: classes must be a table."),
    ('[classes."a b"]', "dormouse.toml: classes.a b: that is no name of a class of Python"),
    (TOML + "[vars]\nA = 1", "dormouse.toml: vars.A must be a string: it is an environment variable."),
    (TOML + '[vars]\nDORMOUSE_X = "1"', "dormouse.toml: vars.DORMOUSE_X can be no environment variable of a project's."),
    ('main = "none.py"\n' + TOML, "dormouse.toml: main is none.py, which is not there."),
    ('main = "../x.py"\n' + TOML, "dormouse.toml: main is ../x.py; it has to be a file of Python in the project's directory."),
])
def test_a_configuration_that_cannot_be_is_refused(project, toml, said):
    assert said in project().refusal(dormouse_toml=toml)


def _room(body, base="Hub"):
    return f"from dormouse_hubs import Hub, rpc\nclass Room({base}):\n{body}\n"


@pytest.mark.parametrize("code, said", [
    ("def (", 'hubs.py", line 1\n    def (\n'),
    ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'\nA project finds modules that lie beside it"),
    ("x = 1 / 0", 'hubs.py", line 1, in <module>\n    x = 1 / 0\n'),
    ("import sys\nsys.exit(3)", "SystemExit: 3"),
    ("import os\nos._exit(3)", "The project ended its build with status 3, and said nothing."),
    ("class Rom:\n    pass", "hubs.py has no class Room, which dormouse.toml names. It has no class of a hub."),
    ("from dormouse_hubs import Hub\nclass Rooom(Hub):\n    pass",
     "hubs.py has no class Room, which dormouse.toml names. Did you mean Rooom?"),
    (_room("    pass", "object"), "hubs.py: class Room does not derive from Hub. It begins with `class Room(Hub):`"),
    ("Room = 1", "hubs.py: Room is no class, but int."),
    (_room("    async def on_mesage(self, connection, message): pass"),
     "hubs.py: Room.on_mesage is no handler. Did you mean on_message?"),
    (_room("    async def on_xyzzy(self): pass"), "hubs.py: Room.on_xyzzy is no handler. They are on_wake, on_connect,"),
    (_room("    def on_message(self, connection, message): pass"),
     "hubs.py: Room.on_message is a handler, and has to be `async def`."),
    (_room("    async def on_close(self, connection): pass"),
     "hubs.py: Room.on_close takes other arguments than it gets, which are (self, connection, code, reason)."),
    (_room("    @rpc\n    def who(self): pass"), "hubs.py: Room.who is marked with @rpc, and has to be `async def`."),
    (_room("    @rpc\n    async def on_wake(self): pass"), "hubs.py: Room.on_wake is a handler, and cannot be marked with @rpc."),
])
def test_code_that_cannot_be_is_refused(project, code, said):
    it = project()
    refusal = it.refusal(hubs_py=code)
    assert said in refusal
    assert ".building" not in refusal and os.path.join(it.into, "") not in refusal, "files are named as their author has them"


def test_what_a_project_prints_when_it_is_imported_is_no_answer(project):
    it = project(**{"hubs.py": 'print("{}")\n' + CODE})
    assert it.builder().build().notices == ["{}"]


def test_a_project_that_is_too_large_is_refused(project, monkeypatch):
    monkeypatch.setattr(python_builder, "_MOST_BYTES", 10)
    assert "has more than 0 MiB" in project().refusal()
    monkeypatch.setattr(python_builder, "_MOST_FILES", 2)
    assert "has more than 2 files. A project is a directory of its own." in project().refusal()


def test_what_is_for_other_projects_is_refused(project):
    it = project()
    for options in ({"environment": "staging"}, {"inspect": 9229}):
        with pytest.raises(ProjectError, match="is for projects of Durable Objects"):
            kinds.builder_for(it.directory, it.into, **options)
    assert kinds.builder_for(it.into, it.into) is None
    it.save("wrangler.toml", "")
    with pytest.raises(ProjectError, match="has wrangler.toml, of Durable Objects, and dormouse.toml, of Python: each needs"):
        it.builder()


def test_it_is_built_for_other_clusters_too(project, tmp_path):
    it = project()
    command = [os.path.join(REPOSITORY, "deploy", "build-app"), it.directory, str(tmp_path / "into"), "--host", "/elsewhere"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stdout.startswith("project "), done.stderr
    with open(tmp_path / "into" / "current" / "workers.json", encoding="utf-8") as file:
        assert json.load(file)["command"][-1] == "/elsewhere/host.py"
    it.save("hubs.py", "def (")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "SyntaxError" in done.stderr


def test_what_is_saved_is_a_new_version(project):
    it = project()
    saved = SavedProject(it.builder())
    saved.build()

    def news():
        def tell():
            is_new, lines = saved.turn()
            return (is_new, "\n".join(lines)) if is_new or lines else None
        return wait_until(tell, "something is told")

    try:
        first = saved.built.version
        it.save("greeting.py", 'GREETING = "hi"\n')
        assert news()[0] and saved.built.version != first
        second = saved.built.version
        it.save("hubs.py", "def (")
        is_new, said = news()
        assert not is_new and "SyntaxError" in said and said.endswith(f"version {second} goes on")
        it.save("hubs.py", CODE)
        assert "it can be built again" in news()[1]
        it.save("later.py", "")
        assert news()[0]
    finally:
        saved.stop()
