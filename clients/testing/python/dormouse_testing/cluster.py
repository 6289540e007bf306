"""One cluster, and what a test does to it. Where its processes are is the keeper's business."""

from __future__ import annotations

import os
import pathlib
from typing import Any, Generator, Mapping, TypedDict

from .hub_socket import HubSocket
from .keeper import ClusterError, Keeper

__all__ = ["Cluster", "ClusterError", "Process"]


class Process(TypedDict):
    name: str      # such as "statekeeper-1", "gateway-1", "redis"
    kind: str      # "statekeeper", "gateway" or "redis"
    pid: int       # 0 while it does not run
    restarts: int
    admin: int     # its port for /metrics and /readyz; 0: it has none


class _Starting:
    """What Cluster.start() returns: to be awaited, or entered."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._cluster: Cluster | None = None

    async def _start(self) -> Cluster:
        keeper = Keeper()
        try:
            started = await keeper.call("start", **self._options)
        except BaseException:
            keeper.end_now()
            raise
        self._cluster = Cluster(keeper, started)
        return self._cluster

    def __await__(self) -> Generator[Any, None, Cluster]:
        return self._start().__await__()

    async def __aenter__(self) -> Cluster:
        return await self._start()

    async def __aexit__(self, *_: Any) -> None:
        if self._cluster is not None:
            await self._cluster.stop()


def _within(timeout: float | None) -> dict[str, float]:
    return {} if timeout is None else {"timeout": timeout}


class Cluster:
    """Cluster.start() makes one."""

    def __init__(self, keeper: Keeper, started: dict[str, Any]) -> None:
        self._keeper = keeper
        self._port = started["port"]
        self.data: str = started["data"]  # its data directory; gone after stop()
        self.api_url: str = started["api"]  # where backends call hubs, without a slash at the end
        self.api_key: str = started["api_key"]  # for `Authorization: Bearer`

    @staticmethod
    def start(*, app: str | os.PathLike[str] | None = None, store: str = "file", gateways: int = 1, statekeepers: int = 1,
              settings: Mapping[str, Any] | None = None, timeout: float | None = None) -> _Starting:
        """`async with Cluster.start(...) as cluster`, or `cluster = await Cluster.start(...)` and `await cluster.stop()`.

        app: directory of a Durable Object project, or of an app that is built; without it there are the classes echo and
            signal
        store: "file", embedded; or "redis", a server of the cluster's own
        gateways: all at one port
        statekeepers: more than one take store="redis"
        settings: any option of the processes, {"hibernate-after": "200ms"}
        timeout: seconds until it must be ready (90)

        Raises ClusterError, with the end of the logs, when it cannot start."""
        directory = None if app is None else str(pathlib.Path(app).absolute())
        return _Starting({"app": directory, "store": store, "gateways": gateways, "statekeepers": statekeepers,
                          "settings": dict(settings or {}), **_within(timeout)})

    @property
    def http_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def url(self, path: str = "/") -> str:
        return f"ws://127.0.0.1:{self._port}{path}"

    async def connect(self, path: str, *, protocols: list[str] | None = None, headers: dict[str, str] | None = None,
                      timeout: float = 5) -> HubSocket:
        """A WebSocket that is open."""
        return await HubSocket.open(self.url(path), protocols=protocols, headers=headers, timeout=timeout)

    async def stop(self) -> None:
        """Ends all processes and removes all files."""
        await self._keeper.end()

    # --- sleep

    async def sleep_now(self, hub: str) -> None:
        """The hub leaves memory now; its sockets stay open."""
        await self._keeper.call("sleep_now", hub=hub)

    async def assert_asleep(self, hub: str, *, timeout: float | None = None) -> None:
        """Waits until it is asleep, 5 s at most."""
        await self._keeper.call("await_life", hub=hub, awake=False, **_within(timeout))

    async def assert_awake(self, hub: str, *, timeout: float | None = None) -> None:
        """Waits until it is awake, 5 s at most. To look does not wake it."""
        await self._keeper.call("await_life", hub=hub, awake=True, **_within(timeout))

    # --- death

    async def kill_owner(self, hub: str, *, timeout: float | None = None) -> str:
        """kill -9 of the statekeeper that has the hub. Returns when it is served again, with the name of who does."""
        return await self._keeper.call("kill_owner", hub=hub, **_within(timeout))

    async def kill_worker(self, hub: str, *, timeout: float | None = None) -> None:
        """kill -9 of the process with the app's code where the hub is. Returns when there is another."""
        await self._keeper.call("kill_worker", hub=hub, **_within(timeout))

    async def kill_gateway(self, gateway: int = 1, *, timeout: float | None = None) -> None:
        """kill -9; its sockets break. Returns when it is ready again."""
        await self._keeper.call("kill_gateway", gateway=gateway, **_within(timeout))

    async def pause_owner(self, hub: str) -> str:
        """SIGSTOP of the statekeeper that has the hub, until resume(). Returns its name."""
        return await self._keeper.call("pause_owner", hub=hub)

    async def resume(self) -> list[str]:
        """All that are paused go on. Returns their names."""
        return await self._keeper.call("resume")

    async def move_hub(self, hub: str, *, timeout: float | None = None) -> str:
        """To another statekeeper, if there is one; sockets stay open. Returns the name of who has it then."""
        return await self._keeper.call("move_hub", hub=hub, **_within(timeout))

    async def restart(self, name: str) -> None:
        """Stops a process in order, and starts it again."""
        await self._keeper.call("restart", name=name)

    # --- time

    async def advance_clock(self, seconds: float) -> float:
        """The time of day jumps ahead, everywhere at once. Returns how far ahead it is."""
        ahead = await self._keeper.call("advance_clock", milliseconds=seconds * 1000)
        return ahead / 1000

    # --- looking

    async def hub(self, hub: str) -> dict[str, Any]:
        """What operators see of it, as `dormousectl --json hub`."""
        return await self._keeper.call("hub", hub=hub)

    async def processes(self) -> list[Process]:
        return await self._keeper.call("processes")

    async def logs(self, lines: int = 200) -> str:
        """The end of all logs, in the order of time."""
        return await self._keeper.call("logs", lines=lines)

    async def ctl(self, *words: str | int) -> Any:
        """`dormousectl` with these words: its JSON, or its text."""
        return await self._keeper.call("ctl", words=[str(word) for word in words])
