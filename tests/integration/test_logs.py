"""What processes log: lines for people, or JSON objects; never what clients say, nor more than anybody can read."""

import json
import re

import pytest
from cluster import Cluster
from ws import actor, connect, echo

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"


@pytest.mark.parametrize("log_format", ["text", "json"])
async def test_each_line_is_what_it_is_said_to_be(log_format):
    with Cluster(options={"log-format": log_format, "log-level": "debug", "hibernate-after": "50ms"}) as cluster:
        async with echo(cluster.ws_url("/websocket/attic")) as client:
            await client.ask("a payload of mine")
            connection = client.id
        async with actor(cluster.ws_url("/ws/hall"), "test/a") as other:
            await other.must("hub:publish", {"topic": "t", "type": "note", "data": "a payload of mine"})
            token = other.session["resumeToken"]
        await cluster.asleep()
        processes = (cluster.statekeeper, *cluster.gateways)
        for process in processes:
            assert "a payload of mine" not in process.log_text() and token not in process.log_text()
            for line in process.log_text().splitlines():
                if log_format == "text":
                    assert re.match(rf"{TIME} (gateway|statekeeper) (debug|info|warning|error) \S", line), line
                else:
                    said = json.loads(line)
                    assert {"time", "level", "process", "message", "source"} <= said.keys(), line
                    assert re.fullmatch(TIME, said["time"]) and said["process"] in ("gateway", "statekeeper")
                    assert re.fullmatch(r"(common|gateway|proto|statekeeper)/[\w/]+\.(cc|h):\d+", said["source"])
        keeper = cluster.statekeeper.log_text()
        if log_format == "text":
            assert re.search(rf"debug shard \d+, hub echo/attic, connection {connection}: connects", keeper)
        else:
            [said] = [line for line in map(json.loads, keeper.splitlines())
                      if line["message"] == "connects" and line["hub"] == "echo/attic"]
            assert said["connection"] == connection and isinstance(said["shard"], int)


async def test_the_trace_of_an_opening_is_in_its_lines():
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    with Cluster(options={"log-format": "json", "log-level": "debug"}) as cluster:
        url = cluster.ws_url("/websocket/traced")
        for value in (f"00-{trace}-00f067aa0ba902b7-01", f"00-{trace}-0000000000000000-01", "what"):
            async with connect(url, extra_headers={"traceparent": value}) as client:
                await client.recv()
        traces = [line.get("trace") for line in map(json.loads, cluster.statekeeper.log_text().splitlines())
                  if line["message"] == "connects"]
        assert traces == [trace, None, None]


def test_a_failed_start_is_json_too():
    with Cluster(start=False, options={"log-format": "json"}) as cluster:
        status, said = cluster.run_to_end(cluster.statekeeper_command(disabled_classes="nosuch"))
        assert status == 1
        for line in said.splitlines():
            assert json.loads(line)["process"] == "statekeeper"
        assert "there is no hub class 'nosuch'" in said
