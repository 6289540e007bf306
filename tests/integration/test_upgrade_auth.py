"""Tokens that are checked before a socket opens, whatever its class."""

import time

import pytest
import websockets
from attack import raw_client
from cluster import Cluster, http_get
from tokens import OMIT, SECRET, signed, unsigned
from ws import connect

ANOTHER_SECRET = "another secret, and just as long as ours is"


def cluster_with_key(path, **options):
    path.write_text(SECRET)
    return Cluster(options={"auth-algorithm": "HS256", "auth-key": str(path), "auth-upgrade": "true", **options})


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with cluster_with_key(tmp_path_factory.mktemp("keys") / "key", **{"log-level": "trace"}) as it:
        yield it


def bearer(text):
    return {"extra_headers": {"Authorization": "Bearer " + text}}


async def refusal(cluster, path="/websocket/door", **options):
    """The headers of the 401 that an upgrade gets."""
    with pytest.raises(websockets.InvalidStatusCode) as refused:
        async with connect(cluster.ws_url(path), **options):
            pass
    assert refused.value.status_code == 401
    return refused.value.headers


PATHS = pytest.mark.parametrize("path", ["/websocket", "/websocket/door", "/ws", "/ws/door", "/"])


@PATHS
async def test_a_good_token_opens(cluster, path):
    async with connect(cluster.ws_url(path), **bearer(signed())) as client:
        assert client.protocol.subprotocol is None
    async with connect(cluster.ws_url(path), subprotocols=["dormouse", "bearer." + signed()]) as client:
        assert client.protocol.subprotocol == "dormouse"
    alone = "bearer." + signed()
    async with connect(cluster.ws_url(path), subprotocols=[alone]) as client:
        assert client.protocol.subprotocol == alone


@PATHS
async def test_no_token_does_not(cluster, path):
    assert (await refusal(cluster, path))["WWW-Authenticate"] == 'Bearer realm="dormouse"'


@pytest.mark.parametrize("bad", [
    pytest.param(lambda: signed(ANOTHER_SECRET), id="forged"),
    pytest.param(lambda: signed(exp=int(time.time()) - 3600), id="expired"),
    pytest.param(lambda: signed(iss="somebody else"), id="issuer"),
    pytest.param(lambda: signed(actorId=OMIT), id="no actor"),
    pytest.param(lambda: "x", id="no token"),
    pytest.param(lambda: signed()[:-5], id="cut"),
    pytest.param(lambda: unsigned({"alg": "none"}), id="unsigned"),
])
async def test_a_bad_token_does_not(cluster, bad):
    for options in (bearer(bad()), {"subprotocols": ["dormouse", "bearer." + bad()]}):
        challenge = (await refusal(cluster, **options))["WWW-Authenticate"]
        assert 'error="invalid_token"' in challenge


def test_the_refusal_says_what_to_do(cluster):
    request = (b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
               b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    with raw_client(cluster, request) as connection:
        answer = b""
        while block := connection.recv(65536):
            answer += block
    head, _, body = answer.decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 401 Unauthorized\r\n")
    assert body.count("\n") == 1 and "Authorization: Bearer TOKEN" in body and "bearer.TOKEN" in body


async def test_tokens_are_nowhere_to_be_read(cluster):
    good, bad = signed(jti="a-good-one"), signed(ANOTHER_SECRET)
    async with connect(cluster.ws_url("/websocket/quiet"), **bearer(good)) as client:
        await client.recv()
    async with connect(cluster.ws_url("/websocket/quiet"), subprotocols=["bearer." + good]) as client:
        await client.recv()
    for options in (bearer(bad), {"subprotocols": ["bearer." + bad]}):
        assert bad not in str(await refusal(cluster, **options))
    for process in (cluster.statekeeper, *cluster.gateways):
        said = process.log_text() + http_get(process.admin, "/metrics")[1]
        for secret in (good, bad, good.split(".")[2], bad.split(".")[2], SECRET):
            assert secret not in said, process.name


def test_the_page_and_health_need_no_token(cluster):
    assert http_get(cluster.port(), "/health")[0] == 200
    assert http_get(cluster.port(), "/")[0] == 200


async def test_keys_are_read_again_when_they_change(tmp_path):
    with cluster_with_key(tmp_path / "key") as cluster:
        async with connect(cluster.ws_url("/websocket"), **bearer(signed())) as client:
            await client.recv()
            new = "quite another secret, which is in force from now on"
            (tmp_path / "new").write_text(new)
            (tmp_path / "new").rename(tmp_path / "key")
            deadline = time.monotonic() + 10
            while True:
                try:
                    async with connect(cluster.ws_url("/websocket"), **bearer(signed(new))):
                        break
                except websockets.InvalidStatusCode:
                    assert time.monotonic() < deadline
            await refusal(cluster, **bearer(signed()))
            assert (await client.ask("open ones stay"))["message"] == "open ones stay"


@pytest.mark.parametrize("content", [None, b"", b"short"], ids=["missing", "empty", "short"])
def test_a_bad_key_refuses_the_start(tmp_path, content):
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)
    with Cluster(start=False) as cluster:
        code, said = cluster.run_to_end([*cluster.gateways[0].command, "--auth-upgrade", "true", "--auth-algorithm",
                                         "HS256", "--auth-key", str(key)])
        assert code == 1
        assert "--auth-key" in said and str(key) in said
