"""What a Python project says of itself: dormouse.toml.

    name = "chat"                 # the directory's, where it is not there
    main = "hubs.py"              # where its classes are; this one, where it is not there

    [classes.Chat]
    path = "/chat/{name}"         # where clients find its hubs; without it only other hubs do
    max_message_size = 1048576    # bytes

    [vars]                        # environment variables of its process
    GREETING = "hello"

A key that nobody knows is refused: it would be a setting that its author believes in and nobody reads.
"""

import difflib
import os
import re
import tomllib
from dataclasses import dataclass, field

from wrangler_config import ProjectError

FILE = "dormouse.toml"
_KEYS = ("name", "main", "classes", "vars")
_CLASS_KEYS = ("path", "max_message_size")
_PATH = re.compile(r"(/[A-Za-z0-9._~-]+)+/\{name\}", re.ASCII)
_CLASS = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}", re.ASCII)
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_TAKEN = {"echo": "/websocket/{name}", "signal": "/ws/{name}"}  # classes of Dormouse's own, and where they are
_MESSAGE = 1 << 20        # bytes
_LARGEST_MESSAGE = 32 << 20


@dataclass
class Class:
    path: str = ""  # none
    max_message_size: int = _MESSAGE


@dataclass
class Project:
    directory: str
    name: str
    main: str
    classes: dict = field(default_factory=dict)  # name -> Class
    vars: dict = field(default_factory=dict)


def find(directory):
    """Path of the directory's configuration; None: it is not a project."""
    path = os.path.join(directory, FILE)
    return path if os.path.isfile(path) else None


def read(directory):
    """Raises ProjectError."""
    path = os.path.join(directory, FILE)
    try:
        with open(path, encoding="utf-8") as file:
            whole = tomllib.loads(file.read())
    except (OSError, ValueError) as error:  # of TOML, and of what is not UTF-8
        raise ProjectError(f"{path} cannot be read: {error}.") from error
    _only(whole, _KEYS, "")
    project = Project(directory, _text(whole, "name", "") or os.path.basename(directory), _text(whole, "main", "hubs.py"))
    project.main = os.path.normpath(project.main)
    if not project.main.endswith(".py") or project.main.startswith(("/", "..")):
        raise _error(f"main is {project.main}; it has to be a file of Python in the project's directory.")
    if not os.path.isfile(os.path.join(directory, project.main)):
        raise _error(f"main is {project.main}, which is not there.")
    for name, table in _table(whole, "classes", "").items():
        project.classes[name] = _class(name, table)
    if not project.classes:
        raise _error("it names no class. A class Chat of main is named by\n\n    [classes.Chat]\n    path = \"/chat/{name}\"")
    _check_paths(project.classes)
    for name, value in _table(whole, "vars", "").items():
        if not _VARIABLE.fullmatch(name) or name.startswith("DORMOUSE_"):
            raise _error(f"vars.{name} can be no environment variable of a project's.")
        if not isinstance(value, str) or "\0" in value:
            raise _error(f"vars.{name} must be a string: it is an environment variable.")
        project.vars[name] = value
    return project


def _class(name, table):
    where = f"classes.{name}"
    if not _CLASS.fullmatch(name):
        raise _error(f"{where}: that is no name of a class of Python, of up to 64 letters, digits and '_'.")
    if name in _TAKEN:
        raise _error(f"{where}: Dormouse has a class of that name itself.")
    if not isinstance(table, dict):
        raise _error(f"{where} must be a table: [{where}].")
    _only(table, _CLASS_KEYS, where + ".")
    found = Class(_text(table, "path", "", where + "."))
    if "path" in table and not _PATH.fullmatch(found.path):
        raise _error(f"{where}.path is {found.path!r}; it has to be as \"/chat/{{name}}\": one or more parts, and behind them"
                     " {name}, which is the hub's.")
    size = table.get("max_message_size", _MESSAGE)
    if not isinstance(size, int) or isinstance(size, bool) or not 0 < size <= _LARGEST_MESSAGE:
        raise _error(f"{where}.max_message_size must be a number of bytes, at most {_LARGEST_MESSAGE}.")
    found.max_message_size = size
    return found


def _check_paths(classes):
    seen = {path: f"the class {name} of Dormouse's own" for name, path in _TAKEN.items()}
    for name, found in classes.items():
        if not found.path:
            continue
        if found.path in seen:
            raise _error(f"classes.{name}.path is {found.path}, where {seen[found.path]} is.")
        seen[found.path] = f"classes.{name}"


def _only(table, known, where):
    for key in table:
        if key not in known:
            close = difflib.get_close_matches(key, known, 1, 0.6)
            raise _error(f"{where}{key} is not known; " + (f"did you mean {where}{close[0]}?" if close else
                                                           f"there are {', '.join(where + each for each in known)}."))


def _text(table, key, default, where=""):
    value = table.get(key, default)
    if not isinstance(value, str):
        raise _error(f"{where}{key} must be a string.")
    return value


def _table(table, key, where):
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise _error(f"{where}{key} must be a table.")
    return value


def _error(text):
    return ProjectError(f"{FILE}: {text}")
