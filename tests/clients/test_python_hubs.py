"""The process that runs hub classes written in Python: its own tests, its types, and what is generated for it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
from cluster import REPOSITORY, SLOWNESS

HOST = pathlib.Path(REPOSITORY) / "clients" / "hubs" / "python"


def _run(*command, **more):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          timeout=150 * SLOWNESS, check=False, **more)


@pytest.mark.parametrize("file", sorted(path.name for path in (HOST / "tests").glob("test_*.py")))
def test_python_hubs(file, tmp_path):
    done = _run(sys.executable, "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--rootdir", str(HOST),
                "--basetemp", str(tmp_path), str(HOST / "tests" / file))
    assert done.returncode == 0, done.stdout


@pytest.fixture(name="mypy")
def _mypy(tmp_path):
    if shutil.which("mypy") is None:
        pytest.skip("mypy is not installed")
    return lambda *words, **more: _run("mypy", "--cache-dir", str(tmp_path / "cache"), *words, **more)


def test_types_are_as_they_say(mypy):
    done = mypy("--config-file", "pyproject.toml", cwd=HOST)
    assert done.returncode == 0, done.stdout


def test_the_types_of_a_project_are_checked_to_the_calls_of_other_hubs(mypy, tmp_path):
    (tmp_path / "hubs.py").write_text("""
from dormouse_hubs import Hub, rpc

class Room(Hub):
    @rpc
    async def who(self, limit: int = 10) -> list[str]:
        return (await self.hub.other(Room, "other").who(limit=3))[:limit]

class Wrong(Hub):
    async def on_wake(self) -> None:
        await self.hub.other(Room, "lobby").who("x")
        self.hub.storage.get("x")
        await self.hub.storage.put("x", 1)
""", encoding="utf-8")
    done = mypy("--strict", "hubs.py", cwd=tmp_path, env={**os.environ, "MYPYPATH": str(HOST)})
    assert re.findall(r"^(\S+):(\d+): error: .*\[(.*)\]$", done.stdout, re.M) == [
        ("hubs.py", "11", "arg-type"), ("hubs.py", "12", "unused-coroutine"), ("hubs.py", "13", "func-returns-value")], done.stdout


def test_what_is_generated_of_the_protocol_is_what_protoc_makes_of_it(tmp_path):
    if shutil.which("protoc") is None:
        pytest.skip("protobuf-compiler is not installed")
    done = _run("protoc", "-I", ".", f"--python_out={tmp_path}", f"--pyi_out={tmp_path}", "proto/worker.proto",
                "proto/link.proto", cwd=REPOSITORY)
    assert done.returncode == 0, done.stdout
    made = sorted(os.listdir(tmp_path / "proto"))
    assert made == ["link_pb2.py", "link_pb2.pyi", "worker_pb2.py", "worker_pb2.pyi"]
    for name in made:
        ours = (HOST / "dormouse_hubs" / "host" / name).read_text(encoding="utf-8").removeprefix("# mypy: ignore-errors\n")
        assert ours == (tmp_path / "proto" / name).read_text(encoding="utf-8"), (
            f"{name} is to be generated again: see clients/hubs/python/README.md")
