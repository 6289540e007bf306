"""What deploy/debian/generate makes of --help: manual pages without a fault, and completions that complete."""

import os
import re
import shutil
import subprocess
import sys

import pytest
from cluster import BIN, REPOSITORY

_GENERATE = os.path.join(REPOSITORY, "deploy", "debian", "generate")
sys.path.insert(0, _GENERATE)

import help_text  # noqa: E402  # pylint: disable=wrong-import-position
import programs  # noqa: E402  # pylint: disable=wrong-import-position


@pytest.fixture(name="made", scope="module")
def _made(tmp_path_factory):
    out = tmp_path_factory.mktemp("generated")
    subprocess.run([sys.executable, _GENERATE, "--bin", BIN, "--out", out, "--version", "1.2.3",
                    "--date", "2026-01-31"], check=True)
    return out


def _page(made, name):
    return next(made.glob(f"{name}.[1-8]")).read_text(encoding="utf-8")


def test_pages_have_every_option_and_command(made):
    for program in programs.PROGRAMS:
        page = _page(made, program.name).replace("\\-", "-")
        titles = re.findall(r"^\.SH (.*)$", page, re.M)
        assert titles[:3] == ["NAME", "SYNOPSIS", "DESCRIPTION"] and titles[-1] == "SEE ALSO", program.name
        said = subprocess.run([os.path.join(BIN, program.name), "--help"], stdout=subprocess.PIPE, text=True,
                              check=True).stdout
        options = set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", said, re.M))
        assert options and program.name != "dormouse-load" or len(help_text.ask(BIN, program.name).commands) > 5
        assert options <= set(re.findall(r"\\fB(--[\w-]+)\\fR", page)), program.name
    assert ".SS evict\n" in _page(made, "dormousectl") and ".SS storm\n" in _page(made, "dormouse-load")


def test_pages_are_as_man_wants_them(made):
    checks = [command for command in (["man", "--warnings", "--local-file"], ["mandoc", "-T", "lint", "-W", "warning"])
              if shutil.which(command[0])]
    if not checks:
        pytest.skip("neither man nor mandoc is installed")
    for page in made.glob("*.[1-8]"):
        for command in checks:
            said = subprocess.run([*command, page], capture_output=True, text=True, check=False,
                                  env={**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"})
            complaints = said.stderr if command[0] == "man" else said.stdout
            assert (said.returncode, complaints) == (0, ""), page.name


def test_what_an_option_can_be_is_completed():
    choices = {option.name: option.choices for option in help_text.ask(BIN, "dormouse-gateway").options}
    assert (choices["--log-format"], choices["--hub-view"]) == (("text", "json"), ("true", "false"))


def test_help_that_is_not_as_we_know_it_is_told():
    with pytest.raises(help_text.Unreadable, match="dormousectl --help does not say"):
        help_text.parse(["dormousectl"], "Options: none\n")


@pytest.fixture(name="programs_that_answer", scope="module")
def _programs_that_answer(tmp_path_factory):
    """A directory with a dormousectl that knows one hub and two statekeepers."""
    directory = tmp_path_factory.mktemp("bin")
    fake = directory / "dormousectl"
    fake.write_text("""#!/bin/sh
case "$*" in
  *hubs*) printf '{\\n  "hubs": [\\n    {\\n      "hub": "signal/default",\\n      "shard": 1\\n    }\\n  ]\\n}\\n' ;;
  *members*) printf '{\\n      "id": "7b3e90d1c2a84f06",\\n      "id": "7c"\\n}\\n' ;;
esac
""", encoding="utf-8")
    fake.chmod(0o755)
    return directory


_CASES = [
    ("dormousectl", "me", {"members"}),
    ("dormousectl", "h", {"hubs", "hub", "hibernate", "history"}),
    ("dormousectl", "--js", {"--json"}),
    ("dormousectl", "--json evict --mo", {"--mode"}),
    ("dormousectl", "evict --mode ", {"migrate", "close"}),
    ("dormousectl", "hub sig", {"signal/default"}),
    ("dormousectl", "drain 7", {"7b3e90d1c2a84f06", "7c"}),
    ("dormouse-load", "st", {"storm"}),
    ("dormouse-load", "echo --class r", {"raw"}),
    ("dormouse-gateway", "--drain-w", {"--drain-window"}),
    ("dormouse-gateway", "--hub-view ", {"true", "false"}),
    ("dormouse-statekeeper", "--log-level tr", {"trace"}),
    ("dormouse-gateway", "--log-format j", {"json"}),
]


@pytest.mark.parametrize("program, line, wanted", _CASES)
def test_bash_completes(made, programs_that_answer, program, line, wanted):
    words = [program, *line.split(" ")]
    script = f"""source {made}/bash/{program}
COMP_WORDS=({' '.join(f"'{word}'" for word in words)}) COMP_CWORD={len(words) - 1}
_{program.replace('-', '_')}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    assert set(_shell(programs_that_answer, "bash", "-c", script)) == wanted


@pytest.mark.parametrize("program, line, wanted", _CASES)
def test_fish_completes(made, programs_that_answer, program, line, wanted):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed (deploy/install package-test)")
    script = f"source {made}/fish/{program}.fish; complete --do-complete '{program} {line}'"
    found = _shell(programs_that_answer, "fish", "--no-config", "-c", script)
    assert {each.partition("\t")[0] for each in found} == wanted


@pytest.mark.parametrize("program", [each.name for each in programs.PROGRAMS])
def test_zsh_reads_its_completion(made, program):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed (deploy/install package-test)")
    subprocess.run(["zsh", "-n", made / "zsh" / f"_{program}"], check=True)


def _shell(directory, *words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, check=True,
                          env={**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "HOME": str(directory)})
    return done.stdout.split("\n")[:-1] if done.stdout else []
