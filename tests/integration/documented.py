"""What the pages in deploy/ tell their readers to write into files."""

import os
import re
import textwrap

from cluster import REPOSITORY


def indented(page):
    """The indented blocks of a page, as files would have them."""
    with open(os.path.join(REPOSITORY, "deploy", page), encoding="utf-8") as file:
        text = file.read()
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4,}.*\n)+", text, re.M)]


def environment():
    """The variables of each .env."""
    return dict(line.split("=", 1) for block in indented("containers.md") for line in block.splitlines()
                if re.fullmatch(r"[A-Z_]+=\S+", line))
