"""The projects: each in a folder of its own below projects/, as somebody would write it for Cloudflare, with script.py
(what a client does) and expected.txt (what it must see)."""

import importlib.util
import json
import os
import re
import tomllib

FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "projects")


def _without_comments(text):
    """JSON with comments and trailing commas, as JSON."""
    text = re.sub(r'("(?:\\.|[^"\\])*")|//[^\n]*|/\*.*?\*/', lambda found: found.group(1) or "", text, flags=re.S)
    return re.sub(r",(\s*[}\]])", r"\1", text)


class Project:
    def __init__(self, name):
        self.name = name
        self.folder = os.path.join(FOLDER, name)
        spec = importlib.util.spec_from_file_location(f"script_of_{name.replace('-', '_')}",
                                                      os.path.join(self.folder, "script.py"))
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        self.script = module.script
        # Why a server cannot play it: {"workerd": "..."}
        self.not_on = getattr(module, "NOT_ON", {})

    def path(self, *names):
        return os.path.join(self.folder, *names)

    @property
    def config(self):
        if os.path.exists(self.path("wrangler.toml")):
            with open(self.path("wrangler.toml"), "rb") as file:
                return tomllib.load(file)
        with open(self.path("wrangler.jsonc"), encoding="utf-8") as file:
            return json.loads(_without_comments(file.read()))

    @property
    def secrets(self):
        """NAME -> VALUE of .dev.vars."""
        if not os.path.exists(self.path(".dev.vars")):
            return {}
        with open(self.path(".dev.vars"), encoding="utf-8") as file:
            pairs = (line.strip().partition("=") for line in file if "=" in line and not line.startswith("#"))
            return {name.strip(): value.strip().strip("\"'") for name, _, value in pairs}

    def expected_on(self, server):
        """The name of the transcript that a server has to give, and its lines. expected.SERVER.txt: it differs, and the project says why."""
        own = f"expected.{server}.txt"
        name = own if os.path.exists(self.path(own)) else "expected.txt"
        if not os.path.exists(self.path(name)):
            return name, []
        with open(self.path(name), encoding="utf-8") as file:
            return name, file.read().splitlines()

    def record(self, lines):
        with open(self.path("expected.txt"), "w", encoding="utf-8") as file:
            file.write("".join(line + "\n" for line in lines))


def names():
    return sorted(name for name in os.listdir(FOLDER) if os.path.exists(os.path.join(FOLDER, name, "script.py")))
