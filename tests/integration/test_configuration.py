"""SIGHUP reads the config file again; dormousectl config and /config say what is in effect, and where it is from."""

import contextlib
import json
import os
import signal

import pytest
from cluster import BIN, Cluster, http_get, until
from collector import Collector
from ws import actor, echo, upgrade_status


@pytest.fixture
def file(tmp_path):
    """A config file: call it with its text."""
    path = tmp_path / "dormouse.conf"

    def write(text):
        path.write_text(text)
        return str(path)

    write("")
    write.path = str(path)
    return write


@contextlib.contextmanager
def configured(file, text, **cluster):
    file(text)
    with Cluster(options={"config": file.path}, **cluster) as made:
        yield made


async def reload(file, text, *processes):
    """Writes the file and has the processes read it; returns what each has said of that."""
    file(text)
    told = []
    for process in processes:
        before = process.log_text().count("SIGHUP: ")
        process.send_signal(signal.SIGHUP)
        await until(lambda p=process, b=before: p.log_text().count("SIGHUP: ") > b, f"{process.name} has read its file")
        told.append(process.log_text().rpartition("SIGHUP: ")[2].partition("\n")[0])
    return told


async def test_limits_of_open_sockets_change(file):
    with configured(file, "") as cluster:
        async with echo(cluster.ws_url("/websocket/limited")) as client:
            for _ in range(5):
                assert (await client.ask("x"))["type"] == "echo"
            told = await reload(file, "echo-rate-limit = 0.01\necho-rate-burst = 2\n", cluster.statekeeper)
            assert told == [f"{file.path} was read again: echo-rate-limit = 0.01 (was 0), echo-rate-burst = 2 (was 20)"]

            async def refused():
                return (await client.ask("x"))["type"] == "error"

            await until(refused, "the gateway has heard of the limit")
            await reload(file, "", cluster.statekeeper)

            async def served():
                return (await client.ask("x"))["type"] == "echo"

            await until(served, "the gateway has heard that there is none")


async def test_hubs_in_memory_have_the_new_rules(file):
    with configured(file, "max-subscriptions = 2\nhibernate-after = \"1h\"\nrate-limit = 0\n") as cluster:
        async with actor(cluster.ws_url("/ws/awake"), "test/a") as client:
            async def subscribe(topic):
                return (await client.call("hub:subscribe", {"topic": topic}))["type"]

            assert [await subscribe(topic) for topic in "ab"] == ["hub:subscribed"] * 2
            assert await subscribe("c") == "hub:error"
            wakes = cluster.hub_wakes()
            await reload(file, "max-subscriptions = 3\nhibernate-after = \"1h\"\nrate-limit = 0\n", cluster.statekeeper)

            async def subscribed():
                return await subscribe("c") == "hub:subscribed"

            await until(subscribed, "the limit is another one")
            assert await subscribe("d") == "hub:error"
            assert await client.addresses() == ["test/a"]
            assert cluster.hub_wakes() == wakes, "it was in memory all the time"
            await reload(file, "hibernate-after = \"50ms\"\n", cluster.statekeeper)
            await cluster.asleep()
            assert await client.addresses() == ["test/a"]


async def test_who_may_come_in_changes(file):
    with configured(file, "") as cluster:
        url, gateway = cluster.ws_url("/websocket/door"), cluster.gateways[0]
        assert await upgrade_status(url, origin="https://evil.example") == 101
        async with echo(url) as before:
            await reload(file, "allowed-origins = [\"https://app.example\"]\nmax-connections = 1\n", gateway)
            assert await upgrade_status(url, origin="https://evil.example") == 403
            assert await upgrade_status(url, origin="https://app.example") == 503, "one is here already"
            assert (await before.ask("x"))["type"] == "echo"
        await reload(file, "max-connections-per-address = 1\n", gateway)
        assert await upgrade_status(url, origin="https://evil.example") == 101
        await until(lambda: cluster.metrics(gateway)["dormouse_connections"] == 0, "it has left its seat")
        async with echo(url):
            assert await upgrade_status(url) == 429


@pytest.mark.parametrize("text, reason", [
    ("rate-limit = 1\nrate-limt = 2\n", ":2: there is no option rate-limt; is it to be rate-limit?"),
    ("rate-limit = 1\nhibernate-after = \"soon\"\n", ":2: --hibernate-after: 'soon' is not a duration"),
    ("rate-limit = 1\nmax-output = \"1KiB\"\n", ":2: --max-output must be at least 4 times --resume-bytes"),
    ("rate-limit = 1\nallowed-origins = [\"app.example\"]\n", ":2: --allowed-origins: 'app.example'"),
])
async def test_a_bad_file_is_refused_as_a_whole(file, text, reason):
    with configured(file, "rate-limit = 10\n") as cluster:
        process = cluster.gateways[0] if "origins" in text else cluster.statekeeper
        [told] = await reload(file, text, process)
        assert told.startswith(f"{file.path} is refused as a whole, and what was in effect stays: {file.path}{reason}")
        async with actor(cluster.ws_url("/ws/as-before"), "test/a") as client:
            assert await client.addresses() == ["test/a"]
        assert json.loads(http_get(process.admin, "/config")[1])["settings"]
        assert _of(process, "allowed-origins" if "origins" in text else "rate-limit")["value"] in ("", "10")
        [told] = await reload(file, "rate-limit = 10\n", process)
        assert told.endswith("was read again: nothing changes")


async def test_what_needs_a_restart_is_named_and_waits(file):
    with configured(file, "lanes = 1\n") as cluster:
        [told] = await reload(file, "lanes = 2\nrate-burst = 7\nstore-prefix = \"other\"\n", cluster.statekeeper)
        assert told == (f"{file.path} was read again: rate-burst = 7 (was 20); needs a restart: store-prefix, lanes")
        lanes = _of(cluster.statekeeper, "lanes")
        assert (lanes["value"], lanes["pending"], lanes["reloadable"]) == ("1", "2", False)
        cluster.kill_statekeeper(signal.SIGTERM)
        cluster.start_statekeeper()
        assert _of(cluster.statekeeper, "lanes")["value"] == "2"


async def test_nothing_to_read_is_said(file):
    with Cluster() as cluster:
        for process in (cluster.statekeeper, cluster.gateways[0]):
            [told] = await reload(file, "", process)
            assert told.startswith("there is nothing to read again")
            assert process.is_ready()


async def test_the_log_changes(file):
    with configured(file, "") as cluster:
        for process in (cluster.statekeeper, cluster.gateways[0]):
            await reload(file, "log-format = \"json\"\n", process)
            line = process.log_text().splitlines()[-1]
            said = json.loads(line)
            assert said["message"].endswith("log-format = json (was text)")
            assert said["level"] == "info" and said["process"] in ("statekeeper", "gateway")
            await reload(file, "log-format = \"text\"\n", process)
            assert " info SIGHUP: " in process.log_text().splitlines()[-1]


async def test_the_share_that_is_traced_changes(file):
    with Collector() as collector:
        text = f'otlp-endpoint = "{collector.url}"\n'
        with configured(file, text) as cluster:
            for share, hub in ((1, "traced"), (0, "not-traced")):
                await reload(file, text + f"trace-sample = {share}\n", cluster.gateways[0])
                async with echo(cluster.ws_url(f"/websocket/{hub}")):
                    pass
            for process in (*cluster.gateways, cluster.statekeeper):
                process.stop_finally()
        assert {span.attributes.get("dormouse.hub.name") for span in collector.spans} == {"traced", None}


def _of(process, option):
    """What /config says of an option."""
    status, text, headers = http_get(process.admin, "/config")
    assert status == 200 and headers["Content-Type"] == "application/json"
    return next(each for each in json.loads(text)["settings"] if each["name"] == option)


def _ctl(cluster, *words):
    status, said = cluster.run_to_end([os.path.join(BIN, "dormousectl"), "--data", cluster.data, *words])
    assert status == 0, said
    return said


async def test_operators_see_what_is_in_effect(file):
    with configured(file, "\nmax-awake = 77\nstore-password-file = \"\"\n", statekeepers=2, store="redis") as cluster:
        gateway = f"127.0.0.1:{cluster.gateways[0].admin}"
        document = json.loads(_ctl(cluster, "--json", "config", "--gateway", gateway))
        assert [each["process"] for each in document["processes"]] == ["statekeeper", "statekeeper", "gateway"]
        for each in document["processes"]:
            settings = {setting["name"]: setting for setting in each["settings"]}
            assert each["file"] == file.path
            # Each has what it uses.
            assert ("lanes" in settings) == (each["process"] == "statekeeper")
            assert ("connection-window" in settings) == (each["process"] == "gateway")
            assert (settings["admin"]["source"], settings["admin"]["from"]) == ("command_line", "command line")
            assert settings["log-level"] == {"name": "log-level", "value": "info", "source": "default",
                                             "from": "default", "reloadable": True}
            if each["process"] == "statekeeper":
                assert settings["max-awake"]["from"] == f"{file.path}:2" and settings["max-awake"]["value"] == "77"
        listed = _ctl(cluster, "config", "--changed", "--gateway", gateway)
        assert "max-awake " in listed and f"{file.path}:2" in listed
        assert "hibernate-after" not in listed
        one = _ctl(cluster, "config", document["processes"][0]["id"][:6])
        assert "hibernate-after" in one and one.count("OPTION ") == 1


async def test_no_secret_is_shown(file):
    secret = "hidden-in-the-url"
    with configured(file, "", gateways=0, start=False) as cluster:
        command = cluster.statekeeper.command
        at = command.index("--store")
        del command[at:at + 2]  # where it is said is the file
        cluster.start()
        await reload(file, f"store = \"redis://user:{secret}@127.0.0.1:1\"\n", cluster.statekeeper)
        assert _of(cluster.statekeeper, "store")["pending"] == "redis://user:***@127.0.0.1:1"
        told = http_get(cluster.statekeeper.admin, "/config")[1] + _ctl(cluster, "config")
        assert secret not in told + cluster.statekeeper.log_text()
