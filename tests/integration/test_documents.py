"""What the documents say of the options is what the source says."""

import os
import re

from cluster import REPOSITORY


def _read(*path):
    with open(os.path.join(REPOSITORY, *path), encoding="utf-8") as file:
        return file.read()


def _shown(kind, value):
    """A default of common/options.h as a user writes it."""
    value = value.strip('{}"').strip('"').replace("'", "")
    if kind == "Time":
        milliseconds = int(value)
        unit, factor = next(unit for unit in (("h", 3600000), ("m", 60000), ("s", 1000), ("ms", 1))
                            if milliseconds % unit[1] == 0)
        return f"{milliseconds // factor}{unit}"
    if kind == "Size":
        number, shift = re.fullmatch(r"(\d+)u << (\d+)", value).groups()
        return number + {"10": "KiB", "20": "MiB", "30": "GiB"}[shift]
    return value


def test_option_table_is_the_one_of_the_source():
    defaults = dict(re.findall(r"^  [^\s/].*? (\w+?)(?: = |(?=\{))(.*);", _read("common", "options.h"), re.M))
    declared = re.findall(r'table->(Plain|Time|Size)\(\s*k(\w+),\s*"([\w-]+)",\s*&o->(\w+),\s*"(.*?)"\);',
                          _read("common", "options.cc"), re.S)
    assert len(declared) > 25
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in _read("deploy", "README.md").splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows if len(row) == 5}
    for kind, user, name, field, sentence in declared:
        sentence = re.sub(r'"\s*"', "", sentence)
        default, _, used_by, told = table[name]
        assert (used_by, told) == (user.lower(), sentence), name
        if field in defaults:
            assert default == f"`{_shown(kind, defaults[field])}`", name
    assert {name for _, _, name, _, _ in declared} <= table.keys()


def test_compose_passes_every_option_on():
    declared = set(re.findall(r'table->\w+\(\s*k\w+,\s*"([\w-]+)"', _read("common", "options.cc")))
    assert len(declared) > 25
    compose = _read("docker-compose.yml")
    passed_on = set(re.findall(r"^  (DORMOUSE_\w+):$", compose.partition("x-service")[0], re.M))
    # It says itself where things listen, where they find each other and where they keep things.
    decided = {"data", "listen", "admin", "statekeepers", "web-root", "store", "advertise"}
    assert passed_on == {"DORMOUSE_" + name.upper().replace("-", "_") for name in declared - decided}
