"""Messages in several frames, with control frames in between, and what is no such message. (Group 5)"""

import itertools

import pytest

from .wire import (BINARY, CLOSE, PING, PONG, TEXT, WAYS, Frame, Heard, binary, continuation, fragments, is_refused,
                   ping, pong, text)

BY_WAYS = pytest.mark.parametrize("way", WAYS)
BEFORE = (text("before"), ping(b"before"))
KINDS = pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["text", "binary"])
SEGMENTS = pytest.mark.parametrize("size", [None, 1, 3, 7], ids=["at once", "1", "3", "7"])


@SEGMENTS
@KINDS
@pytest.mark.parametrize("parts", [[b"one", b"two"], [b"", b""], [b"", b"", b""], [b"", b"two", b""], [b"one", b""],
                                   [b"one", b"two", b"three", b"four", b"five"], [b"x"] * 200],
                         ids=["2", "2 empty", "3 empty", "middle", "first", "5", "200 of 1 byte"])
def test_a_message_in_frames(wire, size, opcode, parts):
    wire.say_cut(size, fragments(opcode, parts))
    wire.hears(Heard(opcode, b"".join(parts)))
    wire.is_alive()


@SEGMENTS
@KINDS
def test_pings_within_a_message_are_answered_before_it(wire, size, opcode):
    first, second, third = fragments(opcode, [b"one", b"two", b"three"])
    wire.say_cut(size, [first, ping(b"a"), pong(b"nobody asked"), second, ping(b""), ping(b"b"), third])
    wire.hears(Heard(PONG, b"a"), Heard(PONG, b""), Heard(PONG, b"b"), Heard(opcode, b"onetwothree"))


@KINDS
def test_a_ping_is_answered_while_a_message_waits_for_its_end(wire, opcode):
    first, second = fragments(opcode, [b"one", b"two"])
    wire.say(first)
    wire.is_alive()
    wire.say_in_segments(ping(b"now"))
    wire.hears(Heard(PONG, b"now"))
    wire.say(second)
    wire.hears(Heard(opcode, b"onetwo"))


def test_a_ping_between_all_of_many_frames(wire):
    frames = fragments(TEXT, [b"x"] * 100)
    wire.say_in_segments(*itertools.chain(*((ping(b"%d" % number), frame) for number, frame in enumerate(frames))),
                         size=50)
    wire.hears(*(Heard(PONG, b"%d" % number) for number in range(100)), Heard(TEXT, b"x" * 100))


@SEGMENTS
def test_messages_in_frames_behind_each_other(wire, size):
    messages = [(TEXT, [b"a", b"b"]), (BINARY, [b"\xff", b"\xfe", b"\xfd"]), (TEXT, [b"whole"]), (BINARY, [b"", b""])]
    wire.say_cut(size, itertools.chain(*(fragments(*message) for message in messages)))
    wire.hears(*(Heard(opcode, b"".join(parts)) for opcode, parts in messages))


@BY_WAYS
@pytest.mark.parametrize("payload", [b"", b"\x03\xe8"], ids=["empty", "not empty"])
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG], ids=["close", "ping", "pong"])
def test_control_frames_are_whole(wire, way, opcode, payload):
    is_refused(wire, way, {1002}, [Frame(opcode, payload, final=False), continuation(payload)], BEFORE)


@BY_WAYS
@pytest.mark.parametrize("opcode", [CLOSE, PING, PONG], ids=["close", "ping", "pong"])
def test_control_frames_are_whole_within_messages(wire, way, opcode):
    is_refused(wire, way, {1002}, [text("a", final=False), Frame(opcode, b"\x03\xe8", final=False), continuation(b"b")])


@BY_WAYS
@pytest.mark.parametrize("payload", [b"", b"more"], ids=["empty", "not empty"])
@pytest.mark.parametrize("final", [True, False], ids=["last", "not last"])
@pytest.mark.parametrize("before", [[], [text("whole")], fragments(TEXT, [b"who", b"le"])],
                         ids=["nothing", "a frame", "frames"])
def test_nothing_to_continue(wire, way, payload, final, before):
    is_refused(wire, way, {1002}, [continuation(payload, final), text("ignored")], before,
               [Heard(TEXT, b"whole")] if before else [])


@BY_WAYS
@pytest.mark.parametrize("final", [True, False], ids=["whole", "not whole"])
@pytest.mark.parametrize("inner", [text, binary], ids=["text", "binary"])
@KINDS
def test_a_message_within_a_message(wire, way, final, inner, opcode):
    is_refused(wire, way, {1002}, [Frame(opcode, b"outer", final=False), inner(b"inner", final=final),
                                   continuation(b"rest")], BEFORE)


@BY_WAYS
def test_a_message_within_a_message_after_a_ping(wire, way):
    begun = [text("be", final=False), ping(b"1"), continuation(b"gun", final=False)]
    is_refused(wire, way, {1002}, [text("again")], begun, [Heard(PONG, b"1")])


def test_the_head_is_enough(wire):
    wire.say(text("begun", final=False), text(b"", announced=100))
    wire.closes(1002)
