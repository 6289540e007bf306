"""A project's classes: loads them, and says in a sentence what cannot be."""

from __future__ import annotations

import difflib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterable
from types import ModuleType

from ..hub import RPC_MARK, Hub

# What the runtime calls, and with how many arguments.
HANDLERS = {"on_wake": 0, "on_connect": 1, "on_message": 2, "on_close": 3, "on_alarm": 1, "on_timer": 2,
            "on_request": 1}
_MAIN = "__dormouse_main__"


class ProjectError(Exception):
    """What to tell the project's author."""


def load(directory: str, main: str) -> ModuleType:
    """Imports the file; modules beside it are found by their names."""
    path = os.path.join(directory, main)
    for folder in dict.fromkeys((directory, os.path.dirname(path))):
        sys.path.insert(0, folder)
    # By its own name, too: for modules that import it.
    name = os.path.splitext(os.path.basename(main))[0]
    spec = importlib.util.spec_from_file_location(name if name.isidentifier() else _MAIN, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ProjectError("".join(traceback.format_exception_only(type(error), error)).rstrip()) from error
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        raise ProjectError(_said_by(error, directory)) from error
    return module


def classes(module: ModuleType, names: Iterable[str], main: str) -> dict[str, type[Hub]]:
    """Those that the configuration names. Raises ProjectError."""
    return {name: _class(module, name, main) for name in names}


def _class(module: ModuleType, name: str, main: str) -> type[Hub]:
    found = getattr(module, name, None)
    if found is None:
        hubs = [each for each, value in vars(module).items()
                if isinstance(value, type) and issubclass(value, Hub) and value is not Hub]
        raise ProjectError(f"{main} has no class {name}, which dormouse.toml names."
                           + (nearest(name, hubs) or f" It has {', '.join(sorted(hubs)) or 'no class of a hub'}."))
    if not isinstance(found, type):
        raise ProjectError(f"{main}: {name} is no class, but {type(found).__name__}.")
    if not issubclass(found, Hub):
        raise ProjectError(f"{main}: class {name} does not derive from Hub. It begins with `class {name}(Hub):`, after"
                           " `from dormouse_hubs import Hub`.")
    for attribute, value in inspect.getmembers_static(found):
        _check_member(main, found, attribute, value)
    return found


def _check_member(main: str, of: type[Hub], name: str, value: object) -> None:
    where = f"{main}: {of.__name__}.{name}"
    marked = getattr(value, RPC_MARK, False)
    if name in HANDLERS:
        if not inspect.iscoroutinefunction(value):
            raise ProjectError(f"{where} is a handler, and has to be `async def`.")
        if marked:
            raise ProjectError(f"{where} is a handler, and cannot be marked with @rpc.")
        if not _takes(value, 1 + HANDLERS[name]):
            expected = inspect.signature(getattr(Hub, name))
            names = ", ".join(each for each in expected.parameters)
            raise ProjectError(f"{where} takes other arguments than it gets, which are ({names}).")
    elif name.startswith("on_") and callable(value) and not marked:
        raise ProjectError(f"{where} is no handler." + (nearest(name, HANDLERS) or f" They are {', '.join(HANDLERS)}."))
    elif marked and not inspect.iscoroutinefunction(value):
        raise ProjectError(f"{where} is marked with @rpc, and has to be `async def`.")


def _takes(function: object, count: int) -> bool:
    assert callable(function)
    try:
        inspect.signature(function).bind(*range(count))
    except TypeError:
        return False
    return True


def nearest(name: str, known: Iterable[str]) -> str:
    """" Did you mean ...?", or nothing."""
    close = difflib.get_close_matches(name, list(known), 1, 0.6)
    return f" Did you mean {close[0]}?" if close else ""


def _said_by(error: BaseException, directory: str) -> str:
    """From the project's own lines on."""
    said = traceback.TracebackException.from_exception(error)
    own = [frame for frame in said.stack if frame.filename.startswith(directory)]
    said.stack = traceback.StackSummary.from_list(own)
    text = "".join(said.format(chain=False)).rstrip()
    if isinstance(error, ModuleNotFoundError):
        text += ("\nA project finds modules that lie beside it, and what is installed for /usr/bin/python3 on the machine"
                 " that runs it (Debian's packages python3-...).")
    return text
