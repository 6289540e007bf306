"""Clients who must not notice an attack: each asks for something small fifty (a signal actor: eight) times a second,
and measures how long it waits. A wait counts from when the question was due, so that one long silence is as many
waits as questions fell into it."""

import multiprocessing
import time

from raw import Actor, Raw

_QUESTION = b'{"type":"message","message":"' + b"x" * 2000 + b'"}'


class Innocent:
    """One of them, in a process of its own. `kind`: "echo", or a hub of class signal."""

    def __init__(self, port, kind, hub, token=None):
        self.name = f"{kind}/{hub}"
        self._stop = multiprocessing.Event()
        ready = multiprocessing.Event()
        self._results, results = multiprocessing.Pipe(duplex=False)
        self._process = multiprocessing.Process(target=_ask, args=(port, kind, hub, token, ready, self._stop, results),
                                                daemon=True)
        self._process.start()
        if not ready.wait(30):
            raise AssertionError(f"{self.name} could not connect")

    def end(self):
        """(waits in seconds, what went wrong: text -> count)"""
        self._stop.set()
        outcome = self._results.recv() if self._results.poll(60) else ([60.0], {"no answer for 60 s": 1})
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
        return outcome


def _ask(port, kind, hub, token, ready, stop, results):
    interval = 0.02 if kind == "echo" else 0.125
    waits, wrong = [], {}
    client = None
    due = time.monotonic()
    while not stop.is_set():
        try:
            if client is None:
                client = _connect(port, kind, hub, token)
                ready.set()
                due = max(due, time.monotonic()) if not waits else due
            _question(client, kind)
            waits.append(time.monotonic() - due)
        except (OSError, AssertionError) as error:
            text = str(error)[:80]
            wrong[text] = wrong.get(text, 0) + 1
            client = None
            time.sleep(0.05)
            continue
        due += interval
        time.sleep(max(0, due - time.monotonic()))
    results.send((waits, wrong))


def _connect(port, kind, hub, token):
    if kind != "echo":
        actor = Actor(port, hub, "innocent/actor", token)
        actor.register()
        return actor
    client = Raw(port, f"/websocket/{hub}")
    client.receive()
    return client


def _question(client, kind):
    if kind != "echo":
        client.must("hub:send", {"to": client.address, "type": "note", "data": "x" * 2000})
        return
    client.send(_QUESTION)
    said = client.receive()
    if isinstance(said, tuple):
        raise ConnectionError(f"closed with {said}")
