"""Clients mask, with any mask; lengths are written in as few bytes as can be. (RFC 6455 5.1 to 5.3)"""

import random

import pytest

from .wire import (BINARY, CLOSE, NO_MASK, PING, PONG, TEXT, WAYS, Frame, Heard, binary, close, continuation,
                   is_refused, ping, text)

BEFORE = (text("before"), ping(b"before"))
# Those that look like heads of frames, where a parser loses its place, and those that change nothing or everything.
MASKS = [bytes.fromhex(mask) for mask in (
    "00000000", "ffffffff", "00008105", "81050000", "00810500", "05000081", "81818181", "88808880", "89808980",
    "8a008a00", "00000001", "01000000", "7f7f7f7f", "80808080", "fefefefe", "81fe0000", "82ff0000", "88820000",
    "0000ff00", "03e803e8")]
EVERY_MASK = pytest.mark.parametrize("mask", MASKS, ids=bytes.hex)


@EVERY_MASK
@pytest.mark.parametrize("payload", [b"", b"h", b"hello", b"hello, world", bytes(300)], ids=len)
def test_masks_in_two_segments(wire, mask, payload):
    """Wherever the frame is cut."""
    for frame in (binary(payload, mask=mask), ping(payload[:125], mask=mask)):
        said = wire.encoded(frame)
        for cut in {*range(1, min(len(said), 20)), len(said) - 1}:
            wire.write_segments([said[:cut], said[cut:]])
            wire.hears(frame.answer)


@EVERY_MASK
def test_masks_in_segments(wire, mask):
    frames = [text("hello", mask=mask), ping(b"ping", mask=mask), text("", mask=mask), text("x" * 200, mask=mask)]
    for size in (1, 2, 3, 5):
        wire.say_in_segments(*frames, size=size)
        for _ in frames:
            assert wire.hear() in [frame.answer for frame in frames]


@EVERY_MASK
def test_closes_under_masks(place, mask):
    path = place.hub()
    for cut in range(1, 11):
        wire = place.wire(path)
        said = wire.encoded(close(3000, b"bye", mask=mask))
        wire.write_segments([said[:cut], said[cut:]])
        wire.closes(3000)
        wire.end()


def test_frames_under_random_masks(wire):
    """Cut in three at random."""
    chance = random.Random(5)
    for number in range(600):
        frame = text(b"x" * chance.choice([0, 1, 2, 3, 4, 5, 9, 17, 126]))
        said = wire.encoded(frame)
        first, second = sorted(chance.sample(range(len(said) + 1), 2))
        wire.write_segments([part for part in (said[:first], said[first:second], said[second:]) if part])
        assert wire.hear() == frame.answer, number


@pytest.mark.parametrize("way", [*WAYS, "head first"])
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8", b"\x03\xe8" + b"x" * 30], ids=["empty", "2 bytes", "32 bytes"])
@pytest.mark.parametrize("opcode", [0, TEXT, BINARY, CLOSE, PING, PONG])
def test_unmasked(wire, way, payload, opcode):
    begun = [binary(b"begun", final=False)] if opcode == 0 else []
    frame = Frame(opcode, payload, mask=NO_MASK)
    if way != "head first":
        is_refused(wire, way, {1002}, [*begun, frame], BEFORE)
        return
    said = wire.encoded(frame)
    wire.say(*begun)
    wire.write_segments([said[:1], said[1:2]])
    wire.write_some(said[2:])
    wire.closes(1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
def test_the_first_two_bytes_are_enough(wire, opcode):
    wire.say(Frame(opcode, mask=NO_MASK, announced=100))
    wire.closes(1002)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY, 0])
@pytest.mark.parametrize("size, length_bytes", [(0, 2), (1, 2), (125, 2), (0, 8), (1, 8), (125, 8), (126, 8),
                                                (65535, 8)])
def test_lengths_in_more_bytes_than_it_takes(wire, way, opcode, size, length_bytes):
    begun = [binary(b"begun", final=False)] if opcode == 0 else []
    payload = b"" if way == "byte by byte" and size > 126 else b"x" * size
    is_refused(wire, way, {1002}, [*begun, Frame(opcode, payload, length_bytes=length_bytes, announced=size)], BEFORE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("length_bytes", [2, 8])
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG])
def test_lengths_of_control_frames(wire, way, opcode, length_bytes):
    is_refused(wire, way, {1002}, [Frame(opcode, b"\x03\xe8", length_bytes=length_bytes)], BEFORE)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE])
@pytest.mark.parametrize("size", [1 << 63, (1 << 63) + 5, (1 << 64) - 1], ids=hex)
def test_the_highest_bit_of_a_length(wire, way, opcode, size):
    is_refused(wire, way, {1002}, [Frame(opcode, b"hello", announced=size)], BEFORE)


def test_every_cut_of_a_dialogue(wire):
    """Two segments, wherever the cut is; the same connection all the time."""
    frames = [text("one"), ping(b"p"), text("tw", final=False), ping(b""), continuation(b"o"), binary(b""),
              binary(b"b" * 130)]
    pongs = [b"p", b""]
    messages = [Heard(TEXT, b"one"), Heard(TEXT, b"two"), Heard(BINARY, b""), Heard(BINARY, b"b" * 130)]
    length = len(wire.encoded(*frames))
    for cut in range(1, length):
        said = wire.encoded(*frames)
        wire.write_segments([said[:cut], said[cut:]])
        heard = [wire.hear() for _ in range(len(pongs) + len(messages))]
        assert [each.payload for each in heard if each.opcode == PONG] == pongs, cut
        assert [each for each in heard if each.opcode != PONG] == messages, cut
