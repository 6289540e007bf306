"""Large messages, in frames and segments of all sizes, and those that are too large. (Groups 9 and 10)"""

import random

import pytest

from .conftest import LIMIT
from .wire import BINARY, PONG, TEXT, Frame, Heard, binary, continuation, fragments, is_refused, parts_of, ping, text

KIB, MIB = 1 << 10, 1 << 20
KINDS = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])


def bulk(opcode, size):
    """No two parts of it are equal; text has characters of all sizes."""
    if opcode == BINARY:
        return random.Random(size).randbytes(size)
    line = "0123456789 aé€\U0001f40f "
    count = size // len(line.encode()) + 1
    said = "".join(f"{number:x}{line}" for number in range(count)).encode()[:size]
    # A character that does not fit is none.
    return said.decode(errors="ignore").encode().ljust(size, b".")


@KINDS
@pytest.mark.parametrize("size", [64 * KIB, 256 * KIB, MIB, LIMIT], ids=lambda size: f"{size // KIB}K")
def test_in_one_frame(wire, opcode, size):
    data = bulk(opcode, size)
    wire.say(Frame(opcode, data))
    wire.hears(Heard(opcode, data))


@KINDS
@pytest.mark.parametrize("size", [64, 256, KIB, 4 * KIB, 16 * KIB, 64 * KIB, 256 * KIB, MIB])
def test_in_frames(wire, opcode, size):
    data = bulk(opcode, LIMIT if size >= KIB else MIB)
    wire.say(*fragments(opcode, parts_of(data, size)), ping(b"behind it"))
    heard = [wire.hear(), wire.hear()]
    assert sorted(heard) == sorted([Heard(PONG, b"behind it"), Heard(opcode, data)])


@KINDS
@pytest.mark.parametrize("size", [64, 127, 128, 256, 512, 1024, 2048])
def test_in_writes(wire, opcode, size):
    data = bulk(opcode, MIB)
    for part in parts_of(wire.encoded(Frame(opcode, data)), size):
        wire.write(part)
    wire.hears(Heard(opcode, data))


@KINDS
@pytest.mark.parametrize("size", [997, 65537])
def test_in_segments(wire, opcode, size):
    data = bulk(opcode, MIB)
    wire.say_in_segments(Frame(opcode, data), size=size)
    wire.hears(Heard(opcode, data))


@KINDS
def test_in_frames_and_segments_of_other_sizes(wire, opcode):
    data = bulk(opcode, 64 * KIB)
    wire.say_in_segments(*fragments(opcode, parts_of(data, 1300)), size=811)
    wire.hears(Heard(opcode, data))


@pytest.mark.parametrize("size", [1, 3, 1300])
def test_in_many_frames(wire, size):
    data = bulk(TEXT, 64 * KIB)
    wire.say(*fragments(TEXT, parts_of(data, size)))
    wire.hears(Heard(TEXT, data))


def test_many_empty_frames(wire):
    wire.say(*fragments(TEXT, [b""] * 10_000 + [b"x"] + [b""] * 10_000))
    wire.hears(Heard(TEXT, b"x"))


def test_behind_each_other(wire):
    """Without waiting for answers; more than any buffer on the way."""
    data = bulk(BINARY, MIB)
    answers = []
    for number in range(12):
        wire.say(*fragments(BINARY, parts_of(data, 100_000 + number)), text(f"{number}"))
        if number % 4 == 3:
            answers += [wire.hear() for _ in range(8)]
    assert answers == [answer for number in range(12) for answer in (Heard(BINARY, data), Heard(TEXT, b"%d" % number))]


# --- too large

SIZES = pytest.mark.parametrize("size", [LIMIT + 1, 4 * LIMIT, 4 * LIMIT + 1, 1 << 32, 1 << 40, (1 << 63) - 1], ids=hex)


@SIZES
@KINDS
def test_a_head_that_announces_too_much(wire, opcode, size):
    """Judged before a byte of it has come."""
    wire.say(text("before"), Frame(opcode, announced=size))
    wire.closes(1009, may_echo=[Heard(TEXT, b"before")])


@SIZES
def test_such_a_head_byte_by_byte(wire, size):
    wire.say_in_segments(binary(b"", announced=size))
    wire.closes(1009)


@SIZES
def test_a_frame_that_makes_its_message_too_large(wire, size):
    wire.say(binary(b"begun", final=False), ping(b"1"), continuation(announced=size - 5))
    wire.closes(1009, pongs=[b"1"])


def test_the_last_byte_too_many(wire):
    data = bulk(BINARY, LIMIT)
    parts = parts_of(data, 100_000)
    wire.say(*fragments(BINARY, [*parts, b""]))
    wire.hears(Heard(BINARY, data))
    wire.say(*fragments(BINARY, [*parts, b"x"])[:-1], ping(b"still there"))
    wire.hears(Heard(PONG, b"still there"))
    wire.say(continuation(b"x"))
    wire.closes(1009)


def test_who_goes_on_all_the_same(wire):
    """And does not read before all is written: the close frame is there then."""
    wire.write_some(wire.encoded(binary(b"x" * (2 * MIB), announced=1 << 40)))
    wire.closes(1009)


@pytest.fixture
def echo(place):
    """To a hub of class echo: over the limit there is an answer, and over four times that the end."""
    wire = place.wire(place.hub("websocket"))
    assert b'"welcome"' in wire.hear().payload
    return wire


@pytest.mark.parametrize("count", [1, 7])
def test_an_answer_for_what_is_too_large(echo, count):
    said = fragments(TEXT, parts_of(b"x" * (LIMIT + 1), LIMIT // count + 1))
    echo.say(*said, ping(b"behind"))
    heard = [echo.hear(), echo.hear()]
    assert any(b'"message_too_large"' in each.payload for each in heard)
    assert Heard(PONG, b"behind") in heard
    echo.say(text("next"))
    assert b'"message":"next"' in echo.hear().payload


def test_four_times_too_large_is_the_end(echo):
    echo.say(Frame(BINARY, announced=4 * LIMIT + 1))
    echo.closes(1009)


def test_four_times_too_large_in_frames_is_the_end(echo):
    echo.say(*fragments(BINARY, [b"x" * LIMIT] * 4 + [b""])[:-1])
    echo.is_alive()
    echo.say(continuation(announced=1))
    echo.closes(1009)


@pytest.mark.parametrize("way", ["at once", "byte by byte"])
def test_what_is_too_large_and_wrong(wire, way):
    """A frame that is none has no length."""
    is_refused(wire, way, {1002}, [Frame(3, announced=1 << 40)], [ping(b"before")])
