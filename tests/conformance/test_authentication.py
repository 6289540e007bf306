"""The rule about JWT, the rows of tokens, and attacks on both. Here: HS256, and RS256 and ES256 where they differ."""

import hashlib
import hmac
import json
import time

import jwt
import pytest
import tokens
from cluster import Cluster
from tokens import signed, unsigned
from ws import Actor, connect as open_socket, upgrade_status

from .protocol import TEXT, Where, from_now
from .scenario import (NULL, Address, By, Save, Saved, Scenario, closed, connect, does, gets, register, registered_are,
                       rows, say, sent)

BAD = {"unauthorized", "invalid_token"}
OLD = ("0.1",)
NEW = ("1.0",)


def OPTIONS(directory):
    key = directory / "secret"
    key.write_text(tokens.SECRET)
    return {"auth-algorithm": "HS256", "auth-key": str(key), "connect-timeout": "0"}


def TOKEN(address):
    return signed(actor=address, actors=["team/*"])


def connects_with(client, token, **more):
    """hub:connect with this token, or with none."""
    async def play(run):
        payload, metadata = run.connect_fields_with(token() if callable(token) else token)
        await say(client, "hub:connect", payload, metadata=metadata, **more).play(run)
    return does(f"{client} connects with a token", play)


def these(words):
    """In any order."""
    return Where(f"{words} in any order", lambda came: sorted(came) == sorted(words))


def ago(seconds):
    return int(time.time()) - seconds


def _forged_signature():
    head, body, signature = signed().split(".")
    return f"{head}.{body}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _foreign_body():
    """The signature of one token under the claims of another."""
    return ".".join((signed().split(".")[0], signed(actor="test/root").split(".")[1], signed().split(".")[2]))


ATTACKS = {
    "no token": None,
    "empty": "",
    "garbage": "garbage",
    "two parts": "a.b",
    "alg none": lambda: unsigned({"alg": "none", "typ": "JWT"}),
    "alg None": lambda: unsigned({"alg": "None", "typ": "JWT"}),
    "alg none with a signature": lambda: unsigned({"alg": "none"}, b"x" * 32),
    "no alg": lambda: unsigned({"typ": "JWT"}),
    "HS384": lambda: signed(algorithm="HS384"),
    "HS512": lambda: signed(algorithm="HS512"),
    "RS256": lambda: signed(RSA_KEYS[0], algorithm="RS256"),
    "wrong key": lambda: signed("another secret, also of more than 32 bytes"),
    "empty key": lambda: signed(""),
    "forged signature": _forged_signature,
    "foreign body": _foreign_body,
    "no signature": lambda: signed().rpartition(".")[0] + ".",
    "expired": lambda: signed(exp=ago(120)),
    "not yet valid": lambda: signed(nbf=ago(-600)),
    "older than 24 h": lambda: signed(iat=ago(25 * 3600)),
    "issued in the future": lambda: signed(iat=ago(-7200)),
    "no exp": lambda: signed(exp=tokens.OMIT),
    "no sub": lambda: signed(sub=tokens.OMIT),
    "no actorId": lambda: signed(actorId=tokens.OMIT),
    "empty actorId": lambda: signed(actorId=""),
    "no iss": lambda: signed(iss=tokens.OMIT),
    "another iss": lambda: signed(iss="somebody"),
    "exp is text": lambda: signed(exp="never"),
    "crit": lambda: signed(headers={"crit": ["exp"]}),
    "two tokens": lambda: signed() + "." + signed(),
    "a very long one": lambda: signed(padding="x" * 200_000),
}
RSA_KEYS = tokens.new_keys("RS256")
EC_KEYS = tokens.new_keys("ES256")

EARLY = [("hub:register", {"actorAddress": "test/a", "capabilities": ["x"]}),
         ("hub:renew", {"renewalToken": "x"}), ("hub:unregister", {"actorAddress": "test/a"}), ("hub:discover", {}),
         ("hub:list_actors", {}), ("hub:send", {"to": "test/b", "type": "x", "data": 1}),
         ("hub:broadcast", {"type": "x", "data": 1}), ("hub:subscribe", {"topic": "t"}),
         ("hub:unsubscribe", {"topic": "t"}), ("hub:publish", {"topic": "t", "type": "x", "data": 1}),
         ("hub:queue_stats", {}), ("hub:refresh_token", {"token": "x"}), ("hub:disconnect", {}), ("hub:no_such", {})]

ROWS = [
    Scenario("hub:connect with a token -> hub:connected", [connect("a", expect={"actorIdentity": Address("a")}), register("a")]),
    Scenario("0.1: metadata.authToken, optional bearer prefix", [
        *(connect(name, metadata=By(lambda _, prefix=prefix, name=name: {"authToken": prefix + TOKEN(f"test/{name}")}))
          for name, prefix in (("a", "bearer "), ("b", "Bearer "), ("c", "")))], dialects=OLD),
    Scenario("1.0: hub:connected says the capabilities that the token grants", [
        connect("a", expect={"capabilities": these(tokens.GRANTED)}),
        connects_with("b", lambda: signed(actor="test/b", capabilities=["send", "discover"]),
                      expect={"capabilities": these(tokens.GRANTED)}),
        connects_with("c", lambda: signed(actor="test/c", capabilities=["send", "publish"]),
                      expect={"capabilities": these(["send", "publish"])}),
    ], dialects=NEW),
    Scenario("a token of the original's words may do what the original allowed", [
        connects_with("a", lambda: signed(actor="test/a", capabilities=["send", "receive", "discover"])),
        register("a"), say("a", "hub:subscribe", {"topic": "t"}),
        say("a", "hub:publish", {"topic": "other", "type": "x", "data": 1}),
        say("a", "hub:broadcast", {"type": "x", "data": 1, "excludeSelf": True}),
    ]),
    Scenario("a claim hubs limits the hubs", [
        connects_with("a", lambda: signed(actor="test/a", hubs=["kitchen", "b*"]), error="unauthorized"),
        connects_with("a", lambda: signed(actor="test/a", hubs=[]), error=BAD),
        connects_with("a", lambda: signed(actor="test/a", hubs=["kitchen", "a-claim-*"])), register("a"),
    ]),
    Scenario("the token's actorId may be in either form", [
        connects_with("a", lambda: signed(actor="@(test/a)")), register("a"),
        connects_with("b", lambda: signed(actor="test/b")), register("b"),
    ]),
    Scenario("before hub:connect every other message -> unauthorized", [
        *(say("a", kind, payload, error="unauthorized", sender="test/a", pattern="ask") for kind, payload in EARLY),
        connect("a"), register("a"),
    ], dialects=NEW),
    Scenario("before hub:connect hub:heartbeat -> unauthorized, too", [
        say("a", "hub:heartbeat", {"timestamp": 1}, error="unauthorized"),
        connect("a"), say("a", "hub:heartbeat", {"timestamp": 1}),
    ]),
    Scenario("before hub:connect an application's message goes nowhere", [
        connect("b"), register("b"),
        say("a", "app:thing", {"n": 1}, to=Address("b"), error="unauthorized", pattern="ask"),
    ]),
    Scenario("after a refused hub:connect nothing is allowed", [
        connects_with("a", lambda: signed("another secret, also of more than 32 bytes"), error=BAD),
        say("a", "hub:list_actors", {}, error="unauthorized"),
        connect("a"), say("a", "hub:list_actors", {}),
    ]),
    Scenario("hub:refresh_token: JWT in, JWT out, same claims, 1 h", [
        connect("a"), register("a"),
        does("a token of its own", lambda run: _refresh(run)),
    ]),
    Scenario("hub:refresh_token with a bad token -> invalid_token", [
        connect("a"),
        *(say("a", "hub:refresh_token", By(lambda _, make=make: {"token": make()}), error="invalid_token")
          for name, make in ATTACKS.items() if callable(make) and name != "a very long one"),
        say("a", "hub:refresh_token", {"token": "garbage"}, error="invalid_token"),
    ], patterns=("ask",), forms=("bare",)),

    # "`from` of register/send/broadcast/publish/subscribe must be the token's actor or an address that the session
    # registered."
    Scenario("another actor's from -> unauthorized", [
        connect("b"), register("b"), say("b", "hub:subscribe", {"topic": "t"}),
        connect("a"), register("a"),
        *(say("a", kind, payload, sender=other, error="unauthorized", pattern="ask")
          for other in (Address("b"), Address("b", other=True), Address("team/unregistered"))
          for kind, payload in (
              ("hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}),
              ("hub:send", {"to": Address("b"), "type": "x", "data": 1}),
              ("hub:broadcast", {"type": "x", "data": 1}),
              ("hub:publish", {"topic": "t", "type": "x", "data": 1}),
              ("hub:subscribe", {"topic": "t"}))),
    ]),
    Scenario("another actor's from on an application's message -> not delivered", [
        connect("b"), register("b"), connect("a"), register("a"),
        say("a", "app:thing", {}, sender=Address("b"), to=Address("b"), error="unauthorized", pattern="ask"),
    ]),
    Scenario("a from that the session registered is its own", [
        connect("b"), register("b"), say("b", "hub:subscribe", {"topic": "t"}),
        connect("a"), register("a"), register("a", "team/one"),
        say("a", "hub:send", {"to": Address("b"), "type": "x", "data": 1}, sender=Address("team/one")),
        sent("b", "x", "team/one", 1),
        say("a", "hub:publish", {"topic": "t", "type": "x", "data": 2}, sender=Address("team/one", other=True)),
        does("b gets it", lambda run: _from(run, "b", "x", "team/one")),
        say("a", "hub:subscribe", {"topic": "u"}, sender=Address("team/one")),
        say("a", "hub:register", {"actorAddress": Address("team/two"), "capabilities": ["x"]},
            sender=Address("team/one")),
    ]),
    Scenario("the token's actor may speak without having registered", [
        connect("b"), register("b"), connect("a"),
        say("a", "hub:send", {"to": Address("b"), "type": "x", "data": 1}), sent("b", "x", "a", 1),
    ]),
    Scenario("a session registers only what its token allows", [
        connect("b"), register("b"),
        connect("a"), register("a"), register("a", "team/x"),
        register("a", "b", error="unauthorized"),
        register("a", "free/address", error="unauthorized"),
        register("a", "team", error="unauthorized"),
        register("a", "xteam/y", error="unauthorized"),
        register("a", "cloudflare/signal-hub", error="unauthorized"),
        registered_are("b", "a", "b", "team/x"),
    ]),
    Scenario("a session renews only what its token allows, whoever's renewal token it has", [
        connect("b"), register("b", expect={"renewalToken": Save("theirs")}),
        connect("a"), register("a", expect={"renewalToken": Save("mine")}),
        say("a", "hub:renew", {"renewalToken": Saved("theirs")}, error="unauthorized"),
        say("a", "hub:renew", NULL, metadata={"renewalToken": Saved("theirs")}, error="unauthorized"),
        say("a", "hub:renew", {"renewalToken": Saved("mine")}),
        say("b", "hub:renew", {"renewalToken": Saved("theirs")}),
    ]),
    Scenario("a session unregisters only what its token allows", [
        connect("b"), register("b"), connect("a"), register("a"),
        say("a", "hub:unregister", {"actorAddress": Address("b")}, error="unauthorized"),
        say("a", "hub:unregister", {"actorAddress": Address("b")}, sender=Address("b"), error="unauthorized"),
        registered_are("b", "a", "b"),
        say("a", "hub:unregister", {"actorAddress": Address("a")}, pattern="ask"),
        registered_are("b", "b"),
    ]),
    Scenario("two sessions of one actor: the newer registration wins, as without tokens", [
        connect("a"), register("a"),
        connects_with("b", lambda: TOKEN("test/a")),
        say("b", "hub:register", {"actorAddress": Address("a"), "capabilities": ["x"]}, sender=Address("a"),
            expect={"version": 2}),
        gets("a", "hub:disconnect", {"reason": "duplicate_connection"}), closed("a", 1000),
    ]),
    Scenario("a second hub:connect with another actor's token changes nobody's identity", [
        connect("b"), register("b"), connect("a"), register("a"),
        does("a connects as b", lambda run: _connect_again(run)),
        say("b", "hub:list_actors", {}, expect={"total": 2}),
    ]),
]
test_row = rows(ROWS, stage="staged")

# What comes of a bad token does not depend on form and pattern; each on a socket of its own.
REFUSED = [
    Scenario(f"a token that is refused: {name}", [
        connects_with("a", token, error=BAD),
        connect("b"), say("b", "hub:list_actors", {}, expect={"total": 0}),
    ], forms=("bare",), patterns=("ask",)) for name, token in ATTACKS.items()
]
test_refused = rows(REFUSED, stage="staged")


async def _refresh(run):
    token = TOKEN("test/a")
    reply = await run.ask("a", "hub:refresh_token", {"token": token})
    run.check("type", "hub:token_refreshed", reply["type"])
    run.check("payload", {"token": TEXT, "expiresAt": from_now(3_600_000)}, reply["payload"])
    fresh = jwt.decode(reply["payload"]["token"], tokens.SECRET, algorithms=["HS256"], issuer="signal-hub")
    given = jwt.decode(token, tokens.SECRET, algorithms=["HS256"])
    for name in ("iss", "sub", "actorId", "actors", "capabilities"):
        assert fresh[name] == given[name], name
    assert abs(fresh["exp"] * 1000 - reply["payload"]["expiresAt"]) < 1000
    # It is good for another connection.
    payload, metadata = run.connect_fields_with(reply["payload"]["token"])
    again = await run.ask("second", "hub:connect", payload, metadata=metadata)
    run.check("type", "hub:connected", again["type"])


async def _from(run, client, kind, sender):
    it = await run.next(client, lambda frame: frame["type"] == kind)
    run.check("from", Address(sender), it["from"], client)


async def _connect_again(run):
    payload, metadata = run.connect_fields_with(TOKEN("test/b"))
    await run.ask("a", "hub:connect", payload, metadata=metadata)
    # Whatever the answer is: it speaks for itself still, and for nobody else.
    reply = await run.ask("a", "hub:send", {"to": Address("a"), "type": "x", "data": 1}, **{"from": Address("b")})
    run.check("type", "hub:error", reply["type"])
    reply = await run.ask("a", "hub:list_actors", {})
    run.check("type", "hub:actor_list", reply["type"])


# --- Public keys

@pytest.fixture(scope="module", params=["RS256 pem", "RS256 jwks", "ES256 pem", "ES256 jwks"])
def asymmetric(request, tmp_path_factory):
    kind, form = request.param.split()
    directory = tmp_path_factory.mktemp("keys")
    private, public = RSA_KEYS if kind == "RS256" else EC_KEYS
    (directory / "public").write_text(public if form == "pem" else tokens.jwks(kind, public))
    (directory / "private").write_text(private)
    options = {"auth-algorithm": kind, "auth-key": str(directory / "public"), "rate-limit": "0",
               "auth-signing-key": str(directory / "private"), "connect-timeout": "0"}
    with Cluster(options=options) as cluster:
        cluster.kind, cluster.private, cluster.public = kind, private, public
        cluster.kid = {"kid": "one"} if form == "jwks" else None
        cluster.key_file = directory / "public"
        yield cluster


async def _connect_with(cluster, token):
    async with open_socket(cluster.ws_url("/ws/keys")) as client:
        reply = await Actor(client.protocol, "test/a").call("hub:connect", {"version": "1.0", "jwt": token})
        return reply["type"], reply["payload"].get("code")


async def test_public_keys_and_attacks_on_them(asymmetric):
    cluster = asymmetric
    another, _ = tokens.new_keys(cluster.kind)

    def signed(key, **more):
        return jwt.encode(tokens.claims(), key, algorithm=cluster.kind, headers=cluster.kid, **more)

    assert await _connect_with(cluster, signed(cluster.private)) == ("hub:connected", None)
    confused = {"alg": "HS256", "typ": "JWT", **(cluster.kid or {})}
    for bad in (
            signed(another),
            unsigned({"alg": "none"}),
            # The public key, which everybody has, taken for a shared secret.
            _hmac_signed(confused, cluster.public), _hmac_signed(confused, cluster.public.strip()),
            _hmac_signed(confused, cluster.key_file.read_text()),
            jwt.encode(tokens.claims(), RSA_KEYS[0] if cluster.kind == "ES256" else EC_KEYS[0],
                       algorithm="RS256" if cluster.kind == "ES256" else "ES256", headers=cluster.kid)):
        kind, code = await _connect_with(cluster, bad)
        assert kind == "hub:error" and code in BAD, (kind, code)


def _hmac_signed(header, key):
    text = unsigned(header).rpartition(".")[0]
    return text + "." + tokens.part(hmac.new(key.encode(), text.encode(), hashlib.sha256).digest())


async def test_refresh_with_a_private_key(asymmetric):
    cluster = asymmetric
    token = jwt.encode(tokens.claims(), cluster.private, algorithm=cluster.kind, headers=cluster.kid)
    async with open_socket(cluster.ws_url("/ws/refresh")) as client:
        actor = Actor(client.protocol, "test/a")
        await actor.must("hub:connect", {"version": "1.0", "jwt": token})
        fresh = await actor.must("hub:refresh_token", {"token": token})
    decoded = jwt.decode(fresh["token"], cluster.public, algorithms=[cluster.kind], issuer="signal-hub")
    assert decoded["actorId"] == "test/a"
    assert await _connect_with(cluster, fresh["token"]) == ("hub:connected", None)


# --- At the upgrade

@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    options = {**OPTIONS(tmp_path_factory.mktemp("upgrade")), "auth-upgrade": "true", "rate-limit": "0",
               "allowed-origins": "https://app.example,https://*.team.example"}
    with Cluster(options=options) as cluster:
        yield cluster


PATHS = ["/ws/guarded", "/websocket/guarded", "/"]


@pytest.mark.parametrize("path", PATHS)
async def test_upgrade_takes_a_token_from_the_header(guarded, path):
    for scheme in ("Bearer", "bearer"):
        assert await upgrade_status(guarded.ws_url(path), extra_headers={"Authorization": f"{scheme} {signed()}"}) == 101


@pytest.mark.parametrize("path", PATHS)
async def test_upgrade_takes_a_browsers_token_from_the_subprotocol(guarded, path):
    assert await upgrade_status(guarded.ws_url(path), subprotocols=[f"bearer.{signed()}"]) == 101
    assert await upgrade_status(guarded.ws_url(path), subprotocols=["app.v1", f"bearer.{signed()}"]) == 101


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("name", [name for name in ATTACKS if name != "a very long one"])
async def test_upgrade_without_a_good_token_is_401(guarded, path, name):
    token = ATTACKS[name]() if callable(ATTACKS[name]) else ATTACKS[name]
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    assert await upgrade_status(guarded.ws_url(path), extra_headers=headers) == 401
    if token and "=" not in token:
        assert await upgrade_status(guarded.ws_url(path), subprotocols=[f"bearer.{token}"]) == 401


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("origin, status", [
    ("https://app.example", 101), ("https://x.team.example", 101), ("https://evil.example", 403),
    ("http://app.example", 403), ("https://app.example.evil.example", 403), ("https://app.example:8443", 403),
    ("null", 403), (None, 101)])
async def test_upgrade_from_an_origin(guarded, path, origin, status):
    headers = {"Authorization": f"Bearer {signed()}", **({"Origin": origin} if origin else {})}
    assert await upgrade_status(guarded.ws_url(path), extra_headers=headers) == status


async def test_the_upgrades_token_binds_the_session(guarded):
    """hub:connect with another actor's token, or as another actor, on a socket that was opened for one."""
    async with open_socket(guarded.ws_url("/ws/bound"), extra_headers={"Authorization": f"Bearer {signed()}"}) as client:
        mine = Actor(client.protocol, "test/a")
        await mine.must("hub:connect", {"version": "1.0", "jwt": signed()})
        reply = await mine.call("hub:register", {"actorAddress": "test/b", "capabilities": ["x"]})
        assert (reply["type"], reply["payload"]["code"]) == ("hub:error", "unauthorized")
        await mine.register()


async def test_no_secret_is_in_a_log(guarded):
    token = signed("another secret, also of more than 32 bytes")
    await upgrade_status(guarded.ws_url("/ws/logs"), extra_headers={"Authorization": f"Bearer {token}"})
    for process in (guarded.statekeeper, *guarded.gateways):
        text = process.log_text()
        assert tokens.SECRET not in text and token not in text and token.rpartition(".")[2] not in text


async def test_a_socket_that_does_not_connect_is_closed(tmp_path):
    """connect-timeout: from the socket's opening to a successful hub:connect."""
    with Cluster(options={**OPTIONS(tmp_path), "connect-timeout": "300ms", "rate-limit": "0"}) as cluster:
        async with open_socket(cluster.ws_url("/ws/late")) as late, open_socket(cluster.ws_url("/ws/late")) as refused, \
                open_socket(cluster.ws_url("/ws/late")) as good:
            actor = Actor(good.protocol, "test/a")
            await actor.must("hub:connect", {"version": "1.0", "jwt": signed()})
            await refused.send(json.dumps({"id": "1", "type": "hub:connect", "from": "test/a",
                                           "payload": {"version": "1.0", "jwt": "x"}}))
            for client in (late, refused):
                assert (await client.closed())[0] not in (1000, 1006)
            assert (await actor.call("hub:list_actors"))["type"] == "hub:actor_list"
