"""What ARCHITECTURE.md, CONTRIBUTING.md and SECURITY.md name exists; the table of includes is what the includes say."""

import collections
import fnmatch
import functools
import os
import re
import subprocess

import pytest
from cluster import REPOSITORY

# And how much each names at least.
PAGES = {"ARCHITECTURE.md": 300, "CONTRIBUTING.md": 80, "SECURITY.md": 10}


def _read(path):
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


@functools.cache
def _files():
    """All that git knows of, and what is about to be."""
    said = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard"], cwd=REPOSITORY,
                          capture_output=True, text=True, check=True).stdout
    return {path for path in said.splitlines() if os.path.isfile(os.path.join(REPOSITORY, path))}


@functools.cache
def _folders():
    return {os.path.sep.join(parts[:depth]) for parts in (path.split(os.path.sep) for path in _files())
            for depth in range(1, len(parts))}


@functools.cache
def _words():
    """The words of each source file but this one, and such as hub:connect."""
    ends = (".h", ".cc", ".proto", ".py", ".js", ".txt", ".json", ".yml")
    return {path: frozenset(re.findall(r"hub:\w+|\w+", _read(path)))
            for path in _files() if path.endswith(ends) and os.path.basename(path) != os.path.basename(__file__)}


@functools.cache
def _tests():
    """Suite.Name of C++ tests; names of Python's."""
    found = set()
    for path in _files():
        if path.endswith("_test.cc"):
            found |= {f"{suite}.{name}" for suite, name in
                      re.findall(r"^(?:TYPED_)?TEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)", _read(path), re.M)}
        elif re.search(r"(^|/)test_\w+\.py$", path):
            found |= set(re.findall(r"^\s*(?:async )?def (test_\w+)\(", _read(path), re.M))
    return found


@functools.cache
def _hyphenated():
    """Options, drills and programs."""
    options = re.findall(r'table->\w+\(\s*k\w+,\s*k\w+,\s*"([\w-]+)"', _read("common/config/options.cc"))
    drills = [os.path.basename(path)[:-3].replace("_", "-") for path in _files()
              if re.fullmatch(r"tests/drills/drills/[a-z]\w*\.py", path)]
    programs = [name for path in _files() if path.endswith("CMakeLists.txt")
                for name in re.findall(r"add_executable\(([\w-]+)", _read(path))]
    assert len(options) > 25 and len(drills) > 20 and len(programs) > 3
    return {*options, *drills, *programs, "redis-server"}


def _is_path(word):
    first, slash, _ = word.partition("/")
    if slash:
        return first in _folders() or first == "build"
    return bool(re.fullmatch(r"[\w.]+\.(h|cc|proto|py|md|txt|json|yml)", word))


def _path_exists(word):
    """NAME and X stand for any name."""
    word = word.rstrip("/")
    if re.match(r"build/\w+/", word):  # what is built has its source
        word = re.sub(r"^build/\w+/", "", word) + ".cc"
        if word == "bin.cc":
            return True
    elif word.startswith("build/"):
        return True
    pattern = re.sub(r"NAME|\bX(?=[_.])", "*", word)
    there = _files() | _folders()
    return any(fnmatch.filter(there, each) for each in [pattern, *([] if "/" in word else ["*/" + pattern])])


def _is_known_identifier(word):
    """A::B: some file has both."""
    parts = word.split("::")
    return any(all(part in words for part in parts) for words in _words().values())


def _wrong(word):
    """Why what a page names cannot be; "" if it can."""
    if " " in word:  # a command, or code
        paths = [each for each in word.split() if "/" in each and _is_path(each)]
        return "; ".join(f"{each}: {why}" for each in paths if (why := _wrong(each)))
    if _is_path(word):
        return "" if _path_exists(word) else "no such file or folder"
    if re.fullmatch(r"[A-Z]\w+\.[A-Z]\w+|test_\w+", word):
        return "" if word in _tests() else "no such test"
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", word):
        return "" if word in _hyphenated() else "no such option, drill or program"
    if re.fullmatch(r"hub:\w+", word) or (re.fullmatch(r"\w+(::\w+)*", word) and re.search(r"[a-z]", word)):
        distinct = "_" in word or ":" in word or re.search(r"[a-z][A-Z]|^[A-Z]", word)
        return "" if not distinct or _is_known_identifier(word) else "not in the sources"
    return ""


def _named(text):
    """What stands between backticks, and files and folders in indented blocks."""
    blocks = "\n".join(re.findall(r"^ {4}\S.*$", text, re.M))
    prose = re.sub(r"^ {4}.*$", "", text, flags=re.M)
    paths = re.findall(r"[\w./-]+/[\w./-]*", blocks)
    return re.findall(r"`([^`]+)`", prose), [path for path in paths if _is_path(path)]


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_names_exists(page):
    spans, paths = _named(_read(page))
    assert len(spans) >= PAGES[page]
    wrong = {word: why for word in spans + paths if (why := _wrong(word))}
    assert not wrong


def test_names_that_do_not_exist_are_found():
    for word in ("gateway/edge/nothing.cc", "statekeeper/nothing/", "nothing.h", "build/release/gateway/nothing_test",
                 "LaneTest.DoesNothing", "test_of_nothing", "nothing-after", "Lane::OnNothing", "NothingClass",
                 "no_such_word", "hub:nothing", "tests/drills/nothing/NAME.py"):
        assert _wrong(word), word
    for word in ("gateway/edge/inbound/inbound.cc", "statekeeper/runtime/", "hub.h", "statekeeper/classes/NAME/", "X_test.cc",
                 "build/release/statekeeper/runtime/lane/lane_test", "kill-owner", "hibernate-after",
                 "LaneHost::OnTurnEnd", "hub:connect"):
        assert not _wrong(word), word


def test_every_invariant_has_a_guard():
    section = _read("ARCHITECTURE.md").partition("\n## Invariants")[2]
    rows = re.findall(r"^\| (?!invariant|---)(.*?) \| (.*) \|$", section, re.M)
    assert len(rows) > 20
    for invariant, guards in rows:
        named = re.findall(r"`([^`]+)`", guards)
        assert any(name in _tests() or name in _hyphenated() for name in named), invariant


# --- Who may include whom.

# What the headers of others begin with, and what has to be linked for them.
_LIBRARY_OF = {
    r"absl/": "PkgConfig::ABSL_STRINGS", r"boost/context/": "Boost::context", r"CLI/": "CLI11::CLI11",
    r"ev\.h": "${EV_LIBRARY}", r"(?:fmt|spdlog)/": "spdlog::spdlog", r"google/protobuf/": "PkgConfig::PROTOBUF",
    r"grpc(?:pp)?/": "PkgConfig::GRPCPP",
    r"hiredis/": "PkgConfig::HIREDIS", r"jwt\.h": "PkgConfig::LIBJWT", r"openssl/ssl\.h": "PkgConfig::LIBSSL",
    r"openssl/(?!ssl\.h)": "PkgConfig::LIBCRYPTO", r"prometheus/": "${PROMETHEUS_CORE_LIBRARY}",
    r"re2/": "PkgConfig::RE2",
    r"sqlite3\.h": "SQLite::SQLite3", r"xxhash\.h": "PkgConfig::XXHASH", r"zlib\.h": "PkgConfig::ZLIB",
}


def _folder(path):
    folder = os.path.dirname(path)
    return "clients/load" if folder.startswith("clients/load/") else folder


@functools.cache
def _libraries():
    """(sources, libraries that it is linked with) of the production libraries, by name."""
    libraries = {}
    for path in _files():
        if not path.endswith("CMakeLists.txt") or path.startswith("tests/"):
            continue
        text = re.sub(r"#.*", "", _read(path))
        for name, body in re.findall(r"dormouse_library\(\s*(\w+)([^)]*)\)", text):
            sources, _, linked = body.partition("LIBRARIES")
            files = [os.path.normpath(os.path.join(os.path.dirname(path), each)) for each in sources.split()[1:]]
            if not name.endswith("_testing"):
                libraries[name] = (files, linked.split())
        for name, linked in re.findall(r"target_link_libraries\((\w+) INTERFACE ([^)]*)\)", text):
            libraries[name] = ([os.path.join(os.path.dirname(path), "CMakeLists.txt")], linked.split())
    assert len(libraries) > 20
    return libraries


def _programs():
    """Sources of the production programs that are in no library."""
    for path in _files():
        if path.endswith("CMakeLists.txt") and not path.startswith("tests/"):
            for name, sources in re.findall(r"add_executable\((\S+) ([^)]*)\)", _read(path)):
                if re.fullmatch(r"dormouse[\w-]*", name):
                    yield from (os.path.join(os.path.dirname(path), source) for source in sources.split())


def _included():
    """folder -> folder -> headers, of production sources and the headers that they come to include."""
    sources = {source for files, _ in _libraries().values() for source in files if source.endswith(".cc")}
    seen = sources | set(_programs())
    assert seen <= _files() and len(seen) > 150
    waiting = list(seen)
    included = collections.defaultdict(lambda: collections.defaultdict(set))
    while waiting:
        path = waiting.pop()
        for header in re.findall(r'^#include "([^"]+)"', _read(path), re.M):
            if _folder(path) != _folder(header):
                included[_folder(path)][_folder(header)].add(header)
            if header in _files() and header not in seen:
                seen.add(header)
                waiting.append(header)
    return included


def _linked(folder):
    """Folders whose libraries are linked with those of this one, in whatever way."""
    waiting = [name for name, (files, _) in _libraries().items() if any(_folder(file) == folder for file in files)]
    seen = set(waiting)
    while waiting:
        for name in _libraries()[waiting.pop()][1]:
            if name in _libraries() and name not in seen:
                seen.add(name)
                waiting.append(name)
    return {_folder(file) for name in seen for file in _libraries()[name][0]}


def test_folders_include_what_the_table_says():
    section = _read("ARCHITECTURE.md").partition("\n## Who may include whom")[2].partition("\n## ")[0]
    table = {}
    for line in re.findall(r"^\| `.*\|$", section, re.M):
        folder, folders, headers = [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]
        table[folder[0]] = (set(folders), set(headers))
    included = _included()
    assert set(table) == set(included)
    for folder, (folders, headers) in table.items():
        interfaces = {header for target, those in included[folder].items() if target not in folders for header in those}
        assert (folder, interfaces) == (folder, headers)
        assert folders <= set(included[folder]), folder
        # Who has a main function links by the program, not by a library.
        if folder not in ("gateway", "statekeeper"):
            assert not {_folder(header) for header in headers} & _linked(folder), folder
            assert folders <= _linked(folder) | {folder}, folder


def _externals_linked(library):
    """Libraries of others that it is linked with, in whatever way; generated code comes with gRPC."""
    waiting, seen = [library], {library}
    while waiting:
        for name in _libraries().get(waiting.pop(), ((), ()))[1]:
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return seen | ({"PkgConfig::GRPCPP", "PkgConfig::PROTOBUF"} if "dormouse_proto_generated" in seen else set())


def _externals_included(library):
    """Of a library's sources, and of the headers beside them that they include."""
    waiting = [file for file in _libraries()[library][0] if file.endswith(".cc")]
    seen = set(waiting)
    while waiting:
        path = waiting.pop()
        text = _read(path)
        for header in re.findall(r'^#include "([^"]+)"', text, re.M):
            if header in _files() and _folder(header) == _folder(path) and header not in seen:
                seen.add(header)
                waiting.append(header)
        for header in re.findall(r"^#include <([^>]+)>", text, re.M):
            yield from (linked for begin, linked in _LIBRARY_OF.items() if re.match(begin, header))


@pytest.mark.parametrize("library", sorted(_libraries()))
def test_a_library_links_what_it_includes(library):
    assert set(_externals_included(library)) <= _externals_linked(library)
