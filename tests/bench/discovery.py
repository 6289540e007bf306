"""What looking into a large registry costs, and whether other hubs of the same lane notice.

One statekeeper with one lane. A signal hub with tens of thousands of registered actors answers hub:discover and
hub:list_actors, one request after another, while dormouse-load sends to an echo hub of the same lane.
"""

import asyncio
import contextlib
import time

import driver
from cluster import Cluster
from ws import actor

# Nobody's rate is limited, nobody expires.
OPTIONS = {"lanes": "1", "rate-limit": "0", "connection-cpu": "0", "idle-timeout": "0", "max-actor-ttl": "24h", "actor-ttl": "24h"}

REQUESTS = {
    "glob": ("hub:discover", {"pattern": "*/7*"}),
    "prefix": ("hub:discover", {"pattern": "node-12/*"}),
    "regex": ("hub:discover", {"pattern": "^@\\(node-[0-9]+/1.*7\\)$"}),
    "hard-regex": ("hub:discover", {"pattern": "(n|o|d|e|-)*[0-9](.|[0-9]){8}[0-9]$"}),
    "capability": ("hub:discover", {"pattern": "*", "capability": "rare"}),
    "metadata": ("hub:discover", {"pattern": "*", "metadata": {"zone": "z7"}}),
    "deep-offset": ("hub:discover", {"pattern": "*", "offset": 10**9}),
    "list-deep": ("hub:list_actors", {"offset": -1}),  # the last page
}


def show(name, value, unit):
    print(f"{name:<44} {value:12.2f} {unit}", flush=True)


def measure(store, actors, seconds):
    """Prints the figures for one store."""
    asyncio.run(_measure(store, actors, seconds))


async def _measure(store, actors, seconds):
    with Cluster(store=store, options={**OPTIONS, "hibernate-after": "300ms"}) as cluster:
        async with actor(cluster.ws_url("/ws/crowd"), "bench/one", register=False) as client:
            start = time.monotonic()
            await _register(client, actors)
            show("discovery.registered", actors / (time.monotonic() - start), "actors/s")
            if cluster.redis:
                cluster.redis.command_answer("CONFIG SET slowlog-log-slower-than 1000")
                cluster.redis.command_answer("SLOWLOG RESET")
            _show_echo("alone", await _echo(cluster, seconds))
            requests = {name: (kind, {**payload, "offset": actors - 50} if payload.get("offset") == -1 else payload)
                        for name, (kind, payload) in REQUESTS.items()}
            for name, (kind, payload) in requests.items():
                await _measure_one(cluster, client, name, kind, payload, seconds)
            await _measure_asleep(cluster, client, seconds)
            if cluster.redis:
                show("discovery.redis.over_1ms", float(cluster.redis.command_answer("SLOWLOG LEN").lstrip(":")), "commands")


async def _register(client, actors):
    """All of them by one session, some hundred requests at a time."""
    for first in range(0, actors, 500):
        batch = range(first, min(first + 500, actors))
        for number in batch:
            await client.send(client.envelope("hub:register", {
                "actorAddress": f"node-{number % 50}/{number}",
                "capabilities": ["chat", "render", "rare" if number % 1000 == 0 else "common"],
                "metadata": {"zone": f"z{number % 20}", "load": number % 97, "version": "1.4.2",
                             "owner": {"name": f"user {number}", "mail": f"user{number}@example.org"}}}))
        for _ in batch:
            reply = await client.recv(60)
            assert reply["type"] == "hub:registered", reply


async def _measure_one(cluster, client, name, kind, payload, seconds):
    """Alone: its latency and processor time. Then again and again beside echoes."""
    latencies = []
    cpu = cluster.statekeeper.cpu_seconds()
    await client.must(kind, payload)
    for _ in range(5):
        latencies.append(await _timed(client, kind, payload))
    show(f"discovery.{name}.cpu", (cluster.statekeeper.cpu_seconds() - cpu) / 6 * 1000, "ms/request")
    show(f"discovery.{name}.p50", sorted(latencies)[len(latencies) // 2] * 1000, "ms")
    async with _busy(client, kind, payload):
        _show_echo(name, await _echo(cluster, seconds))


async def _measure_asleep(cluster, client, seconds):
    """The hub is woken for each request and reads its rows from the store."""
    kind, payload = REQUESTS["metadata"]
    latencies = []
    echo = asyncio.create_task(_echo(cluster, seconds * 2))
    while not echo.done():
        # The echo hub is awake as long as it is echoed to.
        with contextlib.suppress(AssertionError):
            await cluster.asleep(hubs=1, timeout=2)
        if not echo.done():
            latencies.append(await _timed(client, kind, payload))
    show("discovery.asleep.p50", sorted(latencies)[len(latencies) // 2] * 1000, "ms")
    _show_echo("asleep", await echo)


async def _timed(client, kind, payload):
    start = time.monotonic()
    await client.must(kind, payload, timeout=60)
    return time.monotonic() - start


@contextlib.asynccontextmanager
async def _busy(client, kind, payload):
    async def ask():
        while not done:
            await client.must(kind, payload, timeout=60)

    done = False
    task = asyncio.create_task(ask())
    yield
    done = True
    await task


async def _echo(cluster, seconds):
    """Its latency."""
    found = await asyncio.to_thread(driver.play, "echo", "--url", cluster.ws_url(""), "--connections", 1, "--hubs", 1,
                                    "--duration", seconds, "--warm-up", 0.3)
    return found.latencies["latency"]


def _show_echo(beside, figures):
    for share in ("p50", "p99", "max"):
        show(f"discovery.echo-beside.{beside}.{share}", figures[f"{share}_ms"] * 1000, "us")
