"""Interactive client of Dormouse's signal hubs: python3 -m dormouse ws://127.0.0.1:8080/ws/kitchen --actor browser/me

Connects, registers the actor, prints what comes, and does what you type:

  send TO TYPE DATA        tell an actor            subscribe TOPIC      unsubscribe TOPIC
  ask TO TYPE DATA         the same, acknowledged   discover [PATTERN]
  broadcast TYPE DATA      to everybody             actors               everybody
  publish TOPIC TYPE DATA  to subscribers           stats                quit

DATA that is JSON is sent as JSON, anything else as a string. In a pipe it does the lines one after another and
exits: 0 when all went well, 1 when not.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import signal
import ssl
import sys
from typing import Any

from .client import Client
from .errors import DormouseError
from .link import Connected
from .terminal import Screen, input_lines


class _Talk:
    """Commands in, events out."""

    _WORDS = {  # command: how many it needs
        **{"send": 2, "ask": 2, "broadcast": 1, "publish": 2, "subscribe": 1, "unsubscribe": 1},
        **{"discover": 0, "actors": 0, "stats": 0},
    }

    def __init__(self, client: Client, screen: Screen) -> None:
        self._client = client
        self._show = screen.show
        self.failed = False
        client.on("message", lambda message: self._show("message", _text(message)))
        client.on("connected", self._connected)
        client.on("resumed", self._connected)
        client.on("disconnected", lambda code, reason: self._show("closed", f"{code} {reason}"))
        client.on("reconnecting", lambda _, delay, why: self._show("status", f"next try in {delay:.1f} s: {why}"))
        client.on("paused", lambda reason: self._show("status", f"paused by the hub: {reason}"))
        client.on("unpaused", lambda: self._show("status", "the pause is over"))
        client.on("error", self.fail)

    def fail(self, error: DormouseError) -> None:
        self.failed = True
        self._show("error", f"{error} {error.resolution}".rstrip())

    async def do(self, line: str) -> None:
        name, *words = line.split(None, 2 if line.startswith("broadcast") else 3)
        if name not in self._WORDS:
            self._show("error", f"no command {name!r}: {', '.join(self._WORDS)}, quit")
            self.failed = True
            return
        if len(words) < self._WORDS[name]:
            self._show("error", f"{name} needs more words: see --help")
            self.failed = True
            return
        try:
            self._show("sent", line)
            await getattr(self, f"_{name}")(*words)
        except DormouseError as error:
            self.fail(error)

    async def _send(self, to: str, kind: str, data: str = "null") -> None:
        await self._client.send(to, kind, _data(data))

    async def _ask(self, to: str, kind: str, data: str = "null") -> None:
        self._show("reply", _json(await self._client.ask(to, kind, _data(data))))

    async def _broadcast(self, kind: str, data: str = "null") -> None:
        self._show("reply", _json(await self._client.broadcast(kind, _data(data))))

    async def _publish(self, topic: str, kind: str, data: str = "null") -> None:
        self._show("reply", _json(await self._client.publish(topic, kind, _data(data))))

    async def _subscribe(self, topic: str, *_: str) -> None:
        await self._client.subscribe(topic)
        self._show("reply", f"subscribed to {topic}")

    async def _unsubscribe(self, topic: str, *_: str) -> None:
        await self._client.unsubscribe(topic)
        self._show("reply", f"unsubscribed from {topic}")

    async def _discover(self, pattern: str = "*", *_: str) -> None:
        count = 0
        async for actor in self._client.discover_all(pattern):
            count += 1
            self._show("reply", f"{actor['address']}  {', '.join(actor['capabilities'])}")
        self._show("reply", f"{count} found")

    async def _actors(self, *_: str) -> None:
        await self._discover()

    async def _stats(self, *_: str) -> None:
        self._show("reply", _json(await self._client.queue_stats()))

    def _connected(self, details: Connected) -> None:
        how = "resumed" if details.resumed else "new"
        self._show("welcome", f"session {details.session_id} ({how}), as {self._client.actor}")


def _data(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _text(message: Any) -> str:
    on = f" on {message.topic}" if message.topic else ""
    return f"{message.type} from {message.sender}{on}: {_json(message.data)}"


async def _converse(talk: _Talk, client: Client) -> None:
    await client.connect()
    await client.register()
    async for line in input_lines():
        if line.strip() == "quit":
            return
        if line.strip():
            await talk.do(line.strip())


async def _main(arguments: argparse.Namespace) -> int:
    token = os.environ.get("DORMOUSE_TOKEN")
    tls = ssl.create_default_context(cafile=arguments.ca) if arguments.ca else None
    try:
        client = Client(
            arguments.url,
            actor=arguments.actor,
            token=token,
            capabilities=arguments.capability or ["chat"],
            protocol=arguments.protocol,
            ssl=tls,
        )
    except ValueError as error:
        print(error, file=sys.stderr)
        return 2
    talk = _Talk(client, Screen())
    conversation = asyncio.create_task(_converse(talk, client))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, conversation.cancel)
    try:
        await conversation
    except asyncio.CancelledError:
        return 130
    except DormouseError as error:
        talk.fail(error)
    finally:
        await client.disconnect()
    return 1 if talk.failed else 0


def main() -> int:
    """Exit status."""
    as_written = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(prog="python3 -m dormouse", description=__doc__, formatter_class=as_written)
    parser.add_argument("url", help="ws:// or wss:// address of a signal hub, /ws/NAME")
    parser.add_argument("--actor", default="python/me", help="who you are (default: %(default)s)")
    parser.add_argument("--capability", action="append", help="of the registration, repeatable (default: chat)")
    parser.add_argument("--ca", help="wss: certificates to trust, in a PEM file (default: the system's)")
    parser.add_argument("--protocol", choices=("1.0", "0.1"), default="1.0")
    parser.epilog = "A token, where the hub wants one, is read from the environment: DORMOUSE_TOKEN."
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())
