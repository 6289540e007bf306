"""The image builds from a fresh clone: all that deploy/Dockerfile needs is tracked, and .dockerignore leaves none of
it out."""

import glob
import os
import re
import shlex
import subprocess

import clone
import pytest
from cluster import BIN, REPOSITORY, SLOWNESS
from dockerignore import Dockerignore


def _read(path):
    with open(os.path.join(REPOSITORY, path), encoding="utf-8") as file:
        return file.read()


def _run(*command, directory):
    """What the command says; fails with it where the command does."""
    done = subprocess.run(command, cwd=directory, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{shlex.join(command)}:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(name="context", scope="module")
def _context(tmp_path_factory):
    """The directory that a builder is sent from a fresh clone."""
    directory = tmp_path_factory.mktemp("context")
    ignored = Dockerignore(_read(".dockerignore"))
    clone.make(directory, lambda name: not ignored.leaves_out(name))
    return str(directory)


def _instructions():
    """(word, arguments) of the Dockerfile."""
    lines = [line for line in _read("deploy/Dockerfile").splitlines() if line and not line.startswith("#")]
    for instruction in "\n".join(lines).replace("\\\n", " ").splitlines():
        word, _, rest = instruction.partition(" ")
        yield word, rest


def _copies():
    """(stage that it comes from or "", sources) of each COPY."""
    for word, rest in _instructions():
        if word == "COPY":
            *words, _ = rest.split()
            flags = [each for each in words if each.startswith("--")]
            stage = next((flag.removeprefix("--from=") for flag in flags if flag.startswith("--from=")), "")
            yield stage, [each for each in words if each not in flags]


def _targets():
    """What the Dockerfile builds."""
    return next(re.fullmatch(r"deploy/build release (.*)", rest)[1].split() for word, rest in _instructions()
                if word == "RUN" and rest.startswith("deploy/build"))


def _found_already(directory):
    """A file that tells CMake what it has learnt of gRPC when it configured the build under test: asking pkg-config
    for it takes longer than all the rest."""
    path = os.path.join(directory, "found-already.cmake")
    with open(os.path.join(os.path.dirname(BIN), "CMakeCache.txt"), encoding="utf-8") as cache:
        entries = re.findall(r"^((?:__pkg_config_\w+_|pkgcfg_lib_)?GRPCPP\w*):(\w+)=(.*)$", cache.read(), re.M)
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f'set({name} [==[{value}]==] CACHE {kind} "")\n' for name, kind, value in entries)
    return path


@pytest.mark.parametrize("text, kept, left_out", [
    ("*\n!a\n", ["a", "a/b/c"], ["b", "b/a"]),
    ("*\n!a\na/*.o\n!a/keep.o\n", ["a/x", "a/keep.o", "a/b/x.o"], ["a/x.o", "x"]),
    ("# *\n\n  b  \n! b/c\n", ["a", "b/c", "b/c/d"], ["b", "b/d"]),
    ("**/x\n", ["ax", "a/xb"], ["x", "a/x", "a/b/x/c"]),
    ("a/**/x\n", ["x", "a/y", "b/a/x"], ["a/x", "a/b/c/x"]),
    ("/a/\n./b\n", ["c/a"], ["a/x", "b"]),
    ("a?c\n[de].*\n\\*\n", ["a/c", "abbc", "f.x", "b"], ["abc", "d.x", "e.", "*"]),
    ("!a\na\n", [], ["a"]),
    ("a.b\n", ["axb"], ["a.b"]),
])
def test_dockerignore_patterns(text, kept, left_out):
    ignored = Dockerignore(text)
    assert [path for path in kept + left_out if ignored.leaves_out(path)] == left_out


def test_what_the_dockerfile_copies_is_there(context):
    built = {f"/src/build/release/bin/{target}" for target in _targets()}
    # And what a command of the build writes.
    built |= {path for word, rest in _instructions() if word == "RUN"
              for path in re.findall(r"(?:>|--prefix) (/src/build/\S+)", rest)}
    copies = list(_copies())
    assert len(copies) > 4
    for stage, sources in copies:
        for source in sources:
            if stage and source in built:
                continue
            here = source.removeprefix("/src/") if stage else source
            assert glob.glob(os.path.join(context, here)), f"COPY {source}: not in the build context"


def test_what_is_compiled_is_there(context, tmp_path):
    """CMake finds each folder and source that it is told of, and no source includes a header that stayed behind."""
    _run("cmake", "--preset", "release", "-C", _found_already(tmp_path), directory=context)
    _run("cmake", "--build", "build/release", "--target", *_targets(), "--", "-n", directory=context)
    for directory, _, names in os.walk(context):
        for name in names:
            if name.endswith((".cc", ".h")):
                with open(os.path.join(directory, name), encoding="utf-8") as file:
                    included = re.findall(r'^#include "(.*)"', file.read(), re.M)
                for header in included:
                    assert (os.path.exists(os.path.join(context, header))
                            or not os.path.exists(os.path.join(REPOSITORY, header))), f"{name} includes {header}"


def test_nothing_private_or_built_is_sent():
    ignored = Dockerignore(_read(".dockerignore"))
    for path in (".env", "build/release/bin/dormousectl", "dormouse-data/admin-key"):
        assert ignored.leaves_out(path), path


def test_the_image_has_the_libraries_of_its_binaries():
    """`image:` of deploy/packages, and what those packages depend on, cover what the binaries are linked with."""
    if SLOWNESS > 1:
        pytest.skip("the image has a release build")
    lines = _run("dpkg-query", "-W", "-f", "${Package}\t${Pre-Depends}, ${Depends}\n", directory=REPOSITORY)
    depends = {}
    for line in lines.splitlines():
        package, _, rest = line.partition("\t")
        depends.setdefault(package, set()).update(re.findall(r"(?:^|[,|])\s*([a-z0-9][a-z0-9.+-]+)", rest))
    found = set()
    missing = [word for line in _read("deploy/packages").splitlines() if line.startswith("image:")
               for word in line.split()[1:]]
    while missing:
        package = missing.pop()
        if package not in found:
            found.add(package)
            missing += depends.get(package, ())

    libraries = set()
    for target in _targets():
        path = os.path.join(BIN, target)
        if not os.path.exists(path):  # an addon of Node
            path = os.path.join(os.path.dirname(BIN), "lib", target + ".node")
        libraries |= set(re.findall(r"=> (/\S+)", _run("ldd", path, directory=REPOSITORY)))
    assert len(libraries) > 20
    # dpkg knows files by the paths of their packages: with or without /usr in front.
    real = {os.path.realpath(path).removeprefix("/usr") for path in libraries}
    said = subprocess.run(["dpkg-query", "-S", *real, *("/usr" + path for path in real)], stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL, text=True, check=False).stdout
    owners = {path.removeprefix("/usr"): owner.partition(":")[0]
              for owner, _, path in (line.rpartition(": ") for line in said.splitlines())}
    assert real == owners.keys()
    assert not {path: owner for path, owner in owners.items() if owner not in found}
