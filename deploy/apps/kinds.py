"""Which kind of project a directory has, and what builds it: the one place that knows all kinds."""

import os

import builder as builders
import python_builder
import python_config
import wrangler_config
from wrangler_config import ProjectError

FILES = (*wrangler_config.FILES, python_config.FILE)  # by which a project is known


def builder_for(directory, into, environment=None, host=None, umask=-1, inspect=None):
    """None: it has no project. Raises ProjectError for what its kind cannot do. `host`: where the host of hubs is on the
    machine that runs it; None: where it is on this one."""
    more = {"umask": umask, **({"host": host} if host else {})}
    found = wrangler_config.find(directory)
    if found and python_config.find(directory):
        raise ProjectError(f"{directory} has {os.path.basename(found)}, of Durable Objects, and {python_config.FILE}, of Python:"
                           " each needs a directory of its own.")
    if found:
        return builders.Builder(directory, into, environment, inspect=inspect, **more)
    if not python_config.find(directory):
        return None
    for option, given in (("--env", environment), ("--inspect", inspect)):
        if given:
            raise ProjectError(f"{option} is for projects of Durable Objects; {directory} is one in Python.")
    return python_builder.PythonBuilder(directory, into, **more)
