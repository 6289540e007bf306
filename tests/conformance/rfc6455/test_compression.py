"""permessage-deflate (RFC 7692): what is agreed on, messages of all kinds, and what is none. (Groups 12 and 13)

Neither side keeps its window from one message to the next.
"""

import json
import random
import zlib

import pytest
from cluster import SLOWNESS, Cluster

from .conftest import LIMIT, OPTIONS, Place
from .wire import (BINARY, CLOSE, PING, PONG, TEXT, WAYS, Frame, Heard, Wire, continuation, fragments, is_refused,
                   parts_of, ping, text)

KIB, MIB = 1 << 10, 1 << 20
COMPRESSED = 4  # RSV1
OFFER = "permessage-deflate"
TAIL = b"\0\0\xff\xff"
NO_DEFLATE = {1002, 1007}


@pytest.fixture(scope="module", name="compressing")
def _compressing():
    options = {**OPTIONS, "compression": "deflate"}
    with Cluster(options=options, statekeeper_program="dormouse-mirror-statekeeper") as it:
        yield it


class DeflateWire(Wire):
    """Offers, and inflates what it hears with no larger a window than was agreed on."""

    def __init__(self, port, path, offers=(OFFER,), **how):
        super().__init__(port, path, fields=[f"Sec-WebSocket-Extensions: {offer}" for offer in offers], **how)
        self.agreed = agreed_in(self.head)
        self.compressed_bytes = 0

    def is_compressed(self, opcode, reserved):
        assert reserved == 0 or reserved == COMPRESSED and opcode != 0 and self.agreed is not None, (opcode, reserved)
        return bool(reserved)

    def inflate(self, payload):
        self.compressed_bytes += len(payload)
        inflater = zlib.decompressobj(-int(self.agreed.get("server_max_window_bits", 15)))
        said = inflater.decompress(payload + TAIL)
        inflater.decompress(b"\1\0\0\xff\xff")
        assert inflater.eof, "the message ends within a block"
        return said


def agreed_in(head):
    """The parameters of permessage-deflate, or None."""
    lines = [line.partition(":")[2].strip() for line in head.decode().split("\r\n")
             if line.lower().startswith("sec-websocket-extensions:")]
    if not lines:
        return None
    assert len(lines) == 1 and "," not in lines[0], lines
    name, *parameters = (part.strip() for part in lines[0].split(";"))
    assert name == OFFER
    pairs = [(key, value.strip('"')) for key, _, value in (parameter.partition("=") for parameter in parameters)]
    assert len(dict(pairs)) == len(pairs), lines
    return dict(pairs)


def deflated(data, bits=15, level=6):
    deflater = zlib.compressobj(level, wbits=-bits)
    return (deflater.compress(data) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-len(TAIL)]


def squeezed(opcode, data, **how):
    return Frame(opcode, deflated(data, **how), reserved=COMPRESSED)


def squeezed_fragments(opcode, parts):
    first, *rest = fragments(opcode, parts)
    return [Frame(first.opcode, first.payload, first.final, COMPRESSED), *rest]


@pytest.fixture(name="place")
def _place(compressing):
    it = Place(compressing, DeflateWire)
    yield it
    it.leave()


@pytest.fixture(name="wire")
def _wire(place, request):
    it = place.wire(seed=request.node.name)
    assert it.agreed is not None
    return it


def speaks(wire):
    """It is understood, whatever was agreed on, and both ways."""
    said = b'{"type":"update","name":"value"}' * 2000
    frame = text(said) if wire.agreed is None else \
        squeezed(TEXT, said, bits=max(9, int(wire.agreed.get("client_max_window_bits", 15))))
    wire.say(frame, text("plain"))
    wire.hears(Heard(TEXT, said), Heard(TEXT, b"plain"))


# --- what is agreed on

ACCEPTED = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_max_window_bits=9",
    "permessage-deflate;client_max_window_bits = 15 ;server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; server_max_window_bits=9",
    "permessage-deflate; server_max_window_bits=12; client_max_window_bits",
    'permessage-deflate; server_max_window_bits="10"',
    "permessage-deflate; server_max_window_bits=15",
]
DECLINED = [
    "permessage-deflate; server_max_window_bits",
    "permessage-deflate; server_max_window_bits=7",
    "permessage-deflate; server_max_window_bits=16",
    "permessage-deflate; server_max_window_bits=010",
    "permessage-deflate; server_max_window_bits=-9",
    "permessage-deflate; server_max_window_bits=ten",
    "permessage-deflate; client_max_window_bits=7",
    "permessage-deflate; client_max_window_bits=16",
    "permessage-deflate; client_max_window_bits=",
    "permessage-deflate; client_no_context_takeover=1",
    "permessage-deflate; server_no_context_takeover=true",
    "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
    "permessage-deflate; server_max_window_bits=10; server_max_window_bits=10",
    "permessage-deflate; unknown",
    "permessage-deflate; unknown=1",
    "permessage-bzip2",
    "x-webkit-deflate-frame",
    "permessage-deflated",
]


@pytest.mark.parametrize("offer", ACCEPTED)
def test_offers_that_are_accepted(place, offer):
    wire = place.wire(offers=[offer])
    assert wire.agreed.keys() >= {"server_no_context_takeover", "client_no_context_takeover"}
    assert wire.agreed.keys() <= {"server_no_context_takeover", "client_no_context_takeover", "server_max_window_bits",
                                  "client_max_window_bits"}
    if "server_max_window_bits" in offer:
        asked = int("".join(filter(str.isdigit, offer.partition("server_max_window_bits")[2].partition(";")[0])))
        assert 9 <= int(wire.agreed["server_max_window_bits"]) <= asked
    if "client_max_window_bits" not in offer:
        assert "client_max_window_bits" not in wire.agreed, "nobody has said that it can"
    speaks(wire)


@pytest.mark.parametrize("offer", DECLINED)
def test_offers_that_are_declined(place, offer):
    """Not the connection: it does without."""
    wire = place.wire(offers=[offer])
    assert wire.agreed is None
    speaks(wire)


@pytest.mark.parametrize("offers", [
    ["permessage-deflate; unknown, permessage-deflate"], ["x-webkit-deflate-frame, permessage-deflate"],
    ["permessage-bzip2", "permessage-deflate; server_max_window_bits=10"],
    ["permessage-deflate; server_max_window_bits=16", "permessage-deflate; client_max_window_bits"]])
def test_the_first_offer_that_can_be_met(place, offers):
    wire = place.wire(offers=offers)
    assert wire.agreed is not None
    speaks(wire)


def test_windows_of_eight_bits(place):
    """Zlib has none so small: declined, or honoured."""
    wire = place.wire(offers=["permessage-deflate; server_max_window_bits=8"])
    assert wire.agreed is None or wire.agreed["server_max_window_bits"] == "8"
    speaks(wire)


def test_no_offer_no_compression(place):
    wire = place.wire(offers=[])
    assert wire.agreed is None
    speaks(wire)
    is_refused(wire, "at once", {1002}, [squeezed(TEXT, b"hello")])


def test_off_by_default(cluster):
    place = Place(cluster, DeflateWire)
    wire = place.wire()
    assert wire.agreed is None
    speaks(wire)
    is_refused(wire, "at once", {1002}, [squeezed(TEXT, b"hello")])
    place.leave()


# --- messages

def like_json(size):
    chance = random.Random(size)
    said = "".join(json.dumps({"id": f"m{number}", "from": "browser/client", "type": "hub:publish", "payload": {
        "value": chance.random(), "text": chance.choice(["Ωmega", "alpha", "été"])}}, ensure_ascii=False)
        for number in range(size // 100 + 1))
    return said.encode()[:size].decode(errors="ignore").encode().ljust(size, b" ")


def noise(size):
    return random.Random(size).randbytes(size)


CONTENTS = {"json": (TEXT, like_json), "noise": (BINARY, noise), "zeros": (BINARY, bytes),
            "letters": (TEXT, b"a".__mul__)}
SIZES = pytest.mark.parametrize("size", [0, 16, 64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 128 * KIB])
EACH_CONTENT = pytest.mark.parametrize("content", CONTENTS.values(), ids=CONTENTS.keys())


@SIZES
@EACH_CONTENT
@pytest.mark.parametrize("offer", ["", "; server_max_window_bits=9",
                                   "; server_max_window_bits=10; client_max_window_bits"], ids=["15", "9", "10"])
def test_sizes(place, size, content, offer):
    opcode, make = content
    wire = place.wire(offers=[OFFER + offer])
    data = make(size)
    bits = max(9, int(wire.agreed.get("client_max_window_bits", 15)))
    for level in (0, 1, 9):
        wire.say(squeezed(opcode, data, level=level, bits=bits), Frame(opcode, data))
        wire.hears(*[Heard(opcode, data)] * 2)


@SIZES
@EACH_CONTENT
@pytest.mark.parametrize("part", [1, 100, 4096])
def test_in_frames(wire, size, content, part):
    opcode, make = content
    data = make(size)
    if part == 1 and size > 4 * KIB:
        data = data[:4 * KIB].decode(errors="ignore").encode() if opcode == TEXT else data[:4 * KIB]
    wire.say(*squeezed_fragments(opcode, parts_of(deflated(data), part)))
    wire.hears(Heard(opcode, data))


@EACH_CONTENT
@pytest.mark.parametrize("segment", [1, 7, 997])
def test_in_segments(wire, content, segment):
    opcode, make = content
    data = make(64 * KIB if segment > 100 else 300)
    in_frames = squeezed_fragments(opcode, parts_of(deflated(data), 500))
    wire.say_in_segments(squeezed(opcode, data), *in_frames, size=segment)
    wire.hears(*[Heard(opcode, data)] * 2)


def test_many_behind_each_other(wire):
    """With and without compression, with pings between and within."""
    messages = [Heard(opcode, make(size)) for size in (0, 1, 5, 300, 2000) for opcode, make in CONTENTS.values()] * 10
    pongs = []
    for number, (opcode, data) in enumerate(messages):
        pongs.append(Heard(PONG, b"%d" % number))
        frames = squeezed_fragments(opcode, parts_of(deflated(data), 40)) if number % 3 else [Frame(opcode, data)]
        wire.say(*frames[:1], ping(pongs[-1].payload), *frames[1:])
    heard = [wire.hear() for _ in range(len(messages) + len(pongs))]
    assert [each for each in heard if each.opcode == PONG] == pongs
    assert [each for each in heard if each.opcode != PONG] == messages


def test_what_is_heard_is_smaller(wire):
    data = like_json(16 * KIB)
    wire.say(text(data))
    wire.hears(Heard(TEXT, data))
    assert 0 < wire.compressed_bytes < len(data) // 2


def test_all_of_a_hub_hear_the_same(place):
    """However each has agreed."""
    path = place.hub("crier")
    listeners = [place.wire(path, offers=offers) for offers in (
        [], [OFFER], [OFFER + "; server_max_window_bits=9"], [OFFER + "; server_max_window_bits=12"], [OFFER], [])]
    for listener in listeners:
        listener.is_alive()
    speaker = place.wire(path)
    said = [Heard(TEXT, like_json(64 * KIB)), Heard(BINARY, noise(3000)), Heard(TEXT, b"")]
    speaker.say(*(squeezed(*each) for each in said))
    for listener in listeners:
        listener.hears(*said)


# Forms that other compressors give to "Hello", or may.
HELLO = {
    "fixed codes": "f248cdc9c90700",
    "as it is": "000500faff48656c6c6f00",
    "the last block, and an empty one": "f348cdc9c9070000",
    "two blocks": "f248050000 00ffffcac9c90700",
    "empty blocks before": "000000ffff 000000ffff f248cdc9c90700",
    "a byte a block": "".join(f"000100feff{letter:02x}" for letter in b"Hello") + "00",
}


@pytest.mark.parametrize("form", HELLO.values(), ids=HELLO.keys())
def test_forms_of_the_same(wire, form):
    payload = bytes.fromhex(form)
    wire.say(Frame(TEXT, payload, reserved=COMPRESSED), *squeezed_fragments(TEXT, parts_of(payload, 1)))
    wire.hears(*[Heard(TEXT, b"Hello")] * 2)


@pytest.mark.parametrize("payload", [b"\0", b"\2\0"], ids=bytes.hex)
def test_forms_of_nothing(wire, payload):
    wire.say(*squeezed_fragments(TEXT, [payload]), text("next"))
    wire.hears(Heard(TEXT, b""), Heard(TEXT, b"next"))


# --- what is none

BY_WAYS = pytest.mark.parametrize("way", WAYS)
BEFORE = [ping(b"before")]


@BY_WAYS
@pytest.mark.parametrize("bits", [1, 2, 3, 5, 6, 7], ids="{:03b}".format)
def test_bits_that_nothing_was_agreed_of(wire, way, bits):
    is_refused(wire, way, {1002}, [Frame(TEXT, deflated(b"hello"), reserved=bits)], BEFORE)


@BY_WAYS
@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE])
def test_control_frames_are_not_compressed(wire, way, opcode):
    is_refused(wire, way, {1002}, [Frame(opcode, b"\x03\xe8", reserved=COMPRESSED)], BEFORE)


@BY_WAYS
@pytest.mark.parametrize("first", [0, COMPRESSED], ids=["not compressed", "compressed"])
def test_messages_are_compressed_from_their_first_frame_on(wire, way, first):
    payload = deflated(b"hello" * 20)
    wrong = [Frame(BINARY, payload[:3], False, first), continuation(payload[3:], reserved=COMPRESSED)]
    is_refused(wire, way, {1002}, wrong, BEFORE)


NONE = {"no block": b"\xff" * 20, "no such length": bytes.fromhex("000500000048656c6c6f00"),
        "too far back": bytes.fromhex("f200110000"), "no codes": b"\x04" + bytes(20) + b"\xff" * 20,
        "unfinished": bytes.fromhex("0064009bff") + b"x" * 20,
        "half of it": deflated(noise(2000) + b"\0" * 3000)[:1000]}


@BY_WAYS
@pytest.mark.parametrize("payload", NONE.values(), ids=NONE.keys())
def test_what_cannot_be_inflated(wire, way, payload):
    is_refused(wire, way, NO_DEFLATE, [Frame(BINARY, payload, reserved=COMPRESSED)], BEFORE)


def test_windows_are_not_kept(wire):
    """A message that goes back into the one before."""
    wire.say(Frame(TEXT, bytes.fromhex("f248cdc9c90700"), reserved=COMPRESSED))
    wire.hears(Heard(TEXT, b"Hello"))
    is_refused(wire, "at once", NO_DEFLATE, [Frame(TEXT, bytes.fromhex("f200110000"), reserved=COMPRESSED)])


@pytest.mark.parametrize("data", [b"\xff", b"good \xed\xa0\x80", b"x" * 50_000 + b"\xc0\x80" + b"x" * 50_000,
                                  b"end \xe2\x82"], ids=["at once", "later", "far on", "unfinished"])
def test_what_is_inflated_is_text(wire, data):
    is_refused(wire, "at once", {1007}, squeezed_fragments(TEXT, parts_of(deflated(data), 9)), BEFORE)


def test_text_goes_on_over_frames_and_blocks(wire):
    payload = b"".join(b"\0\1\0\xfe\xff" + bytes([byte]) for byte in "é€\U0001f40f".encode()) + b"\0"
    for part in (1, 6, 7, 100):
        wire.say(*squeezed_fragments(TEXT, parts_of(payload, part)))
        wire.hears(Heard(TEXT, "é€\U0001f40f".encode()))


# --- bombs

def bomb(size):
    deflater = zlib.compressobj(9, wbits=-15)
    return b"".join([*(deflater.compress(bytes(MIB)) for _ in range(size // MIB)), deflater.compress(bytes(size % MIB)),
                     deflater.flush(zlib.Z_SYNC_FLUSH)])[:-len(TAIL)]


def test_the_limit_holds_of_what_is_inflated(wire):
    wire.say(Frame(BINARY, bomb(LIMIT), reserved=COMPRESSED))
    wire.hears(Heard(BINARY, bytes(LIMIT)))
    wire.say(Frame(BINARY, bomb(LIMIT + 1), reserved=COMPRESSED))
    wire.closes(1009)


def test_the_limit_holds_over_frames(wire):
    wire.write_some(wire.encoded(*squeezed_fragments(BINARY, parts_of(bomb(LIMIT + 1), 100))))
    wire.closes(1009)


def test_bombs(place, compressing):
    """A thousandth of it is sent. Nobody inflates the rest."""
    gateway = compressing.gateways[0]
    payload = bomb(512 * MIB)
    assert len(payload) < MIB
    warm = place.wire()
    warm.say(Frame(BINARY, bomb(LIMIT + 1), reserved=COMPRESSED))
    warm.closes(1009)
    before = gateway.rss()
    for number in range(4):
        wire = place.wire(seed=number)
        wire.write_some(wire.encoded(Frame(BINARY, payload, reserved=COMPRESSED)))
        wire.closes(1009)
    assert gateway.rss() - before < 6 * LIMIT * SLOWNESS


def test_class_echo_answers_what_is_too_large(place):
    wire = place.wire(place.hub("websocket"))
    assert b'"welcome"' in wire.hear().payload
    wire.say(Frame(TEXT, deflated(b"x" * (LIMIT + 1)), reserved=COMPRESSED))
    assert b'"message_too_large"' in wire.hear().payload
    wire.say(text("next"))
    assert b'"message":"next"' in wire.hear().payload
    wire.write_some(wire.encoded(Frame(TEXT, bomb(4 * LIMIT + 1), reserved=COMPRESSED)))
    wire.closes(1009)


def test_heads_are_judged_before_they_are_inflated(wire):
    wire.say(Frame(BINARY, announced=1 << 40, reserved=COMPRESSED))
    wire.closes(1009)
