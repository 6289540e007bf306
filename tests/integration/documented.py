"""What deploy/README.md tells its readers to write into files."""

import os
import re
import textwrap

from cluster import REPOSITORY


def indented(section):
    """The indented blocks of a section, as files would have them."""
    with open(os.path.join(REPOSITORY, "deploy", "README.md"), encoding="utf-8") as file:
        text = file.read().partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    return [textwrap.dedent(block) for block in re.findall(r"(?:^ {4,}.*\n)+", text, re.M)]


def overrides():
    """Each docker-compose.override.yml."""
    return [block for block in indented("Containers") if re.search("^services:", block, re.M)]


def environment():
    """The variables of each .env."""
    return dict(line.split("=", 1) for block in indented("Containers") for line in block.splitlines()
                if re.fullmatch(r"[A-Z_]+=\S+", line))
