"""Traces on real processes: spans of both, in one trace, at a collector; what is not to be traced is not; and a collector
that is away, slow or refuses holds up nobody."""

import asyncio
import os
import time

import pytest
import trust as trusts
from backends import ApiCluster
from cluster import Cluster, until
from collector import Collector
from webhooks import Endpoint, WebhookCluster, new_secret
from worker_app import LANGUAGES, AppCluster
from ws import connect, echo, upgrade_status

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
CLIENT = "00f067aa0ba902b7"
SAMPLED = {"traceparent": f"00-{TRACE}-{CLIENT}-01"}
NOT_SAMPLED = {"traceparent": f"00-{TRACE}-{CLIENT}-00"}


def traced(collector, **more):
    return {"otlp-endpoint": collector.url, **more}


def total(cluster, process, name):
    return sum(value for series, value in cluster.metrics(process).items() if series.startswith(name))


async def test_one_trace_from_the_handshake_through_sleep_to_the_close(store):
    with Collector() as collector, Cluster(
            store=store, options=traced(collector, **{"hibernate-after": "100ms"})) as cluster:
        async with connect(cluster.ws_url("/websocket/attic?token=a-secret-of-mine"), extra_headers=SAMPLED) as client:
            await client.recv()
            await client.ask("a payload of mine")
            await cluster.asleep()
            await client.ask("another payload of mine")  # what is known of its trace is read from the store
        connected, opened, woken, first, second, rewoken, closed = collector.await_named(
            "websocket connect", "hub open", "hub wake", "hub message", "hub message", "hub wake", "hub close")
        if second.start < first.start:
            first, second = second, first
        assert {span.trace for span in collector.spans} == {TRACE}
        assert len({span.id for span in collector.spans}) == len(collector.spans)
        assert (connected.service, connected.parent, connected.kind) == ("dormouse-gateway", CLIENT, 2)
        assert connected.attributes == {"dormouse.hub.class": "echo", "dormouse.hub.name": "attic",
                                        "http.response.status_code": 101}
        for span in (opened, first, second, closed):
            assert (span.service, span.parent, span.kind) == ("dormouse-statekeeper", connected.id, 5), span
            assert (span.attributes["dormouse.hub.class"], span.attributes["dormouse.hub.name"]) == ("echo", "attic")
            took_us = span.attributes["dormouse.handler_us"] + span.attributes["dormouse.commit_us"]
            assert took_us <= (span.end - span.start) / 1000 + 2 and 0 <= span.attributes["dormouse.wait_ms"] < 60_000
            assert not span.error
        assert {woken.parent, rewoken.parent} == {opened.id, second.id}
        for text in collector.texts:
            assert "payload" not in text and "secret" not in text


async def test_a_trace_goes_on_at_the_next_owner(store):
    with Collector() as collector, Cluster(store=store, options=traced(collector)) as cluster:
        async with connect(cluster.ws_url("/websocket/attic"), extra_headers=SAMPLED) as client:
            await client.recv()
            [connected] = collector.await_named("websocket connect")
            cluster.kill_statekeeper()
            cluster.start_statekeeper()
            await client.ask("after a crash")
            [message] = collector.await_named("hub message")
            assert (message.trace, message.parent) == (TRACE, connected.id)


async def test_of_those_without_a_trace_a_share_is_traced(store):
    with Collector() as collector, Cluster(store=store, options=traced(collector, **{"trace-sample": 1})) as cluster:
        async with connect(cluster.ws_url("/websocket/decided"), extra_headers=NOT_SAMPLED) as client:
            await client.recv()
            await client.ask("unseen")
        async with echo(cluster.ws_url("/websocket/attic")) as client:
            await client.ask("seen")
        connected, message, closed = collector.await_named("websocket connect", "hub message", "hub close")
        assert connected.parent == "" and connected.trace != TRACE
        assert message.trace == closed.trace == connected.trace and message.parent == connected.id
        assert await upgrade_status(cluster.ws_url("/no/such/path")) == 404
        refused = collector.await_spans(
            lambda spans: [span for span in spans if span.attributes.get("http.response.status_code") == 404],
            "the refusal")
        assert len(refused) == 1 and not refused[0].error
        assert not [span for span in collector.spans if span.trace == TRACE or
                    span.attributes.get("dormouse.hub.name") == "decided"]


async def test_off_is_off(store):
    with Collector() as collector:
        # By default nothing is sampled; and without a collector nothing is exported, whatever clients say.
        for options in ({}, traced(collector)):
            with Cluster(store=store, options=options) as cluster:
                headers = SAMPLED if not options else {}
                async with connect(cluster.ws_url("/websocket/attic"), extra_headers=headers) as client:
                    await client.recv()
                    await client.ask("x")
                for process in (cluster.statekeeper, *cluster.gateways):
                    assert total(cluster, process, "dormouse_trace_spans") == 0
                    assert "dormouse_trace_spans_exported_total" in cluster.metrics(process)
        assert collector.requests == 0


async def test_headers_for_the_collector(tmp_path):
    path = os.path.join(tmp_path, "headers")
    trusts.write(path, "Authorization: Bearer of-ours\nX-Scope-OrgID: 7\n")
    with Collector() as collector, Cluster(
            options=traced(collector, **{"otlp-headers-file": path, "trace-sample": 1})) as cluster:
        async with echo(cluster.ws_url("/websocket/attic")):
            collector.await_named("websocket connect", "hub open")
        assert {headers["authorization"] for headers in collector.headers} == {"Bearer of-ours"}
        assert {headers["x-scope-orgid"] for headers in collector.headers} == {"7"}
        assert {headers["user-agent"].split("/")[0] for headers in collector.headers} == {"dormouse"}
        for process in (cluster.statekeeper, *cluster.gateways):
            assert "of-ours" not in process.log_text()


async def test_a_busy_collector_is_asked_again_when_it_says_so():
    with Collector() as collector, Cluster(options=traced(collector, **{"trace-sample": 1})) as cluster:
        collector.answer = lambda number: (503, {"Retry-After": "2"}, b"") if number <= 2 else (200, {}, b"{}")
        async with echo(cluster.ws_url("/websocket/attic")) as client:
            first = collector.await_requests(1)
            await client.ask("others go on")
            # One of each process, in any order.
            collector.await_named("websocket connect", "hub open", "hub message")
            assert time.monotonic() - first >= 1.9
        for process in (cluster.statekeeper, *cluster.gateways):
            assert total(cluster, process, "dormouse_trace_spans_dropped") == 0
            assert total(cluster, process, "dormouse_trace_spans_exported") >= 1


@pytest.mark.parametrize("how", ["refuses", "hangs", "is away", "takes a part"])
async def test_a_collector_that_takes_nothing_holds_up_nobody(how):
    with Collector() as gone:
        pass
    with Collector() as collector, Cluster(
            options=traced(gone if how == "is away" else collector, **{"trace-sample": 1})) as cluster:
        answers = {"refuses": (500, {}, b"no"), "hangs": None,
                   "takes a part": (200, {}, b'{"partialSuccess":{"rejectedSpans":"1"}}')}
        collector.answer = lambda number: answers.get(how)
        async with echo(cluster.ws_url("/websocket/attic")) as client:
            began = time.monotonic()
            for number in range(2_000):
                await client.ask(f"{number}")
            assert time.monotonic() - began < 20
            if how in ("refuses", "takes a part"):
                await until(lambda: total(cluster, cluster.statekeeper,
                                          'dormouse_trace_spans_dropped_total{cause="refused"}') >= 1, "the count")
        stopping = time.monotonic()
        for process in (cluster.statekeeper, *cluster.gateways):
            process.stop_finally()
        assert time.monotonic() - stopping < 10
        if how != "takes a part":
            assert "spans do not reach" in cluster.statekeeper.log_text()
            assert cluster.statekeeper.log_text().count("spans do not reach") == 1


async def test_what_waits_when_a_process_stops_is_sent():
    with Collector() as collector, Cluster(options=traced(collector, **{"trace-sample": 1})) as cluster:
        async with echo(cluster.ws_url("/websocket/attic")) as client:
            await client.ask("a last word")
        for process in (*cluster.gateways, cluster.statekeeper):
            process.stop_finally()
        assert {"websocket connect", "hub open", "hub message"} <= {span.name for span in collector.spans}


def test_a_call_of_a_backend_and_its_hub(store):
    with Collector() as collector, ApiCluster(store=store, options=traced(collector)) as cluster:
        with cluster.backend() as backend:
            key = {"Authorization": f"Bearer {cluster.api_key}"}
            for headers in (SAMPLED, NOT_SAMPLED, {}):
                answer = backend.raw("POST", "/api/hubs/echo/attic/connections", "{}", {**key, **headers})
                assert answer.status == 200, answer
        asked, done = collector.await_named("api request", "hub request")
        assert (asked.service, asked.parent, asked.trace) == ("dormouse-gateway", CLIENT, TRACE)
        assert asked.attributes == {"dormouse.hub.class": "echo", "dormouse.hub.name": "attic",
                                    "http.response.status_code": 200}
        assert (done.service, done.parent, done.trace) == ("dormouse-statekeeper", asked.id, TRACE)
        assert len([span for span in collector.spans if span.name == "api request"]) == 1


async def test_an_endpoint_is_told_of_the_span_of_its_event():
    secret = new_secret()
    async with Endpoint(secret) as endpoint:
        with Collector() as collector, WebhookCluster({"room": {"url": endpoint.url}}, secret,
                                                      options=traced(collector)) as cluster:
            async with connect(cluster.ws_url("/room/lobby"), extra_headers=SAMPLED):
                [event] = (await endpoint.arrived(1)).events
                [opened] = collector.await_named("hub open")
                assert event["headers"]["traceparent"] == f"00-{TRACE}-{opened.id}-01"


@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_a_worker_does_is_in_the_span_of_its_event(language):
    with Collector() as collector, AppCluster(options=traced(collector), language=language) as cluster:
        async with connect(cluster.ws_url("/Sleeper/a?id=one"), extra_headers=SAMPLED) as client:
            await client.ask_text("say")
        connected, opened, message, closed = collector.await_named(
            "websocket connect", "hub open", "hub message", "hub close")
        for span in (opened, message, closed):
            assert (span.trace, span.parent, span.error) == (TRACE, connected.id, "")
            assert span.attributes["dormouse.hub.class"] == "Sleeper"
            # Longer than handing it on takes: a process has been asked.
            assert span.attributes["dormouse.handler_us"] > 150


async def test_a_request_to_an_app_is_traced_into_the_object_that_it_asks():
    with Collector() as collector, AppCluster(options=traced(collector)) as cluster:
        for headers in (SAMPLED, NOT_SAMPLED, {}):
            assert cluster.ask("GET", "/Counter/one?token=a-secret-of-mine", headers) == (200, b'{"put":0,"sql":0}')
        assert cluster.ask("GET", "/nowhere", SAMPLED)[0] == 404
        asked, called, missed = collector.await_named("app request", "hub call", "app request")
        if asked.attributes["http.response.status_code"] == 404:
            asked, missed = missed, asked
        assert (asked.service, asked.parent, asked.trace, asked.kind) == ("dormouse-gateway", CLIENT, TRACE, 2)
        assert asked.attributes == {"http.request.method": "GET", "url.path": "/Counter/one",
                                    "http.response.status_code": 200}
        assert missed.attributes["url.path"] == "/nowhere" and not missed.error
        assert (called.service, called.parent, called.trace) == ("dormouse-statekeeper", asked.id, TRACE)
        assert called.attributes["dormouse.hub.class"] == "Counter"
        assert asked.start <= called.start
        async with connect(cluster.ws_url("/Sleeper/a?id=one"), extra_headers=SAMPLED) as client:
            await client.ask_text("say")
        connected, opened = collector.await_named("websocket connect", "hub open")
        led = next(span for span in collector.spans if span.id == connected.parent)
        assert (led.name, led.parent, opened.parent) == ("app request", CLIENT, connected.id)
        assert {span.trace for span in collector.spans} == {TRACE}


async def test_a_worker_that_dies_is_seen_in_the_trace():
    with Collector() as collector, AppCluster(options=traced(collector)) as cluster:
        asked = asyncio.create_task(asyncio.to_thread(cluster.ask, "POST", "/waits", SAMPLED))
        await until(lambda: "a request waits" in cluster.statekeeper.log_text(), "the request is there")
        cluster.kill_workers()
        assert (await asked)[0] == 502
        [broken] = collector.await_named("app request")
        assert broken.attributes["http.response.status_code"] == 502
        assert broken.error.startswith("The app's worker ended before it answered")


async def test_alarms_begin_traces_of_their_own(store):
    with Collector() as collector, AppCluster(store=store, options=traced(collector, **{"trace-sample": 1})) as cluster:
        async with connect(cluster.ws_url("/Sleeper/a?id=one"), extra_headers=NOT_SAMPLED) as client:
            await client.ask_text("alarm 1")
            assert (await client.text()).startswith("alarm")
            await client.ask_text("named 1 tea")
            assert await client.text() == "tea 0"
        rung, named = collector.await_named("hub alarm", "hub alarm")
        if "dormouse.timer.name" in rung.attributes:
            rung, named = named, rung
        for span in (rung, named):
            assert (span.service, span.parent, span.kind, span.error) == ("dormouse-statekeeper", "", 1, "")
            assert span.trace != TRACE and span.attributes["dormouse.hub.class"] == "Sleeper"
        assert rung.trace != named.trace and named.attributes["dormouse.timer.name"] == "tea"


@pytest.mark.parametrize("options, sentence", [
    ({"otlp-endpoint": "collector:4318"}, "--otlp-endpoint must be http://HOST:PORT"),
    ({"otlp-endpoint": "http://me:secret@collector:4318"}, "otlp-headers-file"),
    ({"otlp-headers-file": "headers"}, "--otlp-headers-file needs --otlp-endpoint"),
    ({"otlp-endpoint": "http://collector:4318", "otlp-headers-file": "/no/such/file"}, "does not exist"),
    ({"trace-sample": "2"}, "--trace-sample must be from 0 to 1"),
])
def test_what_cannot_be_is_said(options, sentence):
    with Cluster(start=False, options=options) as cluster:
        status, said = cluster.run_to_end(cluster.statekeeper_command())
        assert status != 0 and sentence in said, said
