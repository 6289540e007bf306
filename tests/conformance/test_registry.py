"""Rows hub:register, hub:renew, hub:unregister, hub:discover, hub:list_actors of "Messages"."""

from .protocol import EPOCH_MS, NOW, Exactly, from_now
from .scenario import (NULL, Address, Save, Saved, Scenario, connect, dialect, does, eventually, hangs_up, not_saved,
                       register, registered_are, rows, say)

OLD = ("0.1",)
NEW = ("1.0",)


def ttl(given, lasts_ms):
    return Scenario(f"hub:register with {given} expires in {lasts_ms} ms", [
        connect("a"), register("a", expect={"expiresAt": from_now(lasts_ms)}, **given),
    ])


def addresses(*names):
    """The addresses of an answer's actors, in the client's form."""
    return {"actors": [{"address": Address(name), "actorAddress": Address(name)} for name in names]}


def population():
    return [
        connect("a"),
        register("a", "browser/one", capabilities=["render", "input"], metadata={"floor": 1, "name": "x"}),
        register("a", "browser/two", capabilities=["render"], metadata={"floor": 2}),
        register("a", "server/one", capabilities=["store"], metadata={"floor": 1}),
    ]


def found(*names, more=False, total=None):
    return {**addresses(*names), "count": len(names), "hasMore": more,
            "totalMatches": len(names) if total is None else total}


def discover(expect, **payload):
    return say("a", "hub:discover", payload, expect=expect)


ROWS = [
    Scenario("hub:register -> hub:registered", [
        connect("a"),
        register("a", metadata={"k": [1, {"deep": None}]},
                 expect={"actorAddress": Address("a"), "version": 1, "expiresAt": from_now(300_000)}),
        registered_are("a", "a"),
    ]),
    ttl({"ttlSeconds": 60}, 60_000),
    ttl({"ttl": 60_000}, 60_000),
    ttl({"ttlSeconds": 3600}, 3_600_000),
    ttl({"ttlSeconds": 99_999}, 3_600_000),
    ttl({"ttl": 1e300}, 3_600_000),
    ttl({"ttl": 1}, 1000),
    ttl({"ttlSeconds": 0}, 1000),
    ttl({"ttlSeconds": -5}, 1000),
    ttl({"ttl": None, "ttlSeconds": None}, 300_000),
    Scenario("hub:register with a ttl that is no number -> an error", [
        connect("a"), register("a", ttl="soon", error="internal_error"), registered_are("a"),
    ]),
    Scenario("hub:register without a usable actorAddress -> an error", [
        connect("a"),
        *(say("a", "hub:register", {"actorAddress": bad, "capabilities": ["x"]}, error="internal_error")
          for bad in (None, 7, "", "@()", "x" * 300, "a\u0001b")),
        say("a", "hub:register", NULL, error="internal_error"),
        registered_are("a"),
    ]),
    Scenario("0.1: hub:register needs capabilities", [
        connect("a"),
        register("a", capabilities=[], error={"internal_error", "unauthorized"}),
        register("a", capabilities=None, error={"internal_error", "unauthorized"}),
        registered_are("a"),
    ], dialects=OLD),
    Scenario("1.0: hub:register without capabilities", [
        connect("a"), register("a", capabilities=[]),
        say("a", "hub:register", {"actorAddress": Address("b")}, expect={"version": 1}),
        registered_are("a", "a", "b"),
    ], dialects=NEW),
    Scenario("hub:register answers with the address as it was written", [
        connect("a"), register("a", actorAddress=Address("a", other=True),
                               expect={"actorAddress": Address("a", other=True)}),
        registered_are("a", "a"),
    ]),
    Scenario("re-registration of the same address: version + 1, a new token", [
        connect("a"),
        register("a", expect={"version": 1, "renewalToken": Save("old")}),
        register("a", expect={"version": 2, "renewalToken": not_saved("old")}),
        register("a", actorAddress=Address("a", other=True),
                 expect={"version": 3, "actorAddress": Address("a", other=True)}),
        say("a", "hub:renew", {"renewalToken": Saved("old")}, error="unauthorized"),
        registered_are("a", "a"),
    ]),
    Scenario("a session registers several actors", [
        connect("a"), register("a"), register("a", "other/one"), registered_are("a", "a", "other/one"),
    ]),

    Scenario("hub:renew {renewalToken} -> hub:renewed, the token rotated", [
        connect("a"),
        register("a", ttlSeconds=100, expect={"renewalToken": Save("first")}),
        say("a", "hub:renew", {"renewalToken": Saved("first")}, expect={
            "actorAddress": Address("a"), "renewalToken": not_saved("first"), "expiresAt": from_now(100_000)}),
        say("a", "hub:renew", {"renewalToken": Saved("first")}, error="unauthorized"),
    ]),
    Scenario("hub:renew: renewalToken and newRenewalToken are equal, and good for the next", [
        connect("a"),
        register("a", expect={"renewalToken": Save("token")}),
        *(step for _ in range(2) for step in (
            say("a", "hub:renew", {"renewalToken": Saved("token")}, expect={"renewalToken": Save("next")}),
            does("equal", lambda run: _rotate(run)))),
        say("a", "hub:renew", {"renewalToken": Saved("token")}, expect={"newRenewalToken": Save("x")}),
    ]),
    Scenario("hub:renew with metadata.renewalToken and a null payload", [
        connect("a"),
        register("a", expect={"renewalToken": Save("token")}),
        say("a", "hub:renew", NULL, metadata={"renewalToken": Saved("token")},
            expect={"actorAddress": Address("a")}),
    ]),
    Scenario("1.0: hub:renew {renewalToken, actorAddress, ttl}", [
        connect("a"),
        register("a", expect={"renewalToken": Save("token")}),
        say("a", "hub:renew", {"renewalToken": Saved("token"), "actorAddress": Address("a"), "ttl": 20_000},
            expect={"actorAddress": Address("a"), "expiresAt": from_now(20_000), "renewalToken": Save("token")}),
        say("a", "hub:renew", {"renewalToken": Saved("token"), "actorAddress": Address("a"), "ttl": 10**9},
            expect={"expiresAt": from_now(3_600_000), "renewalToken": Save("token")}),
        say("a", "hub:renew", {"renewalToken": Saved("token"), "actorAddress": Address("b")}, error="unknown_actor"),
        connect("c"), register("c"),
        say("a", "hub:renew", {"renewalToken": Saved("token"), "actorAddress": Address("c")}, error="unauthorized"),
    ], dialects=NEW),
    Scenario("1.0: hub:renew of an actor that is not registered -> unknown_actor", [
        connect("a"), register("a", expect={"renewalToken": Save("token")}),
        say("a", "hub:unregister", {"actorAddress": Address("a")}, pattern="ask"),
        say("a", "hub:renew", {"renewalToken": Saved("token")}, error="unknown_actor"),
    ], dialects=NEW),
    Scenario("hub:renew with a wrong token -> unauthorized", [
        connect("a"), register("a", expect={"renewalToken": Save("token")}),
        say("a", "hub:renew", {"renewalToken": "no such token"}, error="unauthorized"),
        say("a", "hub:renew", {"renewalToken": "0" * 32 + ".test/a"}, error="unauthorized"),
        say("a", "hub:renew", NULL, metadata={"renewalToken": "wrong"}, error="unauthorized"),
        say("a", "hub:renew", {"renewalToken": Saved("token")}),
    ]),
    Scenario("hub:renew without a token -> an error", [
        connect("a"), register("a"),
        say("a", "hub:renew", {}, error={"internal_error", "unauthorized"}),
        say("a", "hub:renew", {"renewalToken": 7}, error={"internal_error", "unauthorized"}),
    ]),

    Scenario("hub:unregister -> hub:unregistered (0.1: for an ask)", [
        connect("a"), register("a"), register("a", "other/one"),
        say("a", "hub:unregister", {"actorAddress": Address("a")}, expect={"actorAddress": Address("a")}),
        registered_are("a", "other/one"),
        say("a", "hub:unregister", {"actorAddress": Address("other/one", other=True)},
            expect={"actorAddress": Address("other/one", other=True)}),
        registered_are("a"),
    ]),
    Scenario("hub:unregister of what is not registered", [
        connect("a"), say("a", "hub:unregister", {"actorAddress": Address("nobody/here")}),
    ]),
    Scenario("hub:unregister takes the actor's subscriptions with it", [
        connect("a"), register("a"), say("a", "hub:subscribe", {"topic": "t"}),
        connect("b"), register("b"),
        say("a", "hub:unregister", {"actorAddress": Address("a")}),
        registered_are("a", "b"),
        say("b", "hub:publish", {"topic": "t", "type": "x", "data": 1}, expect={"subscriberCount": 0}),
    ]),
    Scenario("hub:unregister and register again begins at version 1", [
        connect("a"), register("a"), register("a", expect={"version": 2}),
        say("a", "hub:unregister", {"actorAddress": Address("a")}, pattern="ask"),
        register("a", expect={"version": 1}),
    ]),

    Scenario("hub:discover -> the actors, each with all of its fields", [
        *population(),
        discover({"actors": [{
            "address": Address("browser/one"), "actorAddress": Address("browser/one"),
            "capabilities": ["render", "input"], "metadata": Exactly({"floor": 1, "name": "x"}), "registeredAt": NOW,
        }]}, pattern="browser/one"),
    ]),
    Scenario("hub:discover: pattern is a glob over the bare address", [
        *population(),
        discover(found("browser/one", "browser/two"), pattern="browser/*"),
        discover(found("browser/one", "server/one"), pattern="*/one"),
        discover(found("browser/two"), pattern="browser/t*o"),
        discover(found("browser/one", "browser/two", "server/one"), pattern="*"),
        discover(found("browser/one", "browser/two", "server/one")),
        discover(found("browser/two"), pattern="browser/tw?"),
        discover(found(), pattern="browser"),
        discover(found("browser/one", "browser/two"), pattern="@(browser/*)"),
    ]),
    Scenario("hub:discover: capability, capabilities[], metadata", [
        *population(),
        discover(found("browser/one", "browser/two"), capability="render"),
        discover(found("browser/one"), capabilities=["render", "input"]),
        discover(found("browser/one"), capability="input", capabilities=["render"]),
        discover(found(), capabilities=["render", "store"]),
        discover(found("browser/one", "server/one"), metadata={"floor": 1}),
        discover(found("browser/one"), metadata={"floor": 1.0, "name": "x"}),
        discover(found(), metadata={"floor": "1"}),
        discover(found("server/one"), pattern="*/one", capability="store", metadata={"floor": 1}),
    ]),
    Scenario("hub:discover: limit and offset make pages", [
        *population(),
        discover(found("browser/one", "browser/two", more=True, total=3), limit=2),
        discover(found("server/one", total=3), limit=2, offset=2),
        discover(found(more=True, total=3), limit=0),
        discover(found(total=3), offset=3),
        discover(found(total=3), offset=10**12),
    ]),
    Scenario("hub:discover: limit is 100 at most in 0.1, 1000 in 1.0", [
        connect("a"),
        does("105 actors", lambda run: _register_many(run, 105)),
        say("a", "hub:discover", {"limit": 1000}, expect={
            "count": dialect(100, 105), "hasMore": dialect(True, False), "totalMatches": 105}),
        say("a", "hub:discover", {"limit": 100, "offset": 100}, expect={
            "count": 5, "hasMore": False, "totalMatches": 105}),
    ], patterns=("ask",)),
    Scenario("1.0: a pattern with regex characters is a regex over the canonical form", [
        *population(),
        discover(found("browser/one", "browser/two"), pattern=r"^@\(browser/.*\)$"),
        discover(found("browser/two", "server/one"), pattern="(two|server)"),
        discover(found("browser/one", "server/one"), pattern=r"/one\)$"),
        say("a", "hub:discover", {"pattern": "(unclosed"}, error="internal_error"),
    ], dialects=NEW),
    Scenario("0.1: a pattern with regex characters is a glob all the same", [
        *population(),
        register("a", "odd/(x|y)+"),
        discover(found(), pattern="(two|server)"),
        discover(found("odd/(x|y)+"), pattern="odd/(x|y)+"),
    ], dialects=OLD),
    Scenario("hub:discover says who is online, and looks for them", [
        *population(), connect("b"), register("b"), hangs_up("b", None),
        eventually("a", "hub:discover", {"online": False}, found("b"), text="b is not online"),
        discover(found("browser/one", "browser/two", "server/one"), online=True),
        discover(found("browser/one", "browser/two", "server/one", "b")),
        say("a", "hub:discover", {"pattern": Address("b")}, expect={"actors": [{"online": False}]}),
        say("a", "hub:discover", {"online": "yes"}, error="internal_error"),
    ]),
    Scenario("hub:discover with fields that are not what they should be -> an error", [
        connect("a"),
        *(say("a", "hub:discover", bad, error="internal_error") for bad in (
            {"pattern": 7}, {"capability": 7}, {"capabilities": [7]}, {"metadata": [1]}, {"limit": "all"},
            {"offset": "first"}, {"pattern": "x" * 10_000})),
        discover(found()),
    ]),

    Scenario("hub:list_actors -> hub:actor_list: full registrations without the renewal token", [
        *population(),
        say("a", "hub:list_actors", {}, expect={"total": 3, "offset": 0, "limit": 100, "hasMore": False, "actors": [
            {"address": Address(name), "actorAddress": Address(name), "capabilities": list, "metadata": dict,
             "registeredAt": NOW, "expiresAt": EPOCH_MS, "version": 1, "online": True}
            for name in ("browser/one", "browser/two", "server/one")]}),
        does("no token", lambda run: _no_token(run)),
    ]),
    Scenario("hub:list_actors: offset and limit make pages", [
        *population(),
        say("a", "hub:list_actors", {"limit": 2}, expect={
            **addresses("browser/one", "browser/two"), "total": 3, "offset": 0, "limit": 2, "hasMore": True}),
        say("a", "hub:list_actors", {"limit": 2, "offset": 2}, expect={
            **addresses("server/one"), "total": 3, "offset": 2, "limit": 2, "hasMore": False}),
        say("a", "hub:list_actors", {"limit": 5000}, expect={"limit": dialect(100, 1000), "total": 3}),
        say("a", "hub:list_actors", {"limit": "all"}, error="internal_error"),
        say("a", "hub:list_actors", NULL, expect={"total": 3}),
    ]),
    Scenario("hub:discover and hub:list_actors of an empty registry", [
        connect("a"),
        discover(found()), say("a", "hub:list_actors", {}, expect={"actors": [], "total": 0, "hasMore": False}),
    ]),
]
test_row = rows(ROWS)


async def _rotate(run):
    reply = await run.ask("a", "hub:renew", {"renewalToken": run.saved["next"]})
    said = reply["payload"]
    assert said["renewalToken"] == said["newRenewalToken"], reply.text
    run.saved["token"] = said["newRenewalToken"]


async def _register_many(run, count):
    for number in range(count):
        reply = await run.ask("a", "hub:register", {"actorAddress": f"many/{number:03}", "capabilities": ["x"]})
        assert reply["type"] == "hub:registered", reply.text


async def _no_token(run):
    reply = await run.ask("a", "hub:register", {"actorAddress": "secret/actor", "capabilities": ["x"]})
    listed = await run.ask("a", "hub:list_actors", {})
    found_too = await run.ask("a", "hub:discover", {})
    for it in (listed, found_too):
        assert reply["payload"]["renewalToken"] not in it.text
        assert "oken" not in it.text, it.text
