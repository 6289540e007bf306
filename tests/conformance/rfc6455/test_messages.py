"""Messages of one frame come back as they are, whatever their size and however they are cut. (Group 1)"""

import pytest

from .wire import BINARY, TEXT, Frame

SIZES = (0, 1, 125, 126, 127, 128, 65535, 65536, 65537)
KINDS = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])


def payload(opcode, size):
    """Text with characters of two bytes; every byte there is."""
    return ("*ø" * size).encode()[:size // 3 * 3] + b"-" * (size % 3) if opcode == TEXT else \
        (bytes(range(256)) * (size // 256 + 1))[:size]


@KINDS
@pytest.mark.parametrize("size", SIZES)
def test_sizes(wire, opcode, size):
    frame = Frame(opcode, payload(opcode, size))
    wire.say(frame)
    wire.hears(frame.answer)
    wire.is_alive()


@KINDS
@pytest.mark.parametrize("size", SIZES)
def test_sizes_in_segments(wire, opcode, size):
    frame = Frame(opcode, payload(opcode, size))
    wire.say_in_segments(frame, size=997)
    wire.hears(frame.answer)


@KINDS
@pytest.mark.parametrize("size", SIZES[:6])
def test_sizes_byte_by_byte(wire, opcode, size):
    frame = Frame(opcode, payload(opcode, size))
    wire.say_in_segments(frame, frame)
    wire.hears(frame.answer, frame.answer)


@KINDS
def test_all_sizes_behind_each_other(wire, opcode):
    frames = [Frame(opcode, payload(opcode, size)) for size in SIZES]
    wire.say(*frames)
    wire.hears(*(frame.answer for frame in frames))
