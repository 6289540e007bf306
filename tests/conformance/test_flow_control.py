"""Rows hub:pause, hub:resume and hub:queue_stats: driven by what really waits at the edge."""

import asyncio

from ws import WAIT, actor

from .frames import dump
from .protocol import TEXT, Where
from .scenario import Address, Scenario, connect, does, register, rows, say

OPTIONS = {"outbound-pause": "64KiB", "outbound-resume": "32KiB", "outbound-limit": "64MiB"}
PIECE = "x" * 65_536

ROWS = [
    Scenario("hub:pause {reason} when the target's queue passes the pause threshold, hub:resume {} when it has fallen", [
        connect("a"), register("a"), connect("slow"), register("slow"), connect("other"), register("other"),
        does("slow stops reading", lambda run: _stop_reading(run)),
        does("a sends until it is told to pause", lambda run: _until_paused(run)),
        say("other", "hub:list_actors", {}, expect={"total": 3}),
        does("slow reads again", lambda run: _read_again(run)),
    ], forms=("bare",), patterns=("tell",)),
    Scenario("a producer whose target keeps up is told nothing", [
        connect("a"), register("a"), connect("b"), register("b"),
        *(say("a", "hub:send", {"to": Address("b"), "type": "note", "data": number}, pattern="tell", silent=True)
          for number in range(20)),
        does("b reads them", lambda run: _notes(run, "b", range(20))),
    ], patterns=("tell",)),
]
test_row = rows(ROWS, stage="staged")

STATS = [
    Scenario("hub:queue_stats -> hub:queue_stats_response", [
        connect("a"),
        say("a", "hub:queue_stats", {}, expect={"queueDepth": 0, "pauseThreshold": 1000, "resumeThreshold": 500}),
    ]),
    Scenario("hub:queue_stats: processingRate is measured", [
        connect("a"),
        does("a hundred messages", lambda run: _hundred(run)),
        say("a", "hub:queue_stats", {}, expect={
            "processingRate": Where("between 0 and 100000", lambda rate: 0 <= rate < 100_000)}),
    ]),
]
test_statistics = rows(STATS)


async def test_processing_rate_follows_the_load(awake):
    """Of a hub in memory: more than nothing under load."""
    async with actor(awake.ws_url("/ws/measured"), "test/a") as a:
        for _ in range(300):
            await a.must("hub:list_actors", {"limit": 0})
        assert (await a.must("hub:queue_stats"))["processingRate"] > 1


async def _stop_reading(run):
    run.peers["slow"].protocol.transport.pause_reading()
    run.saved["sent"] = 0


async def _until_paused(run):
    """More than the kernel holds for the two of them, in the end."""
    run.saved["limit"] = 400
    while run.saved["sent"] < run.saved["limit"]:
        number = run.saved["sent"]
        request = run.envelope("a", "hub:send", {"to": Address("slow"), "type": "bulk", "data": [number, PIECE]},
                               {"pattern": "tell"})
        await run.send("a", dump(request))
        run.saved["sent"] += 1
        if number % 8 == 7:
            await run.ask("a", "hub:list_actors", {"limit": 0})
            if any(it["type"] == "hub:pause" for it in run.inbox["a"]):
                break
    pause = await run.next("a", lambda it: it["type"] == "hub:pause")
    run.check("to", Address("a"), pause["to"])
    run.check("payload", {"reason": TEXT}, pause["payload"])


async def _read_again(run):
    run.peers["slow"].protocol.transport.resume_reading()
    for number in range(run.saved["sent"]):
        it = await run.next("slow", lambda frame: frame["type"] == "bulk")
        run.check("payload[0]", number, it["payload"][0])
    resume = await asyncio.wait_for(run.next("a", lambda it: it["type"] == "hub:resume"), WAIT)
    run.check("to", Address("a"), resume["to"])
    run.check("payload", {}, resume["payload"])
    # Pauses may have been repeated while the queue grew; each was before the one resume.
    run.inbox["a"] = [it for it in run.inbox["a"] if it["type"] != "hub:pause"]


async def _notes(run, client, numbers):
    for number in numbers:
        it = await run.next(client, lambda frame: frame["type"] == "note")
        run.check("payload", number, it["payload"])


async def _hundred(run):
    for _ in range(100):
        await run.ask("a", "hub:list_actors", {"limit": 0})
