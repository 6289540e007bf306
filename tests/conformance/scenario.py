"""A scenario is a list of steps; the stage plays it in every variant: dialect x address form x pattern x sleep.

    ROWS = [
        Scenario("hub:subscribe twice is once", [
            connect("a"), register("a"),
            say("a", "hub:subscribe", {"topic": "t"}, expect={"subscriptionId": Save("id")}),
            say("a", "hub:subscribe", {"topic": "t"}, expect={"subscriptionId": Saved("id")}),
        ]),
    ]
    test_row = rows(ROWS)

"a" is a client, who has a socket of its own and is the actor test/a. Every variant has a hub of its own. A reply is
compared with the tables of protocol.py and with what the step expects beyond them. After the last step nothing may
have come that no step expected. In half of the variants the hub is put to sleep before every step: all variants play
in step with each other, on a cluster whose hubs fall asleep at once, until the cluster's own count of hubs in memory
is 0. (So a scenario costs one nap per step, however many variants.)
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import re
import time
import traceback

import pytest
import websockets
from ws import WAIT, connect as open_socket

from .frames import Frame, Raw, dump
from .protocol import (CONNECTED_CAPABILITIES, DIALECTS, ENVELOPE, ERROR, ERROR_CODES, HUB, PAYLOAD, REPLY,
                       SILENT_TELLS, Either, Exactly, Where, describe)

NULL = Raw("null")  # the payload null
OMIT = object()  # a field of the envelope that is not sent
ANY = object()


@dataclasses.dataclass(frozen=True)
class Variant:
    dialect: str
    form: str
    pattern: str
    asleep: bool

    def __str__(self):
        return f"dialect {self.dialect}, {self.form} addresses, {self.pattern}, {'asleep' if self.asleep else 'awake'}"

    @property
    def legacy(self):
        return self.dialect == "0.1"

    def of(self, pair):
        """What a pair (0.1, 1.0) says for this dialect."""
        return pair[DIALECTS.index(self.dialect)]


# --- Values that a run fills in.

@dataclasses.dataclass(frozen=True)
class Address:
    """The address of a client, or any bare one, in the variant's form; of the other form where `other`."""
    name: str
    other: bool = False


@dataclasses.dataclass(frozen=True)
class Saved:
    """What a step has kept by Save."""
    name: str


@dataclasses.dataclass(frozen=True)
class Save:
    """A matcher: what `inner` matches; keeps it."""
    name: str
    inner: object = ANY


@dataclasses.dataclass(frozen=True)
class By:
    """A value that depends on the variant: By(lambda variant: ...)."""
    choose: object


def dialect(legacy, current):
    """A value that depends on the dialect."""
    return By(lambda variant: legacy if variant.legacy else current)


def not_saved(name):
    """A matcher: anything but what was saved."""
    return NotSaved(name)


@dataclasses.dataclass(frozen=True)
class NotSaved:
    name: str


# --- Steps. Each is a function of a run, with a text that tells it apart from others.

@dataclasses.dataclass(frozen=True)
class Step:
    text: str
    play: object


def say(client, kind, payload=None, *, expect=None, error=None, details=ANY, reply=None, silent=None, **fields):
    """A message to the hub and the reply to it: that of the tables, whose payload also matches `expect`; or hub:error
    with the code `error` (one, or a set), whose details match; or of the type `reply`; or none (silent=True)."""

    async def play(run):
        request = run.envelope(client, kind, payload, fields)
        await run.send(client, dump(request))
        quiet = silent
        if quiet is None:
            quiet = error is None and reply is None and request.get("pattern") == "tell" and \
                (kind, run.variant.dialect) in SILENT_TELLS
        if run.resolve(quiet):
            return
        frame = await run.next(client, lambda it: it["type"].startswith("hub:"))
        run.check_reply(frame, request)
        said = run.resolve(reply)
        if said is None and error is None:
            said = run.variant.of(REPLY[kind])
        run.check("type", "hub:error" if error else said, frame["type"])
        if error is not None:
            run.check_error(frame, error, details)
        elif reply is None:
            run.check("payload", PAYLOAD[kind], frame["payload"])
            if kind == "hub:connect":
                run.check("payload.capabilities", run.variant.of(CONNECTED_CAPABILITIES),
                          frame["payload"].get("capabilities"))
                run.check("metadata", {"actorIdentity": frame["payload"]["actorIdentity"]}, frame["metadata"])
        if expect is not None:
            run.check("payload", expect, frame["payload"], client)

    return Step(f"{client} says {kind}", play)


def connect(client, *, form=None, **more):
    """hub:connect as the dialect has it. `more` as for say; `form`: this client's addresses, else the variant's."""

    async def play(run):
        if form is not None:
            run.forms[client] = form(run.variant)
        payload, metadata = run.connect_fields(client)
        keywords = dict(more)
        if "metadata" in keywords:
            metadata = {**metadata, **run.resolve(keywords.pop("metadata"))}
        if "payload" in keywords:
            payload = {**payload, **run.resolve(keywords.pop("payload"))}
        await say(client, "hub:connect", payload, metadata=metadata, **keywords).play(run)

    return Step(f"{client} connects", play)


def other_form(variant):
    return "bare" if variant.form == "canonical" else "canonical"


def register(client, name=None, *, expect=None, error=None, details=ANY, fields=None, **payload):
    """hub:register of the client's own address, or of another."""
    body = {"actorAddress": Address(name or client), "capabilities": ["test"], **payload}
    good = None if error else {"actorAddress": Address(name or client), **(expect or {})}
    return dataclasses.replace(
        say(client, "hub:register", body, expect=good, error=error, details=details, **(fields or {})),
        text=f"{client} registers {name or client}")


def gets(client, kind, payload=ANY, *, raw=None, sender=ANY, to=ANY, metadata=ANY, correlation=ANY, ttl=None):
    """A frame that the client did not ask for. `raw`: the payload, byte for byte."""

    async def play(run):
        frame = await run.next(client, lambda it: it["type"] == kind)
        run.check("to", Address(client) if to is ANY else to, frame["to"], client)
        run.check("pattern", "tell", frame["pattern"])
        run.check("signature", None, frame["signature"])
        run.check("ttl", ttl, frame["ttl"])
        run.check("from", Address(HUB) if sender is ANY else sender, frame["from"], client)
        run.check("correlationId", None if correlation is ANY else correlation, frame["correlationId"])
        run.check("metadata", metadata, frame["metadata"], client)
        run.check("payload", payload, frame["payload"], client)
        if raw is not None:
            run.check("payload, byte for byte", raw, frame.raw["payload"])

    return Step(f"{client} gets {kind}", play)


def sent(client, kind, sender, payload=ANY, *, message_id=None, metadata=None, **more):
    """gets, of a hub:send."""
    said = Exactly({"forwarded": True, "via": Address(HUB), "originalMessageId": message_id or Saved("id"),
                    **(metadata or {})})
    return gets(client, kind, payload, sender=Address(sender), metadata=said, **more)


def broadcasted(client, kind, sender, payload=ANY, **more):
    """gets, of a hub:broadcast."""
    said = Exactly({"broadcast": True, "forwarded": True, "via": Address(HUB)})
    return gets(client, kind, payload, sender=Address(sender), metadata=said, correlation=Saved("id"), **more)


def published(client, kind, sender, topic, payload=ANY, **more):
    """gets, of a hub:publish."""
    said = Exactly({"topic": topic, "publication": True, "forwarded": True, "via": Address(HUB)})
    return gets(client, kind, payload, sender=Address(sender), metadata=said, correlation=Saved("id"), **more)


def frame(client, content, *, error=None, details=ANY, reply=None, expect=ANY, to=ANY):
    """A frame as it is (str: text, bytes: binary) and what comes of it; error: hub:error that is no reply to anything."""

    async def play(run):
        await run.send(client, run.resolve(content))
        if error is None and reply is None:
            return
        got = await run.next(client, lambda it: it["type"].startswith("hub:"))
        run.check("type", "hub:error" if error else reply, got["type"])
        run.check("to", to, got["to"], client)
        if error:
            run.check_error(got, error, details)
        run.check("payload", expect, got["payload"], client)

    shown = content if isinstance(content, (str, bytes)) else "a frame"
    return Step(f"{client} sends {shown[:60]!r}", play)


def closed(client, code, reason=ANY):
    """The hub closes the client's socket."""

    async def play(run):
        with contextlib.suppress(websockets.ConnectionClosed):
            got = await asyncio.wait_for(run.peers[client].protocol.recv(), WAIT)
            run.note(f"{client} <- {got}")
            raise Mismatch("the close of the socket", "a frame before it")
        protocol = run.peers.pop(client).protocol
        run.note(f"{client} <- close {protocol.close_code} {protocol.close_reason!r}")
        run.check("close code", code, protocol.close_code)
        run.check("close reason", reason, protocol.close_reason)

    return Step(f"{client} is closed with {code}", play)


def hangs_up(client, code=1000):
    """The client closes its socket; code None: it breaks; 1005: with a close frame without a code."""

    async def play(run):
        peer = run.peers.pop(client)
        run.note(f"{client} -> close {code}")
        if code is None:
            peer.protocol.transport.abort()
            await peer.protocol.wait_closed()
        elif code == 1005:
            await peer.protocol.write_close_frame(websockets.frames.Close(code, ""), b"")
            await peer.protocol.wait_closed()
        else:
            await peer.close(code)

    return Step(f"{client} hangs up", play)


def does(text, play):
    """Anything else: `await play(run)`."""
    return Step(text, play)


def eventually(client, kind, payload, expect, text="the answer becomes"):
    """Asks until the reply's payload matches: for what nothing orders with the client's own frames."""

    async def play(run):
        deadline = time.monotonic() + WAIT
        while True:
            reply = await run.ask(client, kind, payload)
            wrong = run.difference("payload", expect, reply["payload"], client)
            if wrong is None:
                return
            if time.monotonic() > deadline:
                raise wrong
            await asyncio.sleep(0.02)

    return Step(f"{client}: {text}", play)


def registered_are(client, *names):
    """Until exactly these actors are registered."""
    return eventually(client, "hub:list_actors", {}, {"actors": Where(
        f"addresses {sorted(names)}", lambda actors: sorted(_bare(actor["address"]) for actor in actors) ==
        sorted(_full(name) for name in names))}, text=f"registered are {', '.join(names)}")


def _full(name):
    return name if "/" in name else f"test/{name}"


def _bare(address):
    return address[2:-1] if address.startswith("@(") else address


@dataclasses.dataclass(frozen=True)
class Scenario:
    row: str  # of PROTOCOL.md
    steps: list
    dialects: tuple = DIALECTS
    forms: tuple = ("bare", "canonical")
    patterns: tuple = ("ask", "tell")
    sleep: tuple = (False, True)

    def variants(self):
        return [Variant(*each) for each in itertools.product(self.dialects, self.forms, self.patterns, self.sleep)]


class Mismatch(AssertionError):
    def __init__(self, expected, came):
        super().__init__(f"expected: {expected}\n     came: {came}")


class Run:
    """One variant of one scenario: its hub, its clients, what was saved and said."""

    _numbers = itertools.count(1)

    def __init__(self, scenario, variant, cluster, stack, stage):
        self.scenario = scenario
        self.variant = variant
        self.cluster = cluster
        self.stage = stage
        self.stack = stack
        slug = re.sub(r"[^a-z0-9]+", "-", scenario.row.lower()).strip("-")[:60]
        self.path = f"/ws/{slug}-{next(Run._numbers)}"
        self.paths = {}  # of clients that are elsewhere
        self.peers = {}
        self.inbox = {}
        self.forms = {}
        self.saved = {}
        self.transcript = []
        self.failure = None

    # --- values

    def address(self, name, client=None, other=False):
        form = self.forms.get(client, self.variant.form)
        canonical = (form == "canonical") != other
        return f"@({_full(name)})" if canonical else _full(name)

    def resolve(self, value, client=None):
        if isinstance(value, By):
            return self.resolve(value.choose(self.variant), client)
        if isinstance(value, Address):
            return self.address(value.name, client, value.other)
        if isinstance(value, Saved):
            return self.saved[value.name]
        if isinstance(value, Exactly):
            return Exactly({key: self.resolve(item, client) for key, item in value.items()})
        if isinstance(value, dict):
            return {key: self.resolve(item, client) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item, client) for item in value]
        return value

    def connect_fields(self, client):
        """Payload and metadata of hub:connect."""
        token = self.stage.token(_full(client)) if self.stage.token else None
        return self.connect_fields_with(token)

    def connect_fields_with(self, token):
        if self.variant.legacy:
            return {}, {"protocolVersion": "0.1.0", "capabilities": ["send", "receive"],
                        **({"authToken": token} if token is not None else {})}
        return {"version": "1.0", **({"jwt": token} if token is not None else {})}, {}

    def envelope(self, client, kind, payload, fields):
        request = {
            "id": f"m{next(Run._numbers)}", "from": Address(client), "to": Address(HUB), "type": kind,
            "payload": {} if payload is None else payload, "pattern": self.variant.pattern, "correlationId": None,
            "timestamp": int(time.time() * 1000), "metadata": {}, "ttl": None, "signature": None}
        for name, value in fields.items():
            request["from" if name == "sender" else name] = value
        request = {name: self.resolve(value, client) for name, value in request.items() if value is not OMIT}
        self.saved["id"] = request.get("id")
        return request

    # --- frames

    def note(self, line):
        self.transcript.append(line if len(line) < 2000 else f"{line[:1500]} ... ({len(line)} characters)")

    async def peer(self, client):
        if client not in self.peers:
            self.peers[client] = await self.stack.enter_async_context(
                open_socket(self.cluster.ws_url(self.paths.get(client, self.path))))
            self.inbox[client] = []
        return self.peers[client]

    async def send(self, client, content):
        peer = await self.peer(client)
        self.note(f"{client} -> {content}")
        await peer.send(content)

    async def receive(self, client):
        try:
            text = await asyncio.wait_for((await self.peer(client)).protocol.recv(), WAIT)
        except asyncio.TimeoutError:
            raise Mismatch("a frame", f"none for {WAIT} s") from None
        except websockets.ConnectionClosed as end:
            raise Mismatch("a frame", f"close {end.code} {end.reason!r}") from None
        self.note(f"{client} <- {text}")
        it = Frame(text)
        self.check("envelope", ENVELOPE, it.fields)
        return it

    async def next(self, client, wanted):
        """The client's next frame of these; what came before it waits for its own step."""
        inbox = self.inbox.setdefault(client, [])
        for number, it in enumerate(inbox):
            if wanted(it):
                return inbox.pop(number)
        while True:
            it = await self.receive(client)
            if wanted(it):
                return it
            inbox.append(it)

    async def ask(self, client, kind, payload=None, **fields):
        """A request whose reply is told apart by its correlationId."""
        request = self.envelope(client, kind, payload, {"pattern": "ask", **fields})
        await self.send(client, dump(request))
        return await self.next(client, lambda it: it["correlationId"] == request["id"] and it["type"][:4] == "hub:")

    # --- comparing

    def check(self, what, expected, came, client=None):
        if (wrong := self.difference(what, expected, came, client)) is not None:
            raise wrong

    def difference(self, what, expected, came, client=None):
        """A Mismatch, or nothing."""
        expected = self.resolve(expected, client)
        if expected is ANY:
            return None
        if isinstance(expected, Save):
            wrong = self.difference(what, expected.inner, came, client)
            if wrong is None:
                self.saved[expected.name] = came
            return wrong
        if isinstance(expected, NotSaved):
            good = came != self.saved[expected.name]
        elif isinstance(expected, Either):
            good = any(self.difference(what, choice, came, client) is None for choice in expected.choices)
        elif isinstance(expected, Where):
            good = expected.function(came)
        elif isinstance(expected, type):
            good = isinstance(came, expected) and (expected is not int or not isinstance(came, bool))
        elif isinstance(expected, dict):
            if not isinstance(came, dict):
                return Mismatch(f"{what}: an object", json.dumps(came))
            if isinstance(expected, Exactly) and expected.keys() != came.keys():
                return Mismatch(f"{what}: exactly the members {sorted(expected)}", sorted(came))
            for key, inner in expected.items():
                if key not in came:
                    return Mismatch(f"{what}.{key}: {describe(inner)}", f"no such member in {json.dumps(came)}")
                if (wrong := self.difference(f"{what}.{key}", inner, came[key], client)) is not None:
                    return wrong
            return None
        elif isinstance(expected, list):
            if not isinstance(came, list) or len(expected) != len(came):
                return Mismatch(f"{what}: {len(expected)} elements {expected}", json.dumps(came))
            for number, (inner, each) in enumerate(zip(expected, came)):
                if (wrong := self.difference(f"{what}[{number}]", inner, each, client)) is not None:
                    return wrong
            return None
        else:
            good = expected == came and isinstance(expected, bool) == isinstance(came, bool)
        return None if good else Mismatch(f"{what}: {describe(expected)}", f"{came!r}")

    def check_reply(self, it, request):
        """A reply goes back as the request came."""
        self.check("correlationId", request.get("id"), it["correlationId"])
        if isinstance(request.get("from"), str):
            self.check("to", request["from"], it["to"])
        if isinstance(request.get("to"), str):
            self.check("from", request["to"], it["from"])
        elif isinstance(request.get("from"), str):
            self.check("from", f"@({HUB})" if request["from"].startswith("@(") else HUB, it["from"])

    def check_error(self, it, code, details=ANY):
        codes = code if isinstance(code, (set, frozenset)) else {code}
        assert codes <= ERROR_CODES
        self.check("payload", ERROR, it["payload"])
        self.check("payload.code", Either(*codes), it["payload"].get("code"))
        self.check("payload.details", details, it["payload"]["details"])

    # --- playing

    async def play(self, step):
        if self.failure is not None:
            return
        try:
            await asyncio.wait_for(step.play(self), 3 * WAIT)
        except Exception as error:  # pylint: disable=broad-except
            self.failure = self._report(step.text, error)

    async def finish(self):
        """Nothing has come that no step expected."""
        for client in list(self.peers):
            await self.play(Step(f"{client} has nothing more to read", lambda run, client=client: run._drain(client)))

    async def _drain(self, client):
        await self.ask(client, "hub:list_actors", {"limit": 0})
        if self.inbox[client]:
            raise Mismatch("no frame", [it.text for it in self.inbox[client]])

    def _report(self, text, error):
        said = str(error) if isinstance(error, Mismatch) else "".join(traceback.format_exception(error)).rstrip()
        exchange = "\n".join(f"    {line}" for line in self.transcript[-40:])
        return f"row:      {self.scenario.row}\nvariant:  {self.variant}\nstep:     {text}\n{said}\nexchange:\n{exchange}"


class Stage:
    """The clusters that scenarios are played on."""

    def __init__(self, awake, asleep, token=None):
        self.awake = awake
        self.asleep = asleep
        self.token = token  # address -> what a client connects with; None: without

    async def play(self, scenario):
        async with contextlib.AsyncExitStack() as stack:
            runs = [Run(scenario, variant, self.asleep if variant.asleep else self.awake, stack, self)
                    for variant in scenario.variants()]
            await asyncio.gather(self._play([run for run in runs if not run.variant.asleep], scenario.steps, False),
                                 self._play([run for run in runs if run.variant.asleep], scenario.steps, True))
        failures = [run.failure for run in runs if run.failure is not None]
        if failures:
            shown = ("\n\n" + "-" * 40 + "\n").join(failures[:2])
            pytest.fail(f"{len(failures)} of {len(runs)} variants failed\n{shown}\n\nfailed variants:\n" + "\n".join(
                f"  {run.variant}" for run in runs if run.failure is not None), pytrace=False)

    async def _play(self, runs, steps, nap):
        for step in steps:
            if nap and runs:
                await self.asleep.asleep()
            await asyncio.gather(*(run.play(step) for run in runs))
        await asyncio.gather(*(run.finish() for run in runs))


def rows(scenarios, stage="stage"):
    """A test that plays each of the scenarios on the fixture `stage`."""
    names = [scenario.row for scenario in scenarios]
    assert len(set(names)) == len(names), "two scenarios with one name"

    @pytest.mark.parametrize("scenario", scenarios, ids=names)
    async def test(request, scenario):
        await request.getfixturevalue(stage).play(scenario)

    return test
