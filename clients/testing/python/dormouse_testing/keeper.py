"""The process that keeps the cluster (clients/testing/keeper): lines of JSON, both ways. When this process ends, however
it does, that one stops the cluster."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import subprocess
import threading
from typing import Any

_TESTING = os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
_KEEPER = os.path.join(_TESTING, "keeper")


class ClusterError(AssertionError):
    """What a cluster should have done and did not, or why it cannot; a failure of the test."""


class Keeper:
    """Of any event loop: one may start a cluster, another one use it."""

    def __init__(self) -> None:
        if not os.path.isdir(_KEEPER):
            raise ClusterError(f"There is no {_KEEPER}: this package works from a checkout of Dormouse, with"
                               " CHECKOUT/clients/testing/python in PYTHONPATH.")
        self._process = subprocess.Popen(["/usr/bin/python3", "-B", _KEEPER], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._calls: dict[int, concurrent.futures.Future[Any]] = {}
        self._lock = threading.Lock()
        self._number = 0
        self._over = ""
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    async def call(self, name: str, **options: Any) -> Any:
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()
        with self._lock:
            if self._over:
                raise ClusterError(self._over)
            self._number += 1
            self._calls[self._number] = future
            line = json.dumps({"id": self._number, "call": name, "with": options}) + "\n"
            try:
                self._process.stdin.write(line.encode())  # type: ignore[union-attr]
                self._process.stdin.flush()  # type: ignore[union-attr]
            except (OSError, ValueError) as error:
                raise ClusterError("The cluster has ended.") from error
        return await asyncio.wrap_future(future)

    async def end(self) -> None:
        """Returns when the cluster is stopped, and its files are gone."""
        await asyncio.to_thread(self.end_now)

    def end_now(self) -> None:
        with self._lock:
            self._over = "The cluster has been stopped."
            self._process.stdin.close()  # type: ignore[union-attr]
        self._process.wait()
        self._reader.join()

    def _read(self) -> None:
        for line in self._process.stdout:  # type: ignore[union-attr]
            said = json.loads(line)
            with self._lock:
                future = self._calls.pop(said["id"])
            if not future.set_running_or_notify_cancel():
                continue
            if "error" in said:
                future.set_exception(ClusterError(said["error"]))
            else:
                future.set_result(said["value"])
        self._process.stdout.close()  # type: ignore[union-attr]
        with self._lock:
            self._over = self._over or "The cluster has ended."
            left, self._calls = self._calls, {}
        for future in left.values():
            if future.set_running_or_notify_cancel():
                future.set_exception(ClusterError(self._over))
