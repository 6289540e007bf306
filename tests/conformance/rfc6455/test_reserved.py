"""Bits and opcodes that mean nothing end the connection, wherever they come. (Groups 3 and 4)"""

import pytest

from .wire import BINARY, CLOSE, PING, PONG, TEXT, WAYS, Frame, continuation, is_refused, ping, text

BY_WAYS = pytest.mark.parametrize("way", WAYS)
PAYLOADS = pytest.mark.parametrize("payload", [b"", b"\x03\xe8said"], ids=["empty", "not empty"])
BEFORE = (text("before"), ping(b"before"))


@BY_WAYS
@PAYLOADS
@pytest.mark.parametrize("before", [(), BEFORE], ids=["first", "later"])
@pytest.mark.parametrize("bits", range(1, 8), ids="{:03b}".format)
def test_bits(wire, way, payload, before, bits):
    is_refused(wire, way, {1002}, [text(payload, reserved=bits)], before)


@BY_WAYS
@pytest.mark.parametrize("opcode", [0, TEXT, BINARY, CLOSE, PING, PONG])
@pytest.mark.parametrize("bits", [1, 2, 4], ids="{:03b}".format)
def test_bits_of_every_opcode(wire, way, opcode, bits):
    begun = [text("begun", final=False)] if opcode == 0 else []
    is_refused(wire, way, {1002}, [*begun, Frame(opcode, b"\x03\xe8", reserved=bits)], BEFORE)


@BY_WAYS
@pytest.mark.parametrize("bits", range(1, 8), ids="{:03b}".format)
def test_bits_within_a_message(wire, way, bits):
    is_refused(wire, way, {1002}, [text("be", final=False), ping(b"between", reserved=bits), continuation(b"gun")],
               BEFORE)


@BY_WAYS
@PAYLOADS
@pytest.mark.parametrize("before", [(), BEFORE], ids=["first", "later"])
@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15])
def test_opcodes(wire, way, payload, before, opcode):
    is_refused(wire, way, {1002}, [Frame(opcode, payload)], before)


@BY_WAYS
@pytest.mark.parametrize("opcode", [3, 7, 11, 15])
def test_opcodes_within_a_message(wire, way, opcode):
    is_refused(wire, way, {1002}, [text("be", final=False), Frame(opcode), continuation(b"gun")], BEFORE)


@pytest.mark.parametrize("opcode", [3, 7, 11, 15])
def test_opcodes_that_do_not_end_their_message(wire, opcode):
    is_refused(wire, "at once", {1002}, [Frame(opcode, b"x", final=False)], BEFORE)


@pytest.mark.parametrize("frame", [text(reserved=4, said=b"", announced=100), Frame(5, announced=100),
                                   Frame(13, announced=100)], ids=["bit", "opcode", "control opcode"])
def test_the_head_is_enough(wire, frame):
    """Who waits for the payload of a frame that is no frame keeps what nobody will ever want."""
    wire.say(frame)
    wire.closes(1002)
