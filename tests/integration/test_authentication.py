"""Tokens over real processes: who gets in, as whom, for how long; keys that change; starts that are refused."""

import contextlib
import os
import time

import pytest
from cluster import Cluster, until
from tokens import OMIT, SECRET, jwks, new_keys, signed, unsigned
from ws import Actor, connect


class Keys:
    """Files of one algorithm, and the key that signs for them."""

    def __init__(self, directory, algorithm):
        self.directory = directory
        self.algorithm = algorithm
        self.options = {"auth-algorithm": algorithm}
        if algorithm == "HS256":
            self.private = SECRET
            self.options["auth-key"] = self.write("key", SECRET + "\n")
        else:
            self.private, public = new_keys(algorithm)
            self.options["auth-key"] = self.write("key", jwks(algorithm, public))
            self.options["auth-signing-key"] = self.write("private", self.private)

    def write(self, name, text):
        path = os.path.join(self.directory, name)
        with open(path + ".new", "w", encoding="utf-8") as file:
            file.write(text)
        os.rename(path + ".new", path)
        return path

    def token(self, actor="test/alice", **changes):
        return signed(self.private, algorithm=self.algorithm, actor=actor, **changes)


@pytest.fixture(scope="module", params=["HS256", "RS256", "ES256"])
def keys(request, tmp_path_factory):
    return Keys(str(tmp_path_factory.mktemp("keys")), request.param)


@pytest.fixture(scope="module")
def cluster(keys):
    with Cluster(options={"rate-limit": "0", "hibernate-after": "300ms", **keys.options}) as it:
        yield it


@pytest.fixture(params=["0.1", "1.0"])
def dialect(request):
    return request.param


@contextlib.asynccontextmanager
async def stranger(cluster, address="test/temp"):
    """A socket that has not said who it is."""
    async with connect(cluster.ws_url("/ws/tokens")) as client:
        yield Actor(client.protocol, address)


async def say_hello(client, dialect, text):
    if dialect == "0.1":
        return await client.call("hub:connect", None, metadata={
            "protocolVersion": "0.1.0", "capabilities": ["send"], "authToken": "Bearer " + text})
    return await client.call("hub:connect", {"version": "1.0", "jwt": text})


@contextlib.asynccontextmanager
async def session(cluster, dialect, text, address):
    async with stranger(cluster) as client:
        reply = await say_hello(client, dialect, text)
        assert reply["type"] == "hub:connected", reply
        client.address = address
        yield client


async def refused(client, kind, payload=None, code="unauthorized", **fields):
    reply = await client.call(kind, payload, **fields)
    assert (reply["type"], reply["payload"].get("code")) == ("hub:error", code), reply
    assert reply["payload"]["resolution"]
    return reply["payload"]["message"]


async def test_a_good_token_opens_a_session_of_its_actor(cluster, keys, dialect):
    async with stranger(cluster) as client:
        reply = await say_hello(client, dialect, keys.token())
        assert reply["payload"]["actorIdentity"] == "test/alice", reply
        client.address = "test/alice"
        await client.register()
        assert await client.addresses() == ["test/alice"]


async def test_without_one_nothing_goes_and_another_try_is_free(cluster, keys, dialect):
    async with stranger(cluster) as client:
        assert "has not connected" in await refused(client, "hub:discover", {"pattern": "*"})
        wrong = keys.token(iss="someone-else")
        for text in ("", "garbage", wrong, wrong[:-5] + "AAAAA", keys.token(exp=int(time.time()) - 1),
                     keys.token(sub=OMIT), unsigned({"alg": "none"})):
            reply = await say_hello(client, dialect, text)
            assert reply["payload"]["code"] == "unauthorized", reply
            assert not text or text not in str(reply)
        reply = await say_hello(client, dialect, keys.token())
        assert reply["type"] == "hub:connected"


async def test_nobody_speaks_for_another(cluster, keys, dialect):
    async with session(cluster, dialect, keys.token("test/bob"), "test/bob") as bob, \
            session(cluster, dialect, keys.token(actors=["worker/*"]), "test/alice") as alice:
        await bob.register()
        renewal = (await alice.register("worker/1"))["renewalToken"]
        await cluster.asleep()  # what the session may do is not kept in memory
        content = {"to": "test/bob", "type": "t", "data": 1}
        assert await refused(alice, "hub:send", content, **{"from": "test/bob"})
        assert await refused(alice, "hub:register", {"actorAddress": "test/bob", "capabilities": ["x"]})
        assert await refused(bob, "hub:unregister", {"actorAddress": "worker/1"}, **{"from": "worker/1"})
        assert await refused(bob, "hub:renew", {"renewalToken": renewal})
        await alice.must("hub:send", content, **{"from": "worker/1"})
        assert (await bob.next())["from"] == "worker/1"
        assert await bob.addresses() == ["test/bob", "worker/1"]


async def test_a_session_ends_with_its_token_unless_it_is_refreshed(cluster, keys, dialect):
    end = int(time.time()) + 3
    short = keys.token(exp=end, capabilities=["discover", "subscribe"])
    async with session(cluster, dialect, short, "test/alice") as kept, \
            session(cluster, dialect, short, "test/alice") as lost:
        fresh = await kept.must("hub:refresh_token", {"token": short})
        assert fresh["expiresAt"] > (end + 3000) * 1000
        assert "another actor" in await refused(kept, "hub:refresh_token", {"token": keys.token("test/bob")},
                                                code="invalid_token")

        async def expired():
            return (await lost.call("hub:discover", {"pattern": "*"}))["type"] == "hub:error"

        await until(expired, "the token has expired")
        assert time.time() >= end
        assert "expired" in await refused(lost, "hub:discover", {"pattern": "*"})
        await kept.must("hub:discover", {"pattern": "*"})
        assert "does not grant" in await refused(kept, "hub:send", {"to": "test/alice", "type": "t"})
        # The fresh one is as good as any.
        assert (await say_hello(lost, dialect, fresh["token"]))["type"] == "hub:connected"
        await lost.must("hub:discover", {"pattern": "*"})


@pytest.mark.parametrize("algorithm", ["HS256", "ES256"])
async def test_keys_change_under_way(tmp_path, algorithm):
    keys = Keys(str(tmp_path), algorithm)
    options = dict(keys.options)
    options.pop("auth-signing-key", None)
    with Cluster(options={"rate-limit": "0", **options}) as cluster:
        async with stranger(cluster) as client:
            assert (await say_hello(client, "1.0", keys.token()))["type"] == "hub:connected"
            if algorithm == "HS256":
                following = SECRET[::-1]
                keys.write("key", following)
            else:
                following, public = new_keys(algorithm)
                keys.write("key", jwks(algorithm, public, kid="two"))
            headers = None if algorithm == "HS256" else {"kid": "two"}

            text = signed(following, algorithm=algorithm, actor="test/alice", headers=headers)

            async def taken():
                # On a socket of its own each time: so many bad tokens end one.
                async with stranger(cluster) as another:
                    return (await say_hello(another, "1.0", text))["type"] == "hub:connected"

            await until(taken, "the new key counts")
            assert (await say_hello(client, "1.0", text))["type"] == "hub:connected"
            async with stranger(cluster) as other:
                assert (await say_hello(other, "1.0", keys.token()))["payload"]["code"] == "unauthorized"


@pytest.mark.parametrize("options, said", [
    ({"auth-algorithm": "hs256", "auth-key": "/dev/null"}, "--auth-algorithm must be none, HS256, RS256 or ES256"),
    ({"auth-algorithm": "HS256"}, "--auth-key is missing"),
    ({"auth-algorithm": "HS256", "auth-key": "/nonexistent"}, "--auth-key: /nonexistent does not exist"),
    ({"auth-algorithm": "HS256", "auth-key": "SHORT"}, "less than 16 bytes"),
    ({"auth-algorithm": "RS256", "auth-key": "SHORT"}, "holds no public key"),
    ({"auth-algorithm": "ES256", "auth-key": "PUBLIC", "auth-signing-key": "PRIVATE"}, "does not belong"),
    ({"auth-key": "PUBLIC"}, "--auth-key needs --auth-algorithm"),
], ids=lambda value: value[:25] if isinstance(value, str) else "")
def test_a_start_that_would_let_the_wrong_in_is_refused(tmp_path, options, said):
    files = {"SHORT": "too short\n", "PUBLIC": new_keys("ES256")[1], "PRIVATE": new_keys("ES256")[0]}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    options = {name: str(tmp_path / value) if value in files else value for name, value in options.items()}
    with Cluster(options=options, start=False) as cluster:
        status, output = cluster.run_to_end(cluster.statekeeper_command())
    assert status not in (0, None)
    assert said in output, output
    assert "too short" not in output and "BEGIN" not in output.replace("-----BEGIN PUBLIC KEY-----", "")
