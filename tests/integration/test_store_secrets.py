"""Redis over TLS, its passwords and certificates: what works, what changes while all runs, and what nobody sees."""

import os
import shutil
import subprocess

import pytest
from cluster import BIN, Cluster
from process import http_get, until, wait_until
from ws import actor

OPTIONS = {"rate-limit": "0", "commit-timeout": "20s"}


def _command_line(process):
    with open(f"/proc/{process.pid}/cmdline", "rb") as file:
        return file.read().decode()


def _log(process):
    with open(process.log, encoding="utf-8") as file:
        return file.read()


def _fails_with(cluster, command, *words):
    status, said = cluster.run_to_end(command)
    assert status not in (0, -6, -11), said
    for word in words:
        assert word in said, said
    assert cluster.redis.password not in said


async def test_state_is_there_after_a_redis_with_tls_was_killed():
    with Cluster(store="rediss", options=OPTIONS) as cluster:
        async with actor(cluster.ws_url("/ws/tls"), "test/a") as a:
            for number in range(20):
                await a.register(f"test/a/{number}")
            cluster.redis.end()
            cluster.redis.start()
            await a.register("test/a/20")
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            assert await a.addresses() == sorted(["test/a", *(f"test/a/{number}" for number in range(21))])


async def test_password_and_certificates_may_change_while_all_runs():
    with Cluster(store="rediss", options=OPTIONS) as cluster:
        redis = cluster.redis
        async with actor(cluster.ws_url("/ws/change"), "test/a") as a:
            await a.register("test/before")
            redis.command_answer("CONFIG SET requirepass changed")
            redis.password = "changed"
            # Those that are connected stay so.
            await a.register("test/meanwhile")
            redis.command_answer("CLIENT KILL TYPE normal SKIPME yes")
            await until(lambda: "it refuses the user or password" in _log(cluster.statekeeper), "the old one is refused")
            # From the authority of another Redis, for the same name: a new certificate.
            for name in ("dormouse.pem", "dormouse.key"):
                shutil.copyfile(redis.file(name.replace("dormouse", "redis")), redis.file(name))
            with open(redis.file("password"), "w", encoding="ascii") as file:
                file.write("changed\n")
            await a.register("test/after")
            assert {"test/before", "test/meanwhile", "test/after"} <= set(await a.addresses())


@pytest.mark.parametrize("given", ["option", "set", "environment"])
def test_a_password_in_the_url_is_nowhere_to_be_seen(given):
    with Cluster(store="rediss", options={**OPTIONS, "log-level": "trace"}, start=False) as cluster:
        statekeeper, redis = cluster.statekeeper, cluster.redis
        url = redis.url.replace("://", f"://:{redis.password}@")
        command = cluster.statekeeper_command(store=url, store_password_file=None)
        where = command.index("--store")
        if given == "set":
            command[where:where + 2] = ["--set", "store=" + url]
        elif given == "environment":
            del command[where:where + 2]
            statekeeper.environment["DORMOUSE_STORE"] = url
        statekeeper.command = command
        cluster.start()
        assert redis.password not in _command_line(statekeeper)
        assert ("store-password-file" in _log(statekeeper)) == (given != "environment"), "a warning says what to do"

        redis.end()
        wait_until(lambda: http_get(statekeeper.admin, "/readyz")[0] == 503, "the statekeeper misses its store")
        ready = http_get(statekeeper.admin, "/readyz")[1]
        redis.start()
        cluster.wait_ready()
        metrics = http_get(statekeeper.admin, "/metrics")[1]
        assert "dormouse_store_healthy" in metrics
        members = subprocess.run([os.path.join(BIN, "dormousectl"), "--statekeeper", f"unix:{cluster.data}/run", "--json",
                                  "members"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        assert members.returncode == 0, members.stdout
        for text in (ready, metrics, members.stdout.decode(), _log(statekeeper)):
            assert redis.password not in text
        _fails_with(cluster, cluster.another_statekeeper_command(store=url.replace("@", "@@"), store_password_file=None))


def test_what_cannot_work_is_a_clear_error():
    with Cluster(store="rediss", options={"commit-timeout": "1s"}, start=False) as cluster:
        redis = cluster.redis
        plain = redis.url.replace("rediss", "redis")
        _fails_with(cluster, cluster.statekeeper_command(store=plain, store_ca=None, store_certificate=None, store_key=None),
                    "write rediss in place of redis")
        _fails_with(cluster, cluster.statekeeper_command(store=redis.url.replace("127.0.0.1", "localhost")),
                    "its certificate is for other hosts than localhost")
        _fails_with(cluster, cluster.statekeeper_command(store_ca=None), "store-ca")
        _fails_with(cluster, cluster.statekeeper_command(store_certificate=None, store_key=None), "it asks for a client certificate")
        _fails_with(cluster, cluster.statekeeper_command(store_key=None), "--store-certificate and --store-key belong together")
        _fails_with(cluster, cluster.statekeeper_command(store_password_file="/no/such/file"), "store-password-file", "/no/such/file")
        _fails_with(cluster, cluster.statekeeper_command(store_password_file=redis.file("ca.pem")), "must hold one line")
        _fails_with(cluster, cluster.statekeeper_command(store=redis.url.replace("://", f"://:{redis.password}@")),
                    "leave out that in the URL")
        _fails_with(cluster, [*cluster.statekeeper_command(), redis.url.replace("://", f"://:{redis.password}@")],
                    "redis", "***@")
