"""Requests that no library would write, and what is answered to each (RFC 9112, RFC 6455). On both clusters."""

import pytest
from attack import ends, raw_client

UPGRADE = (b"GET /websocket/raw HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
           b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")


def changed(what, by):
    assert what in UPGRADE
    return UPGRADE.replace(what, by)


def with_line(line):
    return changed(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n")


REFUSED = {
    "no host": changed(b"Host: a\r\n", b""),
    "two hosts": with_line(b"Host: a"),
    "empty host": changed(b"Host: a", b"Host:"),
    "blank in host": changed(b"Host: a", b"Host: a b"),
    "user in host": changed(b"Host: a", b"Host: b@a"),
    "path in host": changed(b"Host: a", b"Host: a/b"),
    "port of host": changed(b"Host: a", b"Host: a:x"),
    "host without its target's": changed(b"GET /websocket/raw HTTP/1.1\r\nHost: a",
                                         b"GET http://a/websocket/raw HTTP/1.1\r\nX: a"),
    "user in target": changed(b"GET /", b"GET http://b@a/"),
    "another scheme": changed(b"GET /", b"GET ftp://a/"),
    "no slash": changed(b"GET /", b"GET "),
    "asterisk": changed(b"/websocket/raw", b"*"),
    "fragment": changed(b"/raw", b"/raw#x"),
    "control character in the path": changed(b"/raw", b"/raw\x01"),
    "two blanks": changed(b"GET ", b"GET  "),
    "body": with_line(b"Content-Length: 3").replace(b"\r\n\r\n", b"\r\n\r\nabc"),
    "chunked body": with_line(b"Transfer-Encoding: chunked").replace(b"\r\n\r\n", b"\r\n\r\n0\r\n\r\n"),
    "two lengths": with_line(b"Content-Length: 0\r\nContent-Length: 3"),
    "a list of lengths": with_line(b"Content-Length: 0, 0"),
    "a signed length": with_line(b"Content-Length: +0"),
    "length and coding": with_line(b"Content-Length: 0\r\nTransfer-Encoding: chunked"),
    "a coding that does not end": with_line(b"Transfer-Encoding: identity"),
    "a hidden coding": with_line(b"Transfer-Encoding : chunked"),
    "folded": with_line(b"A: b\r\n c"),
    "folded from the start": changed(b"Host", b" X: y\r\nHost"),
    "blank before the colon": with_line(b"A : b"),
    "tab before the colon": with_line(b"A\t: b"),
    "no name": with_line(b": b"),
    "no colon": with_line(b"A"),
    "carriage return in a value": with_line(b"A: b\rc"),
    "line feed in a value": with_line(b"A: b\nC: d"),
    "line feeds alone": UPGRADE.replace(b"\r\n", b"\n"),
    "NUL in a value": with_line(b"A: \0"),
    "control character in a value": with_line(b"A: \x1b[2J"),
    "two keys": with_line(b"Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA=="),
    "the key twice": with_line(b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
    "a short key": changed(b"dGhlIHNhbXBsZSBub25jZQ==", b"AAAA"),
    "the version twice": with_line(b"Sec-WebSocket-Version: 13"),
    "two origins": with_line(b"Origin: http://a\r\nOrigin: http://b"),
    "HTTP/1.0": changed(b"HTTP/1.1", b"HTTP/1.0"),
    "five empty lines": b"\r\n" * 5 + UPGRADE,
}
ANSWERED = {
    "whole address": (changed(b"GET /", b"GET http://elsewhere/"), b"101"),
    "whole address of a socket": (changed(b"GET /", b"GET wss://elsewhere:1/"), b"101"),
    "empty lines": (b"\r\n\r\n" + UPGRADE, b"101"),
    "no body": (with_line(b"Content-Length: 0"), b"101"),
    "lists": (changed(b"Connection: Upgrade\r\n", b"Connection: keep-alive\r\nconnection: ,close, upGrade\r\n"), b"101"),
    "a later minor version": (changed(b"HTTP/1.1", b"HTTP/1.2"), b"101"),
    "another major version": (changed(b"HTTP/1.1", b"HTTP/2.0"), b"505"),
    "another coding": (with_line(b"Transfer-Encoding: gzip, chunked"), b"501"),
    "a tunnel": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", b"501"),
    "small letters": (changed(b"GET", b"get"), b"405"),
    "another version of WebSocket": (changed(b"Version: 13", b"Version: 8"), b"426"),
    "two slashes": (changed(b"GET /websocket", b"GET //websocket"), b"404"),
    "encoded slash": (changed(b"/raw", b"%2Fraw"), b"404"),
    "101 headers": (with_line(b"\r\n".join([b"A: b"] * 96)), b"431"),
    "100 headers": (with_line(b"\r\n".join([b"A: b"] * 95)), b"101"),
    "one long header": (with_line(b"A: " + b"b" * 16384), b"431"),
    "HTTP/1.0 without a host": (b"GET /health HTTP/1.0\r\n\r\n", b"200"),
    "HAProxy's check": (b"OPTIONS /health HTTP/1.0\r\n\r\n", b"200"),
    "HAProxy's check without a path": (b"OPTIONS / HTTP/1.0\r\n\r\n", b"200"),
    "of the server": (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"200"),
    "of nothing": (b"OPTIONS /nothing HTTP/1.1\r\nHost: a\r\n\r\n", b"404"),
}


@pytest.fixture(params=["awake", "asleep"])
def cluster(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("name", REFUSED)
def test_refused_with_400(cluster, name):
    with raw_client(cluster, REFUSED[name]) as client:
        head, _, sentence = ends(client).decode().partition("\r\n\r\n")
    assert head.startswith("HTTP/1.1 400 Bad Request\r\n"), head
    assert "\r\nDate: " in head and sentence.endswith(".\n"), (head, sentence)


@pytest.mark.parametrize("name", ANSWERED)
def test_answered(cluster, name):
    request, status = ANSWERED[name]
    with raw_client(cluster, request) as client:
        assert client.recv(12) == b"HTTP/1.1 " + status


def test_preflight_of_health(cluster):
    with raw_client(cluster, b"OPTIONS /health HTTP/1.1\r\nHost: a\r\nOrigin: https://a.example\r\n"
                             b"Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: x\r\n\r\n") as client:
        head = ends(client).decode().partition("\r\n\r\n")[0].lower().split("\r\n")
    assert head[0] == "http/1.1 200 ok"
    assert {"access-control-allow-origin: *", "access-control-allow-methods: get, head, post, options",
            "access-control-allow-headers: *"} <= set(head)


def test_an_upgrade_is_asked_for_on_this_hop(cluster):
    with raw_client(cluster, b"GET /websocket HTTP/1.1\r\nHost: a\r\n\r\n") as client:
        head = ends(client).decode().partition("\r\n\r\n")[0].split("\r\n")
    assert head[0] == "HTTP/1.1 426 Upgrade Required"
    assert {"Connection: Upgrade, close", "Upgrade: websocket", "Sec-WebSocket-Version: 13"} <= set(head)
