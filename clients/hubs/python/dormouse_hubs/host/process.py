"""The worker process: manifest, project, lanes, HTTP, signals."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import os
import signal
import sys
from dataclasses import dataclass
from functools import partial
from typing import Any, Optional

from ..hub import Hub
from . import log, project
from . import worker_pb2 as wire
from .awake_hub import AwakeHub
from .lane import Lane

_DRAIN_WITHIN = 1.5  # seconds that requests of HTTP get to end in, after SIGTERM; at two the statekeeper ends it
_CONNECT_WITHIN = 5.0


@dataclass
class Settings:
    sockets: str
    lanes: int
    http: Optional[str]
    manifest: dict[str, Any]
    classes: dict[str, type[Hub]]


class Process:
    """All objects, and what lanes say to them."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lanes: list[Lane] = []
        self._objects: dict[int, AwakeHub] = {}
        self._over = asyncio.Event()
        self._status = 0
        self._ending = False
        self._server: Any = None  # HttpServer, which is imported where it is needed
        self._http_ends: Optional[asyncio.Future[None]] = None

    async def run(self) -> int:
        settings = self._settings
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGTERM, self._over.set)
        if settings.http:
            from .http_server import HttpServer  # pylint: disable=import-outside-toplevel  # only where it is needed
            self._server = HttpServer(settings.manifest["classes"], self._ask)
            await self._server.start(settings.http)
        # Last: who accepts this connection relies on all the rest.
        version = settings.manifest["version"]
        for index in range(settings.lanes):
            lane = Lane(index, version, self)
            await asyncio.wait_for(loop.create_unix_connection(
                partial(_itself, lane), os.path.join(settings.sockets, f"lane-{index}")), _CONNECT_WITHIN)
            self._lanes.append(lane)
        self._take_over_output()
        await self._over.wait()
        if self._status == 0:
            self._ending = True
            if self._server is not None:
                await self._server.stop(_DRAIN_WITHIN)
            for lane in self._lanes:
                lane.flush()
        return self._status

    # ---- what lanes say

    def on_event(self, lane: Lane, event: wire.Event) -> None:
        hub = self._objects.get(event.object)
        if hub is None:
            if not event.HasField("wake"):
                return  # it was dropped here already
            hub = AwakeHub(lane, event.object, event.wake, self._settings.classes.get(event.wake.hub_class))
            self._objects[event.object] = hub
            event.ClearField("wake")
        hub.deliver(event)

    def on_durable(self, number: int, turn: int) -> None:
        if hub := self._objects.get(number):
            hub.confirm(turn)

    def on_drop(self, number: int) -> None:
        if hub := self._objects.pop(number, None):
            hub.drop()

    def on_end_http(self, lane: Lane) -> None:
        self._http_ends = asyncio.ensure_future(self._end_http(lane))

    def on_end(self, error: Optional[BaseException]) -> None:
        if self._over.is_set():
            return
        if error is not None:
            print(f"dormouse: the connection to the statekeeper has ended: {error}.", file=sys.__stderr__)
        self._status = 1
        self._over.set()

    # ---- inside

    async def _end_http(self, lane: Lane) -> None:
        if self._server is not None:
            await self._server.stop(None)
        lane.http_ended()

    async def _ask(self, hub_class: str, name: str, payload: bytes, traceparent: str) -> wire.CallAnswer:
        """By a lane for each hub, so that requests to a hub come in their order."""
        lane = self._lanes[sum(name.encode()[-8:]) % len(self._lanes)]
        return await lane.call(hub_class, name, payload, traceparent=traceparent)

    def _take_over_output(self) -> None:
        """Until now what is printed is seen by who starts the process."""
        say = self._lanes[0].log
        logging.basicConfig(handlers=[log.LogHandler(say)], level=logging.INFO)
        sys.stdout = log.LogStream(say)  # type: ignore[assignment]
        asyncio.get_running_loop().set_exception_handler(self._on_exception)

    def _on_exception(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        text = log.explain(error) if error is not None else str(context.get("message"))
        self._lanes[0].log(log.ERROR, text, *log.origin.get())


def main() -> int:
    try:
        settings = _settings()
    except project.ProjectError as error:
        print(f"dormouse: {error}", file=sys.stderr)
        return 2
    # What is there now stays: a collection is not to look at it again and again.
    gc.collect()
    gc.freeze()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    status = 1
    try:
        status = loop.run_until_complete(_run(settings))
    except BaseException as error:  # sys.exit() in a handler, say
        print(f"dormouse: {log.explain(error)}", file=sys.stderr)
    sys.stderr.flush()
    # At once: what is still under way is not to end as if it had been cancelled. It comes again, in another process.
    os._exit(status)


async def _run(settings: Settings) -> int:
    return await Process(settings).run()


def _itself(lane: Lane) -> Lane:
    return lane


def _settings() -> Settings:
    sockets, lanes = os.environ.get("DORMOUSE_WORKER_SOCKETS"), os.environ.get("DORMOUSE_WORKER_LANES")
    if not sockets or not lanes:
        raise project.ProjectError("DORMOUSE_WORKER_SOCKETS or DORMOUSE_WORKER_LANES is not set: this program is started by a"
                                   " statekeeper.")
    directory = os.getcwd()
    with open("workers.json", encoding="utf-8") as file:
        manifest = json.load(file)
    code = os.path.join(directory, manifest["code"])
    log.show_as(code, manifest["source"])
    module = project.load(code, manifest["main"])
    classes = project.classes(module, [each["name"] for each in manifest["classes"]], manifest["main"])
    return Settings(sockets, int(lanes), os.environ.get("DORMOUSE_WORKER_HTTP"), manifest, classes)
