"""The documents say what the code says, and their links lead somewhere."""

import os
import re
import subprocess

from cluster import BIN, REPOSITORY


def _read(*path):
    with open(os.path.join(REPOSITORY, *path), encoding="utf-8") as file:
        return file.read()


def test_what_repeats_the_code_says_what_it_says():
    done = subprocess.run(["deploy/document", "--check", "--bin", BIN], cwd=REPOSITORY, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "")


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
