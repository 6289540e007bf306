"""A hub class is built, tested and served outside of this tree, with what `cmake --install` has installed, as
statekeeper/hub/README.md says."""

import os
import re
import shutil
import subprocess

import pytest
from cluster import BIN, REPOSITORY, Cluster
from ws import connect

_EXAMPLE = os.path.join(REPOSITORY, "statekeeper", "hub", "example")
_BUILD = os.path.dirname(BIN)


def _read(*path):
    with open(os.path.join(REPOSITORY, *path), encoding="utf-8") as file:
        return file.read()


def _run(*command):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}:\n{done.stdout[-4000:]}"
    return done.stdout


@pytest.fixture(name="built", scope="module")
def _built(tmp_path_factory):
    """The directory that the example is built in: it is copied, so that nothing of this tree is beside it."""
    if os.path.basename(_BUILD) != "release":
        pytest.skip("projects are linked with release builds")
    directory = tmp_path_factory.mktemp("installed")
    prefix, source, build = (str(directory / name) for name in ("prefix", "source", "build"))
    _run("cmake", "--install", _BUILD, "--component", "development", "--prefix", prefix)
    shutil.copytree(_EXAMPLE, source)
    _run("cmake", "-S", source, "-B", build, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Debug")
    _run("cmake", "--build", build)
    return build


def test_its_unit_test_passes(built):
    assert "2 tests from CounterClassTest" in _run(os.path.join(built, "counter_class_test"))


async def test_it_serves_its_class_beside_the_others(built):
    program = os.path.join(built, "counter-statekeeper")
    with Cluster(statekeeper_program=program, options={"hibernate-after": "100ms"}) as cluster:
        async with connect(cluster.ws_url("/counter/lobby")) as client:
            assert await client.recv() == 0
            await client.send("up")
            assert await client.recv() == 1
            await cluster.asleep()
            await client.send("up")
            assert await client.recv() == 2
        async with connect(cluster.ws_url("/websocket")) as client:
            assert (await client.recv())["type"] == "welcome"


def test_the_host_of_durable_objects_finds_its_addon_where_it_is_installed(tmp_path):
    if not os.path.exists(os.path.join(_BUILD, "lib", "dormouse_sqlite.node")):
        pytest.skip("the addon is not built, as there is no libnode-dev")
    _run("cmake", "--install", _BUILD, "--component", "hubs", "--prefix", str(tmp_path))
    addon = tmp_path / "share/dormouse/hubs/js/sqlite/addon.mjs"
    loads = f"import {{sqliteAddon}} from '{addon}'; sqliteAddon();"
    loaded = _run("node", "--input-type=module", "-e",
                  loads + " console.log(process.report.getReport().sharedObjects.join('\\n'))")
    assert f"{tmp_path}/lib/dormouse/dormouse_sqlite.node" in loaded
    installed = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert {"host.mjs", "host.py", "py.typed", "worker_pb2.py"} <= installed
    assert not [name for name in installed if ".test." in name or name.startswith("fake_")]


def test_the_page_shows_the_example():
    shown = re.findall(r"```(?:cpp|cmake)\n(.*?)```\n", _read("statekeeper", "hub", "README.md"), re.S)
    files = ("counter_class.cc", "counter_class_test.cc", "main.cc", "CMakeLists.txt")
    assert shown == [_read(_EXAMPLE, name) for name in files]
