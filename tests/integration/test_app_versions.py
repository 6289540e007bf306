"""dormousectl deploy, rollback and versions: new code for a running cluster. No socket closes, no frame is lost or comes
twice, and what does not come up changes nothing.

DORMOUSE_TEST_SEEDS="1 2 3" chooses the rounds; a failure names its own.
"""

import asyncio
import contextlib
import json
import os
import random
import shutil
import signal
import stat
import subprocess
import tempfile

import backups
import pytest
from cluster import BIN, REPOSITORY, die_with_parent, ports, until, wait_until
from deployed_app import DeployedCluster
from process import http_get
from test_workers_drills import OPTIONS, SEEDS, Drill, at_work
from worker_app import PROJECT, PYTHON_PROJECT, children
from ws import connect


async def meet(client, number, version):
    """A message to an object of class Counter, whose answer says which code it met."""
    await client.protocol.send(f"put {number} hello")
    said = await asyncio.wait_for(client.protocol.recv(), 10)
    assert said.split(" ")[:2] == [f"{number}:", "hello"], said
    assert said.split(" ")[-1] == str(version), said
    return int(said.split(" ")[2])


async def test_a_cluster_without_an_app_gets_one(store):
    """It has the clients' port from then on; sockets of what was there before go on."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store=store))
        assert (await cluster.versions())["versions"] == []
        echo = await stack.enter_async_context(connect(cluster.ws_url("/websocket/before")))
        await echo.recv()  # its welcome
        version = await cluster.deploy()
        await until(lambda: cluster.get("/Counter/a") == (200, '{"put":0,"sql":0}'), "the app answers")
        async with connect(cluster.ws_url("/Counter/a?id=me")) as client:
            assert await meet(client, 1, 1) == 1
            await echo.send({"type": "ping"})
            assert "pong" in str(await echo.recv())
            # It is not of this process alone.
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await meet(client, 2, 1) == 2
            assert (await echo.ask({"type": "ping"}))["type"] == "pong"
        assert cluster.get("/nothing")[0] == 404
        listed = await cluster.versions()
        assert (listed["app"], listed["current"]) == ("drills", version)
        assert [each["version"] for each in listed["versions"]] == [version]
        assert listed["versions"][0]["classes"] == ["Attacked", "Counter", "Sleeper", "Unbuildable"]
        assert "@" in listed["versions"][0]["by"]
        assert listed["under_way"] == ""
        status, said, _ = await cluster.run_ctl("versions")
        assert status == 0 and f"{version}  current" in said, said
        # The same again is no other version.
        status, said, _ = await cluster.run_ctl("deploy", cluster.project)
        assert status == 0 and "is the current one already" in said, said


async def test_there_and_back_again(store):
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store=store, statekeepers=3 if store == "redis" else 1,
                                                      gateways=2))
        first = await cluster.deploy()
        await until(lambda: all(cluster.get("/Counter/a", gateway)[0] == 200 for gateway in (0, 1)), "it answers")
        clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Counter/hub-{number}?id=me", number % 2)))
                   for number in range(12)]
        for number, client in enumerate(clients):
            assert await meet(client, 1, 1) == 1, number
        cluster.set_version(2)
        second = await cluster.deploy()
        for client in clients:
            assert await meet(client, 2, 2) == 2
        assert await cluster.rollback() == first
        for client in clients:
            assert await meet(client, 3, 1) == 3
        assert await cluster.rollback("--to", second) == second
        for client in clients:
            assert await meet(client, 4, 2) == 4
        listed = await cluster.versions()
        assert [each["version"] for each in listed["versions"]] == [second, first]
        assert "no version feedfeed" in await cluster.refused("rollback", "--to", "feedfeed")
        assert all(client.is_open for client in clients)


async def test_a_project_in_python(store, tmp_path):
    project = str(tmp_path / "project")
    shutil.copytree(PYTHON_PROJECT, project)
    counter = os.path.join(project, "counter.py")
    with DeployedCluster(store=store, statekeepers=2 if store == "redis" else 1) as cluster:
        first = await cluster.deploy(directory=project)
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "the app answers")
        async with connect(cluster.ws_url("/Counter/a?id=me")) as client:
            assert await meet(client, 1, 1) == 1
            with open(counter, encoding="utf-8") as file:
                text = file.read()
            with open(counter, "w", encoding="utf-8") as file:
                file.write(text.replace("VERSION = 1\n", "VERSION = 2\n"))
            assert await cluster.deploy(directory=project) != first
            assert await meet(client, 2, 2) == 2
            with open(counter, "a", encoding="utf-8") as file:
                file.write("raise RuntimeError('not in the mood')\n")
            assert "not in the mood" in await cluster.refused("deploy", project)
            assert await meet(client, 3, 2) == 3
            assert await cluster.rollback() == first
            assert await meet(client, 4, 1) == 4


@pytest.mark.parametrize("code, reason", [
    ("syntax error here", "cannot be built"),
    ("throw new Error('not in the mood');\n", "not in the mood"),
    ("process.exit(7);\n", "has ended with status 7"),
    ("setTimeout(() => process.exit(8), 100);\n", "has ended with status 8"),
    ("console.log('I wait'); await new Promise((resolve) => setTimeout(resolve, 1e6));\n", "does not connect within 10 s"),
])
async def test_what_does_not_come_up_changes_nothing(code, reason):
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2))
        version = await cluster.deploy()
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Counter/hub-{number}?id=me")))
                   for number in range(6)]
        for client in clients:
            await meet(client, 1, 1)
        cluster.set_version(2)
        cluster.edit("index.js", "export default", f"{code}export default")
        said = await cluster.refused("deploy", cluster.project)
        assert reason in said and "othing was changed" in said, said
        for client in clients:
            await meet(client, 2, 1)
        listed = await cluster.versions()
        assert listed["current"] == version and listed["under_way"] == ""
        await until(lambda: all(len(children(process.pid)) == 1 for process in cluster.statekeepers),
                    "the worker that was tried is gone everywhere")
        # And the next one can come.
        cluster.edit("index.js", code, "")
        await cluster.deploy()
        for client in clients:
            await meet(client, 3, 2)


async def test_a_constructor_that_throws_is_rolled_back():
    """Code that comes up and fails later is live. Its messages fail, as with any handler that throws; no socket closes by
    that, and what was stored is there when the version before is back."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster())
        first = await cluster.deploy()
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Counter/hub-{number}?id=me")))
                   for number in range(5)]
        for client in clients:
            assert await meet(client, 1, 1) == 1
        cluster.edit("counter.js", "super(ctx, env);", "super(ctx, env); throw new Error('cannot be built');")
        await cluster.deploy()
        await clients[0].protocol.send("put 2 hello")
        await until(lambda: "cannot be built" in cluster.statekeeper.log_text(), "the constructor has thrown")
        assert await cluster.rollback() == first
        for client in clients[1:]:
            assert await meet(client, 2, 1) == 2
        assert await meet(clients[0], 3, 1) == 2, "that message was not handled"
        assert all(client.is_open for client in clients)


async def test_other_classes():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2))
        await cluster.deploy()
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        client = await stack.enter_async_context(connect(cluster.ws_url("/Counter/a?id=me")))
        assert await meet(client, 1, 1) == 1
        cluster.write("src/added.js", 'import { Base } from "./base.js";\n'
                      "export class Added extends Base { answer() { return new Response('added'); } }\n")
        cluster.edit("index.js", 'export { Sleeper } from "./sleeper.js";',
                     'export { Sleeper } from "./sleeper.js";\nexport { Added } from "./added.js";')
        cluster.edit("wrangler.toml", '[[migrations]]\ntag = "v1"',
                     '[[durable_objects.bindings]]\nname = "Added"\nclass_name = "Added"\n\n[[migrations]]\ntag = "v1"')
        cluster.write("wrangler.toml", open(os.path.join(cluster.project, "wrangler.toml"), encoding="utf-8").read() +
                      '\n[[migrations]]\ntag = "v2"\nnew_sqlite_classes = ["Added"]\n')
        assert cluster.get("/Added/a")[0] == 404
        await cluster.deploy()
        for number in range(20):
            assert cluster.get(f"/Added/{number}") == (200, "added")
        assert await meet(client, 2, 1) == 2
        await cluster.rollback()
        assert cluster.get("/Added/a")[0] == 404
        assert await meet(client, 3, 1) == 3
        # A name that is taken.
        cluster.edit("wrangler.toml", 'class_name = "Added"', 'class_name = "echo"')
        cluster.edit("wrangler.toml", 'new_sqlite_classes = ["Added"]', 'new_sqlite_classes = ["echo"]')
        cluster.edit("index.js", "export { Added }", "export { Added as echo }")
        assert "name of a class that there is already" in await cluster.refused("deploy", cluster.project)


async def test_who_comes_later_serves_it_too():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2))
        await cluster.deploy()
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Counter/hub-{number}?id=me")))
                   for number in range(20)]
        cluster.kill_statekeeper(statekeeper=1)
        cluster.set_version(2)
        await cluster.deploy()
        cluster.start_statekeeper(statekeeper=1)  # which was away
        number = cluster.add_statekeeper()        # which is new
        for client in clients:
            await meet(client, 1, 2)
        cluster.kill_statekeeper(statekeeper=0)
        for client in clients:
            await meet(client, 2, 2)
        assert children(cluster.statekeepers[number].pid)


async def test_of_two_at_once_one_wins():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2))
        await cluster.deploy()
        other = os.path.join(cluster.directory, "other")
        subprocess.run(["cp", "-r", cluster.project, other], check=True)
        cluster.set_version(2)
        mine, cluster.project = cluster.project, other
        cluster.set_version(3)
        cluster.project = mine
        done = await asyncio.gather(cluster.run_ctl("deploy", mine), cluster.run_ctl("deploy", other))
        won = [index for index, (status, _, _) in enumerate(done) if status == 0]
        assert won, done
        if len(won) == 1:
            assert "deploy" in done[1 - won[0]][2], done  # is under way, or was made meanwhile
        listed = await cluster.versions()
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        async with connect(cluster.ws_url("/Counter/a?id=me")) as client:
            await client.protocol.send("put 1 x")
            version = (await asyncio.wait_for(client.protocol.recv(), 10)).split(" ")[-1]
        assert version in [("2", "3")[index] for index in won]
        assert listed["under_way"] == ""


async def test_one_that_is_interrupted_changes_nothing():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2))
        version = await cluster.deploy()
        cluster.edit("index.js", "export default",
                     "await new Promise((resolve) => setTimeout(resolve, 5e3)); export default")
        process = subprocess.Popen(cluster.ctl_command("deploy", cluster.project), stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, stderr=subprocess.STDOUT, preexec_fn=die_with_parent)
        await until(lambda: any(len(children(each.pid)) == 2 for each in cluster.statekeepers), "it is tried", timeout=20)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        listed = await cluster.versions()
        assert listed["current"] == version and listed["under_way"] not in ("", version)
        assert "Another deployment is under way" in await cluster.refused("rollback", "--to", version) \
            if len(listed["versions"]) > 1 else True
        cluster.edit("index.js", "await new Promise((resolve) => setTimeout(resolve, 5e3)); ", "/* changed */ ")
        said = await cluster.refused("deploy", cluster.project)
        assert "Another deployment is under way" in said and listed["under_way"] in said, said


async def test_what_cannot_be_is_said():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster())
        assert "neither a project" in await cluster.refused("deploy", cluster.directory)
        assert "no version before" in await cluster.refused("rollback")
        first = await cluster.deploy()
        assert "no version before" in await cluster.refused("rollback")
        # Another app.
        cluster.edit("wrangler.toml", 'name = "drills"', 'name = "shop"')
        said = await cluster.refused("deploy", cluster.project)
        assert "runs app drills, and this is app shop" in said
        renamed = await cluster.deploy("--app", "drills")
        assert renamed != first and (await cluster.versions())["app"] == "drills"
        await cluster.deploy("--app", "shop")
        assert (await cluster.versions())["app"] == "shop"
        # More than there may be.
        cluster.write("large/file.bin", "")
        with open(os.path.join(cluster.project, "large", "file.bin"), "wb") as file:
            file.write(random.Random(1).randbytes(40 << 20))
        cluster.edit("wrangler.toml", 'compatibility_date = "2025-09-01"',
                     'compatibility_date = "2025-09-01"\nassets = { directory = "large" }')
        said = await cluster.refused("deploy", cluster.project)
        assert "larger than a version may be" in said and "32 MiB" in said, said


async def test_assets_and_secrets_come_with_it():
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster())
        cluster.write("public/hello.txt", "hello from a file")
        cluster.write(".dev.vars", "SECRET=hush\n")
        cluster.edit("wrangler.toml", 'compatibility_date = "2025-09-01"',
                     'compatibility_date = "2025-09-01"\nassets = { directory = "public" }')
        cluster.edit("index.js", 'if (kind === "kept")', 'if (kind === "secret") return new Response(env.SECRET);\n'
                     '    if (kind === "kept")')
        await cluster.deploy()
        subprocess.run(["rm", "-r", cluster.project], check=True)
        await until(lambda: cluster.get("/hello.txt") == (200, "hello from a file"), "assets are there")
        assert cluster.get("/secret") == (200, "hush")
        # For its user alone.
        for directory, _, files in os.walk(os.path.join(cluster.data, "app-versions")):
            assert stat.S_IMODE(os.stat(directory).st_mode) == 0o700
            for name in files:
                assert stat.S_IMODE(os.stat(os.path.join(directory, name)).st_mode) == 0o600, name


async def test_a_backup_has_the_versions(store, tmp_path):
    """Restored on the other store they are all there, the current one is served, and what hubs had stored is found by it."""
    file = str(tmp_path / "backup")
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store=store, statekeepers=2 if store == "redis" else 1))
        first = await cluster.deploy()
        cluster.set_version(2)
        second = await cluster.deploy()
        assert await cluster.rollback() == first
        await until(lambda: cluster.get("/Counter/a")[0] == 200, "it answers")
        async with connect(cluster.ws_url("/Counter/a?id=me")) as client:
            assert await meet(client, 1, 1) == 1
        status, said, _ = await cluster.run_ctl("backup", file)
        assert status == 0 and f"drills, version {first} and 1 before it" in said, said
        by = (await cluster.versions())["versions"][0]["by"]
    async with contextlib.AsyncExitStack() as stack:
        other = stack.enter_context(DeployedCluster(store="file" if store == "redis" else "redis"))
        status, said, errors = await other.run_ctl("--json", "restore", file)
        assert status == 0, errors
        count = json.loads(said)
        assert (count["restored"], count["app"], count["app_version"]) == (1, "drills", first)
        listed = await other.versions()
        assert [each["version"] for each in listed["versions"]] == [first, second]
        assert (listed["app"], listed["current"], listed["versions"][0]["by"]) == ("drills", first, by)
        await until(lambda: other.get("/Counter/a") == (200, '{"put":1,"sql":0}'), "what it had stored is there")
        async with connect(other.ws_url("/Counter/a?id=me")) as client:
            assert await meet(client, 2, 1) == 2
        assert await other.rollback() == second
        # Another version is current meanwhile.
        said = await other.refused("restore", file)  # it has hubs
        assert "--replace" in said and (await other.versions())["current"] == second
        status, said, errors = await other.run_ctl("restore", "--keep", file)
        assert status == 0 and (await other.versions())["current"] == second, errors
        status, said, errors = await other.run_ctl("restore", "--replace", file)
        assert status == 0 and f"Version {first} of app drills is live at 1 statekeeper" in said, (said, errors)
        assert await other.rollback() == second


async def test_a_cluster_that_runs_another_version_is_not_restored_over(tmp_path):
    file = str(tmp_path / "backup")
    with DeployedCluster() as cluster:
        first = await cluster.deploy()
        assert (await cluster.run_ctl("backup", file))[0] == 0
    with DeployedCluster() as cluster:
        cluster.set_version(2)
        second = await cluster.deploy()
        said = await cluster.refused("restore", file)
        assert f"runs version {second} of app drills, and the backup has version {first} of app drills" in said, said
        listed = await cluster.versions()
        assert [each["version"] for each in listed["versions"]] == [second]
        status, _, errors = await cluster.run_ctl("restore", "--keep", file)
        assert status == 0 and (await cluster.versions())["current"] == second, errors
        status, said, errors = await cluster.run_ctl("restore", "--replace", file)
        assert status == 0 and f"Version {first} of app drills is live" in said, errors
        assert await cluster.rollback() == second


async def test_a_backup_without_versions_goes_to_a_cluster_that_has_an_app(tmp_path):
    """As those of before: the app stays as it is."""
    file = str(tmp_path / "backup")
    backups.write(file, {"echo/a": {b"u/x": b"y"}})
    with DeployedCluster() as cluster:
        version = await cluster.deploy()
        status, said, errors = await cluster.run_ctl("restore", file)
        assert status == 0 and said == "Restored 1 hub.\n", (said, errors)
        assert (await cluster.versions())["current"] == version


async def test_an_app_of_a_directory_is_left_out_of_backups(tmp_path):
    from worker_app import AppCluster  # pylint: disable=import-outside-toplevel
    file, of_versions = str(tmp_path / "backup"), str(tmp_path / "of-versions")
    with DeployedCluster() as cluster:
        await cluster.deploy()
        assert (await cluster.run_ctl("backup", of_versions))[0] == 0
    with AppCluster() as cluster:
        status, said = cluster.run_to_end(cluster.ctl_command("backup", file))
        assert status == 0 and "app" not in said.replace("app_", ""), said
        status, said = cluster.run_to_end(cluster.ctl_command("restore", of_versions))
        assert status == 0 and "the backup's app drills is left out" in said, said


async def test_gateways_of_other_hosts_reach_the_app():
    """With certificates gateways do not find the statekeepers' unix sockets here, as on another host."""
    async with contextlib.AsyncExitStack() as stack:
        cluster = stack.enter_context(DeployedCluster(store="redis", statekeepers=2, gateways=2, trust="tls"))
        await cluster.deploy()
        await until(lambda: all(cluster.get("/Counter/a", gateway)[0] == 200 for gateway in (0, 1)), "it answers")
        clients = [await stack.enter_async_context(connect(cluster.ws_url(f"/Counter/hub-{number}?id=me", number % 2)))
                   for number in range(10)]
        for client in clients:
            await meet(client, 1, 1)
        cluster.set_version(2)
        await cluster.deploy()
        for client in clients:
            await meet(client, 2, 2)
        cluster.kill_statekeeper(statekeeper=0)
        for client in clients:
            await meet(client, 3, 2)
        failed = sum(cluster.get(f"/Counter/{number}", number % 2)[0] != 200 for number in range(40))
        assert failed <= 2
        assert all(cluster.get(f"/Counter/{number}")[0] == 200 for number in range(20))


def test_a_cluster_of_deploy_local(tmp_path):
    project = str(tmp_path / "project")
    shutil.copytree(PROJECT, project)
    with tempfile.TemporaryDirectory(prefix="dormouse-local-") as data:
        port = ports.choose(None, data)
        local = ["/usr/bin/python3", os.path.join(REPOSITORY, "deploy", "localcluster"), "--bin", BIN]

        def run(*words):
            done = subprocess.run([*local, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=120, check=False, text=True)
            assert done.returncode == 0, done.stdout
            return done.stdout
        run("up", "--detach", "--data", data, "--port", str(port), "--set", "drain-window=100ms")
        try:
            assert "is live at 1 statekeeper" in run("ctl", "--data", data, "deploy", project)
            wait_until(lambda: http_get(port, "/Counter/a")[0] == 200, "it answers")
            assert "current" in run("ctl", "--data", data, "versions")
        finally:
            run("down", "--data", data)
        assert not os.listdir(os.path.join(data, "app-versions")), "it goes with the processes"


async def test_an_app_of_a_directory_is_not_deployed_over():
    from worker_app import AppCluster  # pylint: disable=import-outside-toplevel
    with AppCluster() as cluster:
        status, said = cluster.run_to_end(cluster.ctl_command("deploy", cluster.project))
        assert status == 1 and "start the cluster without that option" in said, said
        assert cluster.get("/Counter/a")[0] == 200


class VersionsDrill(Drill):
    """Deploys by dormousectl."""

    async def deploy(self):
        self._version += 1
        self.cluster.set_version(self._version)
        await self.cluster.deploy()
        await self.met()

    async def rollback(self):
        await self.deploy()  # so that there is one before
        await self.cluster.rollback()
        self._version -= 1
        await self.met()
        await self.cluster.rollback()  # and to the newer one again
        self._version += 1
        await self.met()

    async def broken(self):
        self.cluster.edit("index.js", "export default", "throw new Error('broken'); export default")
        assert "broken" in await self.cluster.refused("deploy", self.cluster.project)
        self.cluster.edit("index.js", "throw new Error('broken'); ", "")
        await self.met()

    async def deploy_and_statekeeper(self):
        self._version += 1
        self.cluster.set_version(self._version)
        deployed = asyncio.ensure_future(self.deploy_by_whoever_answers())
        await self.while_away(2.5)
        await (self.statekeeper() if len(self.cluster.statekeepers) == 1 else self.an_owner())
        await deployed
        await self.met()

    async def deploy_by_whoever_answers(self):
        """Where the only statekeeper is not there when dormousectl begins, that ends with status 3."""
        status = 3
        while status == 3:
            status, said, errors = await self.cluster.run_ctl("deploy", self.cluster.project)
        assert status == 0, (said, errors)

    async def deploy_and_worker(self):
        self._version += 1
        self.cluster.set_version(self._version)
        deployed = asyncio.ensure_future(self.cluster.deploy())
        await self.while_away(2.5)
        for process in self.cluster.statekeepers:
            for pid in children(process.pid)[:1]:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        await deployed
        await self.met()

    async def met(self):
        await until(lambda: self._watched.done() or all(
            caller.version == str(self._version) for caller in self.callers), "all meet that code", timeout=30)


@pytest.mark.parametrize("seed", SEEDS)
async def test_nothing_is_lost_while_versions_change(store, seed):
    """120 sockets ask all the time; at the end all are open, each answer came once and in order, all that was answered is
    stored."""
    with DeployedCluster(store=store, gateways=2, statekeepers=3 if store == "redis" else 1, options=OPTIONS) as cluster:
        await cluster.deploy()
        await until(lambda: all(cluster.get("/Counter/a", gateway)[0] == 200 for gateway in (0, 1)), "it answers")
        async with at_work(cluster, seed, VersionsDrill) as drill:
            faults = [VersionsDrill.deploy, VersionsDrill.rollback, VersionsDrill.broken,
                      VersionsDrill.deploy_and_statekeeper, VersionsDrill.deploy_and_worker,
                      VersionsDrill.deploy_and_statekeeper]
            random.Random(seed).shuffle(faults)
            await drill.suffer(faults)
