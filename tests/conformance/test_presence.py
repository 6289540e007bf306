"""The extension hub:subscribe {topic: "hub/presence"}, and what else says who is there."""

from .protocol import NOW
from .scenario import (Address, Save, Saved, Scenario, connect, gets, hangs_up, register, rows, say)

OPTIONS = {"resume-window": "1m"}


def told(name, event):
    """The watcher w gets hub:presence."""
    return gets("w", "hub:presence", {"actorAddress": Address(name), "event": event, "at": NOW}, correlation=None,
                metadata={"topic": "hub/presence", "publication": True, "forwarded": True})


def joins(client):
    return [connect(client, expect={"resumeToken": Save(f"token {client}")}), register(client)]


def watches():
    return [connect("w"), register("w"), say("w", "hub:subscribe", {"topic": "hub/presence"})]


def unregisters(client):
    return say(client, "hub:unregister", {"actorAddress": Address(client)}, pattern="ask")


ROWS = [
    Scenario("presence: joined, lost, resumed, left", [
        *watches(), *joins("a"), told("a", "joined"),
        hangs_up("a", None), told("a", "lost"),
        connect("a2", sender=Address("a"), payload={"resumeToken": Saved("token a")}, expect={"resumed": True}),
        told("a", "resumed"),
        hangs_up("a2"), told("a", "left"),
    ]),
    *(Scenario(f"presence: {how} is {event}", [
        *watches(), *joins("a"), told("a", "joined"), leave, told("a", event),
    ]) for how, event, leave in (
        ("hub:unregister", "left", unregisters("a")), ("close 1000", "left", hangs_up("a", 1000)),
        ("a close without a code", "left", hangs_up("a", 1005)), ("close 1001", "lost", hangs_up("a", 1001)),
        ("close 4000", "lost", hangs_up("a", 4000)))),
    Scenario("presence: expiry is left", [
        *watches(), connect("a"), register("a", ttl=1000), told("a", "joined"), told("a", "left"),
    ]),
    Scenario("presence: nobody but the hub publishes there", [
        *watches(), say("w", "hub:publish", {"topic": "hub/presence", "type": "x", "data": 1}, error="unauthorized"),
    ]),
    Scenario("presence: who unsubscribes is told nothing", [
        *watches(), say("w", "hub:unsubscribe", {"topic": "hub/presence"}, pattern="ask"), *joins("a"),
        say("w", "hub:discover", {"online": True}, expect={"count": 2}),
    ]),
    Scenario("a request whose sender is not registered fails at once, and says so", [
        connect("a"), *joins("b"),
        say("a", "hub:send", {"to": Address("b"), "type": "add", "data": 1}, metadata={"request": True}, pattern="ask",
            error="unknown_actor"),
    ]),
]
test_row = rows(ROWS, stage="staged")
