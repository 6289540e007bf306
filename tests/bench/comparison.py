"""The same scenarios on ours and on what one could take instead, in turn, round after round, in one run: then neither
the machine's mood nor the luck of one process falls on one of them. Ratios compare; absolute figures are this
machine's."""

import collections
import dataclasses
import datetime
import os
import platform
import statistics
import sys

import driver
from servers import ALL, Missing

OURS = "dormouse"
LEAST = "bare"


@dataclasses.dataclass
class Measure:
    name: str
    unit: str
    of: collections.abc.Callable  # (Found, Server) -> value; less is better


@dataclasses.dataclass
class Row:
    name: str
    scenario: str
    words: tuple
    measures: list  # the first is the one that ratios are of
    seconds: float = 0  # of load; 0: the scenario ends by itself
    pipelines: bool = False
    heartbeats: bool = False  # are all that is said
    sleeps: bool = False
    ours_alone: bool = False


def _latency(of, share, name=""):
    return Measure(name + share, "us", lambda found, server: found.latencies[of][f"{share}_ms"] * 1000)


_PER_MILLION = Measure("processor", "s per million messages", lambda found, server: found.sum("cpu", server.pids))
_ECHO = [_PER_MILLION, _latency("latency", "p50"), _latency("latency", "p99")]
_CONNECT = [Measure("processor", "us per connection", lambda found, server: found.sum("cpu", server.pids)),
            _latency("greeting", "p50"), _latency("greeting", "p99")]
_IDLE = [Measure("memory", "bytes per connection", lambda found, server: found.sum("memory", server.pids)),
         Measure("opening", "processor us per connection",
                 lambda found, server: found.sum("opening.cpu", server.pids))]
_ASLEEP = [Measure(name, "bytes per hub and connection", lambda found, server, name=name: found.figures[f"memory.{name}"])
           for name in ("gateway", "statekeeper")]
_WAKE = [_latency("asleep", "p50", "asleep "), _latency("asleep", "p99", "asleep "), _latency("awake", "p50", "awake "),
         _latency("awake", "p99", "awake ")]


def rows(scale):
    """`scale`: what durations and crowds are divided by."""
    seconds = 5 / scale
    idle = 8_000 // scale  # workerd takes two descriptors for each
    hubs = 200 // scale
    return [
        Row("echo: 64 connections, one message in flight each", "echo", ("--connections", 64, "--hubs", 8), _ECHO, seconds),
        Row("echo: 1,000 connections, one message in flight each", "echo", ("--connections", 1000, "--hubs", 100), _ECHO,
            seconds),
        Row("echo: 64 connections, 16 messages in flight each", "echo",
            ("--connections", 64, "--hubs", 8, "--in-flight", 16), _ECHO, seconds, pipelines=True),
        Row("echo: 5,000 messages a second over 1,000 connections", "echo",
            ("--connections", 1000, "--hubs", 100, "--rate", 5000), _ECHO, seconds),
        Row("echo: one connection, one message in flight", "echo", ("--connections", 1, "--hubs", 1), _ECHO, seconds),
        Row("heartbeats: 1,000 connections, one in flight each", "echo", ("--connections", 1000, "--hubs", 100), _ECHO, seconds,
            heartbeats=True),
        Row("connections that come and go, 16 at a time, up to the greeting", "connect", (), _CONNECT, seconds),
        Row(f"{idle:,} connections that are silent", "idle",
            ("--connections", idle, "--heartbeat", 0, "--duration", 1), _IDLE),
        Row(f"{idle:,} sleeping hubs with a connection each", "idle",
            ("--connections", idle, "--hubs", idle, "--heartbeat", 0, "--duration", 1), _ASLEEP, sleeps=True, ours_alone=True),
        Row(f"first message to each of {hubs} sleeping hubs, and one right behind it", "wake",
            ("--hubs", hubs, "--rounds", 1), _WAKE, sleeps=True),
    ]


def measure(store, quick, rounds, names=()):
    """Plays everything, and returns what was found, as JSON has it. `names`: of servers; the usual ones, where there
    is none."""
    result = {
        "when": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": _machine(), "command": " ".join(["tests/bench/run", *sys.argv[1:]]), "store": store, "rounds": rounds,
        "servers": {}, "rows": [],
    }
    missing = {}
    for row in rows(10 if quick else 1):
        print(f"\n{row.name}", file=sys.stderr, flush=True)
        found = {"name": row.name, "units": {each.name: each.unit for each in row.measures}, "values": {}}
        for _ in range(rounds):
            for kind in ALL:
                wanted = kind.name in names if names else kind.usual
                if kind.name in missing or not wanted or not _can(kind, row):
                    continue
                _play(row, kind(), store, found["values"], result["servers"], missing)
        result["rows"].append(found)
    result["missing"] = missing
    return result


def _can(kind, row):
    return ((kind.can_pipeline or not row.pipelines) and (kind.heartbeats or not row.heartbeats)
            and (kind.sleeps or not row.sleeps) and (kind.name == OURS or not row.ours_alone))


def _play(row, server, store, values, servers, missing):
    words = [*row.words, *(server.heartbeats if row.heartbeats else server.talk)]
    if row.seconds:
        words += ["--duration", row.seconds, "--warm-up", min(1, row.seconds)]
    try:
        with server.running(store):
            servers[server.name] = {"version": server.version, "about": server.__doc__}
            if row.sleeps:
                words += server.wake_words()
            found = driver.play(row.scenario, "--url", server.url, *words, watched=server.pids)
    except Missing as why:
        missing[server.name] = str(why)
        print(f"  {server.name}: left out: {why}", file=sys.stderr, flush=True)
        return
    except driver.Failed as why:
        print(f"  {server.name}: failed: {why}", file=sys.stderr, flush=True)
        values.setdefault(server.name, {"failed": []}).setdefault("failed", []).append(str(why))
        return
    of_server = values.setdefault(server.name, {})
    for each in row.measures:
        of_server.setdefault(each.name, []).append(each.of(found, server))
    print(f"  {server.name:<10}" + "".join(f"{each.name} {of_server[each.name][-1]:.1f}   " for each in row.measures),
          file=sys.stderr, flush=True)


def _machine():
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":")[1].strip() for line in file if line.startswith("model name")), "unknown")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    return f"{len(os.sched_getaffinity(0))} of {os.cpu_count()} processors ({model}), {memory:.0f} GiB, Linux {platform.release()}"


# --- What was found

def median(row, server, measure_name):
    """None where it was not measured."""
    values = row["values"].get(server, {}).get(measure_name)
    return statistics.median(values) if values else None


def columns(row):
    """(heading, server -> text) of its table: the medians, and the first measure in times of the bare echo's and ours."""
    found = [(f"{name}, {unit}", lambda server, name=name: readable(median(row, server, name)))
             for name, unit in row["units"].items()]
    first = next(iter(row["units"]))
    for beside in (LEAST, OURS):
        if least := median(row, beside, first):
            found.append((f"{first}, times {beside}",
                          lambda server, least=least: readable((median(row, server, first) or 0) / least or None)))
    return found


def over_tls(row):
    """What ours is in times of the least, in the clear and by TLS: as much more, or TLS would cost ours more than its price."""
    first = next(iter(row["units"]))
    ours, least, wss, least_wss = (median(row, name, first) for name in (OURS, LEAST, "wss", "bare-wss"))
    if not (ours and least and wss and least_wss):
        return []
    return ["", f"{first}: dormouse / bare {ours / least:.2f}; wss / bare-wss {wss / least_wss:.2f}, {wss / least_wss / (ours / least):.2f} "
            "times that"]


def readable(value):
    if value is None:
        return ""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def table_rows(row):
    """(server, with how often it failed; the texts of its columns)."""
    shown = columns(row)
    for server, values in row["values"].items():
        failed = f" ({len(values['failed'])} failed)" if values.get("failed") else ""
        yield server + failed, [text(server) for _, text in shown]


def table(result):
    """As Markdown."""
    said = [f"{result['when']}, {result['machine']}, store {result['store']}; medians of {result['rounds']} rounds.", ""]
    said += [f"- {name} ({each['version']}): {each['about']}" for name, each in result["servers"].items()]
    said += [f"- {name}: left out: {why}" for name, why in result["missing"].items()]
    for row in result["rows"]:
        if not row["values"]:
            continue
        headings = [heading for heading, _ in columns(row)]
        said += ["", f"### {row['name'][0].upper()}{row['name'][1:]}", "",
                 "| server | " + " | ".join(headings) + " |", "|---|" + "---:|" * len(headings)]
        said += [f"| {server} | " + " | ".join(texts) + " |" for server, texts in table_rows(row)]
        said += over_tls(row)
    return "\n".join(said) + "\n"


# --- Against a saved run

_LEAST_NOISE = 0.10
_NOISE_OF_ONE_ROUND = 0.30


def changes(result, saved):
    """What of ours is slower or faster than in `saved`, beyond noise: (row, measure, before, now, change, noise). Where
    the bare echo was measured, both are times that."""
    before_rows = {row["name"]: row for row in saved["rows"]}
    found = []
    for row in result["rows"]:
        before = before_rows.get(row["name"])
        if before is None:
            continue
        for name in row["units"]:
            values = [_compared(each, name) for each in (before, row)]
            if not all(values):
                continue
            old, new = (statistics.median(each) for each in values)
            noise = max(_LEAST_NOISE, sum(_noise(each) for each in values))
            change = new / old - 1
            if new > old * (1 + noise) or new < old / (1 + noise):
                found.append((row["name"], name, old, new, change, noise))
    return found


def _compared(row, name):
    """Of each round."""
    ours, least = (row["values"].get(server, {}).get(name, []) for server in (OURS, LEAST))
    return [a / b for a, b in zip(ours, least)] if len(ours) == len(least) and all(least) else ours


def _noise(values):
    if len(values) < 2:
        return _NOISE_OF_ONE_ROUND / 2
    return (max(values) - min(values)) / 2 / statistics.median(values)


def comparison_with(result, saved):
    """In words, a line each; and whether anything is slower."""
    found = changes(result, saved)
    lines = [f"Against the run of {saved['when']} ({saved['machine']}):"]
    for row, name, old, new, change, noise in found:
        lines.append(f"  {'SLOWER' if change > 0 else 'faster'}: {row}: {name} {readable(old)} -> {readable(new)} "
                     f"({change:+.0%}, noise {noise:.0%})")
    if not found:
        lines.append("  nothing is slower or faster, beyond noise")
    return "\n".join(lines), any(change > 0 for *_, change, _ in found)
