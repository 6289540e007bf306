"""A real Prometheus asks a real cluster under load: every query of the board and every series of an alert is there, and
alerts fire when what they watch is broken."""

import contextlib
import json
import math
import os
import signal
import subprocess

import monitoring
import pytest
from cluster import BIN, Cluster, http_get, ports, wait_until
from process import Process

_OPTIONS = {"hibernate-after": "500ms", "allowed-origins": "https://app.example"}


def board_queries():
    """(title of the panel, expression) of deploy/observe/grafana, as Grafana asks them at this test's pace."""
    with open(os.path.join(monitoring.OBSERVE, "grafana", "boards", "dormouse.json"), encoding="utf-8") as file:
        panels = json.load(file)["panels"]
    return [(panel["title"], target["expr"].replace("$__rate_interval", "10s"))
            for panel in panels for target in panel.get("targets", ())]


@contextlib.contextmanager
def watched():
    """A cluster under load, and the Prometheus that watches it."""
    with Cluster(gateways=2, statekeepers=3, store="redis", options=_OPTIONS) as cluster:
        prometheus = monitoring.Prometheus(cluster, ports.choose(None, f"{cluster.directory} prometheus"))
        load = Process("load", [os.path.join(BIN, "dormouse-load"), "day", "--connections", "60", "--hubs", "20",
                                "--rate", "40", "--duration", "600", "--come-back", "--url", cluster.ws_url("")],
                       cluster.directory)
        prometheus.start()
        load.start()
        try:
            wait_until(prometheus.is_ready, "Prometheus is ready", timeout=30)
            wait_until(lambda: len(prometheus.query("up == 1")) == 5, "all processes have been asked", timeout=30)
            yield cluster, prometheus
            assert load.running() and prometheus.running()
        finally:
            for process in (load, prometheus):
                if process.running():
                    process.end(signal.SIGKILL)


@pytest.fixture(name="scene", scope="module")
def _scene():
    monitoring.program("prometheus")
    with watched() as scene:
        yield scene


def _ctl(cluster, *words):
    return subprocess.run(cluster.ctl_command(*words), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          check=False)


def test_every_query_of_the_board_returns_data(scene):
    cluster, prometheus = scene
    queries = board_queries()
    assert len(queries) > 40
    waiting = dict(queries)

    def all_answered():
        # Something moves all the while, as it does where shards have to.
        moved = _ctl(cluster, "evict", "--shard", ",".join(map(str, range(30))), "--mode", "migrate")
        assert moved.returncode == 0, moved.stderr
        for title, expression in queries:
            if any(not math.isnan(float(each["value"][1])) for each in prometheus.query(expression)):
                answered.add((title, expression))
        return len(answered) == len(set(queries))

    answered = set()
    try:
        wait_until(all_answered, "all queries return data", timeout=60)
    except AssertionError:
        raise AssertionError(f"without data: {sorted(set(queries) - answered)}") from None
    assert waiting.keys() == {title for title, _ in answered}


def test_every_series_of_an_alert_is_there(scene):
    _, prometheus = scene
    named = {selector: alert for alert, rule in monitoring.alerts().items()
             for selector in monitoring.selectors(rule["expr"])}
    assert len(named) > 20
    missing = [(alert, selector) for selector, alert in named.items() if not prometheus.query(selector)]
    assert not missing
    # And no alert fires in a cluster that is well, but for those that see shards move.
    assert prometheus.firing() <= {"DormouseHandOversSlow"}


def test_alerts_fire_when_what_they_watch_breaks():
    monitoring.program("prometheus")
    with watched() as (cluster, prometheus):
        seen = set()

        def fires(*alerts):
            def look():
                seen.update(prometheus.firing())
                return set(alerts) <= seen
            try:
                wait_until(look, "they fire", timeout=40)
            except AssertionError:
                raise AssertionError(f"not in time: {sorted(set(alerts) - seen)}; these did: {sorted(seen)}") from None

        # What there was before is looked at in steps of so many seconds.
        for before in ('max_over_time(count(up{job="dormouse-statekeeper"} == 1)[1m:15s]) == 3',
                       "max_over_time(sum(dormouse_member_shards)[1m:5s]) == 1024"):
            wait_until(lambda before=before: prometheus.query(before), before, timeout=40)
        for _ in range(300):
            assert http_get(cluster.port(), "/websocket/x", {
                "Origin": "https://evil.example", "Upgrade": "websocket", "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="})[0] == 403
        with open(cluster.admin_key + ".other", "w", encoding="ascii") as file:
            file.write("x" * 32)
        refused = subprocess.run([os.path.join(BIN, "dormousectl"), "--statekeeper", cluster.links[0], "--key",
                                  file.name, "members"], capture_output=True, text=True, check=False)
        assert refused.returncode == 1, refused.stderr
        fires("DormouseClientsRefused", "DormouseLinksRefused")

        cluster.kill_statekeeper(statekeeper=2)
        fires("DormouseInstanceDown", "DormouseInstanceMissing", "DormouseStatekeeperUnreachable")

        cluster.redis.pause()
        fires("DormouseStoreRefuses", "DormouseChangesFail", "DormouseRenewalsFail")
        # Nobody can take what one leaves that is killed now.
        cluster.kill_statekeeper(statekeeper=1)
        fires("DormouseShardsWithoutOwner")
        cluster.redis.resume()
        cluster.start_statekeeper(statekeeper=1)
        owned = 'dormouse_member_shards{instance="127.0.0.1:%d"} > 0' % cluster.statekeepers[1].admin
        wait_until(lambda: prometheus.query(owned), "it has shards again", timeout=40)

        cluster.pause(cluster.statekeepers[1])
        taken = (f'up{{instance="127.0.0.1:{cluster.statekeepers[1].admin}"}} == 0 and on() '
                 f'dormouse_member_shards{{instance="127.0.0.1:{cluster.statekeepers[0].admin}"}} == 1024')
        wait_until(lambda: prometheus.query(taken), "the other has all shards", timeout=40)
        cluster.resume(cluster.statekeepers[1])
        fires("DormouseShardsTaken")

        cluster.kill_gateway(1)
        fires("DormouseGatewayGivenUp")
        cluster.pause(cluster.gateways[0])
        fires("DormouseNoGateway")
        cluster.resume(cluster.gateways[0])
        for statekeeper in (0, 1):
            cluster.kill_statekeeper(statekeeper=statekeeper)
        fires("DormouseNoStatekeeper")
