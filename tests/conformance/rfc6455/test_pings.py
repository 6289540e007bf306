"""Each ping is answered, in order, with what it says; pongs are not. (Group 2)"""

import pytest

from .wire import WAYS, Frame, binary, close, is_refused, ping, pong, text

PAYLOADS = pytest.mark.parametrize("payload", [b"", b"ping", bytes(range(0xf0, 0x100)), b"\0" * 125, b"\xfe" * 124],
                                   ids=["empty", "text", "no text", "125 bytes", "124 bytes"])


@PAYLOADS
def test_a_ping(wire, payload):
    wire.say(ping(payload))
    wire.hears(ping(payload).answer)


@PAYLOADS
def test_a_ping_byte_by_byte(wire, payload):
    wire.say_in_segments(ping(payload), ping(payload))
    wire.hears(ping(payload).answer, ping(payload).answer)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [126, 127, 65536])
@pytest.mark.parametrize("kind", [ping, pong, close], ids=["ping", "pong", "close"])
def test_a_control_frame_of_more_than_125_bytes(wire, way, size, kind):
    payload = b"p" * size if way != "byte by byte" else b""
    frame = Frame(kind().opcode, payload, announced=size)
    is_refused(wire, way, {1002}, [frame], [ping(b"before"), text("before")])


@pytest.mark.parametrize("size", [126, 65536])
def test_such_a_frame_is_judged_by_its_head(wire, size):
    wire.say(ping(announced=size))
    wire.closes(1002)


@PAYLOADS
def test_pongs_that_nobody_asked_for(wire, payload):
    wire.say(pong(payload))
    wire.say_in_segments(pong(payload), ping(b"asked"), pong(payload))
    wire.hears(ping(b"asked").answer)
    wire.is_alive()


def pings(count):
    return [ping(b"number %d" % number) for number in range(count)]


def answers(frames):
    return [frame.answer for frame in frames]


@pytest.mark.parametrize("count", [2, 10, 60])
def test_pings_in_one_segment(wire, count):
    said = pings(count)
    wire.say(*said)
    wire.hears(*answers(said))


@pytest.mark.parametrize("size", [1, 5, 23])
def test_pings_in_segments(wire, size):
    said = pings(10)
    wire.say_in_segments(*said, size=size)
    wire.hears(*answers(said))


def test_a_ping_a_segment(wire):
    said = pings(10)
    wire.write_segments([wire.encoded(frame) for frame in said])
    wire.hears(*answers(said))


def test_pings_one_after_the_other(wire):
    for frame in pings(10):
        wire.say(frame)
        wire.hears(frame.answer)


def test_pings_between_messages(wire):
    said = [frame for frame in pings(10) for frame in (frame, text("text"), binary(b"\xff"))]
    wire.say(*said)
    heard = [wire.hear() for _ in said]
    for opcodes in ({10}, {1, 2}):
        assert ([each for each in heard if each.opcode in opcodes] ==
                [each for each in answers(said) if each.opcode in opcodes])
