"""What the documents say of the options is what the source says."""

import os
import re
import subprocess

from cluster import REPOSITORY


def _read(*path):
    with open(os.path.join(REPOSITORY, *path), encoding="utf-8") as file:
        return file.read()


def _shown(kind, value):
    """A default of common/config/options.h as a user writes it."""
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
    defaults = dict(re.findall(r"^  [^\s/].*? (\w+?)(?: = |(?=\{))(.*);", _read("common", "config", "options.h"), re.M))
    declared = re.findall(r'table->(Plain|Time|Size)\(\s*k(\w+),\s*"([\w-]+)",\s*&o->(\w+),\s*"(.*?)"\);',
                          _read("common", "config", "options.cc"), re.S)
    assert len(declared) > 25
    rows = [[cell.strip() for cell in line.strip("|").split("|")]
            for line in _read("deploy", "configure.md").splitlines() if line.startswith("| `")]
    table = {row[0].strip("`"): row[1:] for row in rows if len(row) == 5}
    for kind, user, name, field, sentence in declared:
        sentence = re.sub(r'"\s*"', "", sentence)
        default, _, used_by, told = table[name]
        assert (used_by, told) == (user.lower(), sentence), name
        if field in defaults:
            assert default == f"`{_shown(kind, defaults[field])}`", name
    assert {name for _, _, name, _, _ in declared} <= table.keys()


def test_what_sighup_changes_is_what_the_source_says():
    source = _read("common", "config", "options.cc").partition("kChangeable[] = {")[2].partition("};")[0]
    changeable = re.findall(r'"([\w-]+)"', source)
    assert len(changeable) == len(set(changeable)) > 25
    section = _read("deploy", "configure.md").partition("## Changing options without a restart")[2].partition("\n## ")[0]
    listed = [name for line in section.splitlines() if line.startswith("| ") for name in re.findall(r"`([\w-]+)`", line)]
    assert sorted(listed) == sorted(changeable)
    declared = set(re.findall(r'table->\w+\(\s*k\w+,\s*"([\w-]+)"', _read("common", "config", "options.cc")))
    assert set(changeable) <= declared


def test_compose_passes_every_option_on():
    declared = set(re.findall(r'table->\w+\(\s*k\w+,\s*"([\w-]+)"', _read("common", "config", "options.cc")))
    assert len(declared) > 25
    compose = _read("docker-compose.yml")
    passed_on = set(re.findall(r"^  (DORMOUSE_\w+):$", compose.partition("x-service")[0], re.M))
    # It says itself where things listen, where they find each other and where they keep things.
    decided = {"data", "listen", "admin", "statekeepers", "web-root", "store", "advertise"}
    assert passed_on == {"DORMOUSE_" + name.upper().replace("-", "_") for name in declared - decided}


def test_the_newest_version_in_the_changelog_is_the_one_of_the_build():
    version = re.search(r"^project\(dormouse VERSION ([\d.]+) ", _read("CMakeLists.txt"), re.M)[1]
    headings = re.findall(r"^## \[?([\d.]+)\]? - (unreleased|\d{4}-\d\d-\d\d)$", _read("CHANGELOG.md"), re.M)
    assert headings[0][0] == version


def _anchors(text):
    """What links can point to in a page."""
    titles = re.findall(r"^#+ (.*)$", re.sub(r"^ {4}.*$", "", text, flags=re.M), re.M)
    return {re.sub(r"[^\w\- ]", "", re.sub(r"[`*]|\]\(.*?\)", "", title).lower()).replace(" ", "-") for title in titles}


def test_links_between_the_pages_lead_somewhere():
    pages = [name for name in subprocess.run(["git", "ls-files", "*.md"], cwd=REPOSITORY, capture_output=True, text=True,
                                             check=True).stdout.splitlines()]
    assert len(pages) > 10
    broken, seen = [], 0
    for page in pages:
        for target in re.findall(r"\]\(([^)\s]+)\)", _read(page)):
            if re.match(r"\w+:", target):
                continue
            seen += 1
            path, _, anchor = target.partition("#")
            path = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(REPOSITORY, path)):
                broken.append((page, target))
            elif anchor and anchor not in _anchors(_read(path)):
                broken.append((page, target))
    assert seen > 30
    assert not broken
