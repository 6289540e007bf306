"""What a loaded cluster exposes is what the table of deploy/observe.md says, and it moves with what it is about."""

import json
import os
import re
import secrets

import pytest
import trust as trusts
from backends import ApiCluster
from cluster import BIN, REPOSITORY, http_get, until
from ws import actor, all_open, connect, echo, upgrade_status

PROCESSES = ("gateway", "statekeeper")


def _table():
    """By process: name -> (type, labels), as the document has it."""
    with open(os.path.join(REPOSITORY, "deploy", "observe.md"), encoding="utf-8") as file:
        lines = file.read().splitlines()
    metrics = {process: {} for process in PROCESSES}
    for line in lines:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) != 5 or cells[0] not in (*PROCESSES, "both"):
            continue
        for process in PROCESSES if cells[0] == "both" else (cells[0],):
            assert cells[1] not in metrics[process], f"{cells[1]} twice"
            metrics[process][cells[1].strip("`")] = (cells[2], set(re.findall(r"`(\w+)`", cells[3])))
    return metrics


def _exposed(process):
    """Name -> (type, labels), as its /metrics says; and all its series."""
    status, text, _ = http_get(process.admin, "/metrics")
    assert status == 200
    kinds, labels, series = {}, {}, set()
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ")
            kinds[name] = kind
            labels[name] = set()
        elif line and not line.startswith("#"):
            name, brace, rest = line.rpartition(" ")[0].partition("{")
            if name not in kinds:
                name = re.sub(r"_(bucket|sum|count)$", "", name)
            labels[name] |= set(re.findall(r'(\w+)="', rest)) - {"le"}
            series.add(line.rpartition(" ")[0])
    return {name: (kind, labels[name]) for name, kind in kinds.items()}, series


def _operator(cluster, *words):
    status, said = cluster.run_to_end([os.path.join(BIN, "dormousectl"), "--data", cluster.data, *words])
    assert status == 0, said
    return said


async def _load(cluster):
    """A little of everything."""
    await upgrade_status(cluster.ws_url("/nowhere"))
    async with all_open(echo(cluster.ws_url(f"/websocket/room-{i}")) for i in range(20)) as clients:
        for client in clients:
            await client.ask("some text")
    async with actor(cluster.ws_url("/ws/hall"), "test/a") as client:
        await client.addresses()
        token = client.session["resumeToken"]
        client.protocol.transport.abort()
    async with connect(cluster.ws_url("/ws/hall")) as again:
        await again.send({"id": "1", "from": "test/a", "to": "cloudflare/signal-hub", "type": "hub:connect",
                          "payload": {"version": "1.0", "resumeToken": token}, "pattern": "ask",
                          "correlationId": None, "metadata": {}})
        while (reply := await again.recv())["type"] != "hub:connected":
            pass
        assert reply["payload"]["resumed"], reply
        again.protocol.transport.abort()


@pytest.fixture(scope="module")
def loaded(tmp_path_factory):
    # With all that it can have metrics of.
    callbacks = tmp_path_factory.mktemp("callbacks") / "callbacks.toml"
    callbacks.write_text('[room]\nurl = "http://127.0.0.1:9/"\nsecret-file = "secret"\n', encoding="utf-8")
    trusts.write(str(callbacks.parent / "secret"), secrets.token_hex(32))
    options = {"lanes": "2", "shards": "64", "resume-window": "1s", "hibernate-after": "100ms", "callbacks": str(callbacks)}
    with ApiCluster(statekeepers=2, store="redis", options=options) as cluster:
        yield cluster


async def test_the_table_is_what_is_exposed(loaded):
    await _load(loaded)
    documented = _table()
    assert {process: len(metrics) > 30 for process, metrics in documented.items()} == dict.fromkeys(PROCESSES, True)
    for process, of_it in ((loaded.gateways[0], "gateway"), *((each, "statekeeper") for each in loaded.statekeepers)):
        exposed, _ = _exposed(process)
        if of_it == "gateway":
            assert exposed.pop("dormouse_http_responses_total") == ("counter", {"status"})
            assert documented["gateway"].pop("dormouse_http_responses_total") == ("counter", {"status"})
        assert exposed == documented[of_it], of_it


async def test_they_move_with_what_they_are_about(loaded):
    await _load(loaded)
    await loaded.asleep()

    def total(*names):
        found = [loaded.metrics(process) for process in (*loaded.gateways, *loaded.statekeepers)]
        return [sum(metrics.get(name, 0) for metrics in found) for name in names]

    for histogram in ("dormouse_hub_wake_seconds", "dormouse_commit_seconds", "dormouse_batch_events",
                      "dormouse_batch_deliveries", "dormouse_loop_lag_seconds"):
        count, amount = total(histogram + "_count", histogram + "_sum")
        assert count > 0 and 0 < amount < count * 100, histogram
    gateway = loaded.metrics(loaded.gateways[0])
    keepers = [loaded.metrics(process) for process in loaded.statekeepers]
    for name in ("dormouse_events_total", "dormouse_event_bytes_total"):
        assert gateway[name] == sum(metrics[name] for metrics in keepers) > 0, name
    assert sum(metrics["dormouse_delivery_bytes_total"] for metrics in keepers) > 20 * len("some text")
    assert gateway["dormouse_replay_buffer_bytes"] == gateway["dormouse_events_unsettled"] == 0
    assert total('dormouse_resumes_total{outcome="resumed"}')[0] >= 1
    # Whoever has lost the socket for good ends by an alarm.
    await until(lambda: total("dormouse_alarms_total")[0] >= 1, "an alarm has rung")
    count, lateness = total("dormouse_alarm_lateness_seconds_count", "dormouse_alarm_lateness_seconds_sum")
    assert count >= 1 and lateness < 5 * count
    before = total("dormouse_hand_over_seconds_count")[0]
    member = json.loads(_operator(loaded, "--json", "members"))["members"][0]["id"]
    _operator(loaded, "evict", "--mode", "migrate", "--statekeeper", member)
    assert total('dormouse_evictions_total{mode="migrate"}') == [1]
    assert total("dormouse_hand_over_seconds_count")[0] > before
    assert total("dormouse_commits_fenced_total", "dormouse_alarms_dropped_total") == [0, 0]


async def test_neither_hubs_nor_clients_make_series(loaded):
    await _load(loaded)
    processes = (*loaded.gateways, *loaded.statekeepers)
    before = [_exposed(process)[1] for process in processes]
    async with all_open(echo(loaded.ws_url(f"/websocket/one-of-many-{i}")) for i in range(60)) as clients:
        for client in clients:
            await client.ask("x")
        assert [_exposed(process)[1] for process in processes] == before
