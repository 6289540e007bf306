"""How connections end: with one close frame from each side, and then the server ends TCP. (Group 7)"""

import select

import pytest

from .wire import (CLOSE, PONG, PROMPTLY, TEXT, WAYS, Frame, Heard, close, continuation, fragments, is_refused,
                   ping, pong, text)

# Those that are defined for use in a frame or registered, and those for libraries and applications.
SENDABLE = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 3999, 4000, 4999]
NOT_SENDABLE = [0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2999, 5000, 32768, 65535]
REASONS = [b"", b"b", b"bye", b"r" * 122, b"r" * 123, "κόσμε".encode(), b"nul\0"]
SEGMENTS = pytest.mark.parametrize("size", [None, 1, 3], ids=["at once", "1", "3"])


@pytest.fixture
def watched(place):
    """(a wire, another in the same hub, which hears how the first ends)"""
    path = place.hub()
    watcher = place.wire(path)
    watcher.say(text("there"))
    watcher.hears(Heard(TEXT, b"there"))  # the hub knows it
    return place.wire(path, seed=path), watcher


def hub_hears(watcher, code, by, reason=None):
    said = watcher.hear().payload.decode()
    assert said.startswith(f"closed {code} by {by} "), said
    assert reason is None or said.endswith(f"by {by} " + reason.decode()), said


# --- good-byes

@SEGMENTS
def test_without_a_code(watched, size):
    wire, watcher = watched
    wire.say_cut(size, [close()])
    assert wire.closes(1000, 1005)
    hub_hears(watcher, 1005, "client", b"")


@SEGMENTS
@pytest.mark.parametrize("code", SENDABLE)
def test_codes(watched, size, code):
    wire, watcher = watched
    wire.say_cut(size, [close(code, b"as it was said")])
    wire.closes(code)
    hub_hears(watcher, code, "client", b"as it was said")


@SEGMENTS
@pytest.mark.parametrize("reason", REASONS, ids=["none", "1", "3", "122", "123", "two bytes", "nul"])
def test_reasons(watched, size, reason):
    wire, watcher = watched
    wire.say_cut(size, [close(3000, reason)])
    wire.closes(3000)
    hub_hears(watcher, 3000, "client", reason)


# --- what is none

@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", NOT_SENDABLE)
def test_codes_that_nobody_may_send(watched, way, code):
    wire, watcher = watched
    is_refused(wire, way, {1002}, [close(code, b"why")], [ping(b"before")])
    hub_hears(watcher, 1002, "edge")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("payload", [b"\x03", b"\xff", b"\0"], ids=bytes.hex)
def test_half_a_code(watched, way, payload):
    wire, watcher = watched
    is_refused(wire, way, {1002}, [Frame(CLOSE, payload)], [ping(b"before")])
    hub_hears(watcher, 1002, "edge")


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("size", [124, 125, 1000])
def test_reasons_that_are_too_long(watched, way, size):
    wire, watcher = watched
    is_refused(wire, way, {1002}, [close(1000, b"r" * size)])
    hub_hears(watcher, 1002, "edge")


def test_every_wrong_code_within_the_range_of_the_protocol(place):
    path = place.hub()
    for code in {*range(990, 1030), *range(2990, 3010), *range(4990, 5010)}:
        wire = place.wire(path, seed=code)
        wire.say(close(code))
        wire.closes(code if 3000 <= code < 5000 or code in SENDABLE else 1002)
        wire.end()


# --- around the good-bye

@SEGMENTS
def test_what_comes_behind_is_ignored(wire, size):
    behind = [text("unheard"), ping(b"unheard"), close(3001), text(b"\xff"), Frame(3), b"\xff" * 50]
    wire.say_to_the_end(size, [close(3000), *behind])
    wire.closes(3000)


@SEGMENTS
def test_pings_before_it_are_answered(wire, size):
    wire.say_cut(size, [ping(b"1"), ping(b"2"), pong(b""), close(3000)])
    wire.closes(3000, pongs=[b"1", b"2"])


@SEGMENTS
def test_messages_before_it_reach_the_hub(watched, size):
    """They are answered as far as there is time."""
    wire, watcher = watched
    wire.say_cut(size, [text("1"), text("2"), close(3000)])
    wire.closes(3000, may_echo=[Heard(TEXT, b"1"), Heard(TEXT, b"2")])
    hub_hears(watcher, 3000, "client")


@SEGMENTS
def test_all_messages_before_it_are_heard(place, size):
    path = place.hub("crier")
    listener = place.wire(path)
    listener.is_alive()
    wire = place.wire(path)
    wire.say_cut(size, [text("1"), *fragments(TEXT, [b"2", b"3"]), close(3000, b"bye")])
    wire.closes(3000)
    listener.hears(Heard(TEXT, b"1"), Heard(TEXT, b"23"), Heard(TEXT, b"closed 3000 by client bye"))


@SEGMENTS
def test_what_came_before_an_error_is_heard(place, size):
    path = place.hub("crier")
    listener = place.wire(path)
    listener.is_alive()
    wire = place.wire(path)
    wire.say_cut(size, [text("1"), *fragments(TEXT, [b"2", b"3"]), text("be", final=False)])
    wire.say(Frame(3), continuation(b"gun"))
    wire.closes(1002)
    listener.hears(Heard(TEXT, b"1"), Heard(TEXT, b"23"))
    hub_hears(listener, 1002, "edge")


@SEGMENTS
def test_within_a_message(watched, size):
    wire, watcher = watched
    wire.say_to_the_end(size, [text("begun", final=False), ping(b"1"), close(3000), continuation(b"over")])
    wire.closes(3000, pongs=[b"1"])
    hub_hears(watcher, 3000, "client")


def test_within_a_frame(watched):
    """That is none: TCP is cut off, the hub hears what that is called."""
    wire, watcher = watched
    wire.say(text("a", announced=100))
    wire.await_read()
    wire.end()
    hub_hears(watcher, 1006, "edge")


def test_end_of_tcp_without_a_word(watched):
    """Only our direction ends, between frames: there is nobody to say a good-bye to."""
    wire, watcher = watched
    wire.shut()
    assert all(heard.opcode == CLOSE for heard in wire.rest())
    hub_hears(watcher, 1006, "edge")


def test_end_of_tcp_behind_the_close(watched):
    wire, watcher = watched
    wire.say(close(3000, b"bye"))
    wire.shut()
    wire.closes(3000)
    hub_hears(watcher, 3000, "client", b"bye")


# --- the server begins

@pytest.fixture
def closable(place):
    """(a wire, another in the same hub which can have it closed)"""
    path = place.hub("crier")
    closer = place.wire(path)
    wire = place.wire(path)
    closer.say(text("here?"))
    wire.hears(Heard(TEXT, b"here?"))
    return wire, closer


def until_something_comes(wire):
    assert select.select([wire.socket], [], [], PROMPTLY)[0]


@SEGMENTS
@pytest.mark.parametrize("answer", [close(3333), close(), close(1000, b"bye")], ids=["the same", "no code", "another"])
def test_the_hub_closes_and_is_answered(closable, size, answer):
    wire, closer = closable
    closer.say(text("last words"), text("close 3333 enough"))
    wire.hears(Heard(TEXT, b"last words"), Heard(CLOSE, close(3333, b"enough").payload))
    wire.say_cut(size, [answer])
    assert wire.rest() == []


@pytest.mark.parametrize("code", [1000, 1001, 1008, 1012, 1013, 4999])
def test_codes_of_the_hub(closable, code):
    wire, closer = closable
    closer.say(text(f"close {code} why"))
    wire.hears(Heard(CLOSE, close(code, b"why").payload))
    wire.say(close(code))
    assert wire.rest() == []


def test_what_was_on_its_way_is_ignored(closable):
    """A client that has not read the close yet says more, and has no answer."""
    wire, closer = closable
    closer.say(text("close 3333 enough"))
    until_something_comes(wire)
    wire.say_in_segments(text("late"), ping(b"late"), text("la", final=False), ping(b""), continuation(b"te"), size=5)
    wire.say(close(3333))
    assert wire.closes(3333)


@SEGMENTS
def test_both_close_at_once(closable, size):
    wire, closer = closable
    closer.say(text("close 3333 enough"))
    until_something_comes(wire)
    wire.say_cut(size, [close(3000, b"bye")])
    wire.closes(3333)


def test_both_close_at_any_time(place):
    """Whoever is first: one close frame, of either, and the end."""
    for number in range(40):
        path = place.hub("crier")
        closer = place.wire(path)
        wire = place.wire(path, seed=number)
        wire.is_alive()
        first, second = (wire, closer) if number % 2 else (closer, wire)
        for side in (first, second):
            side.say(text("close 3333 enough") if side is closer else close(3000, b"bye"))
        wire.closes(3000, 3333)
        wire.end()
        closer.end()


# --- with output under way

@pytest.fixture(params=[(3 << 20, 6), (60_000, 200)], ids=["large", "many"])
def backlog(place, request):
    """(a wire that has begun to read the first of many messages that wait for it, another in its hub, the messages)"""
    size, count = request.param
    path = place.hub("crier")
    feeder = place.wire(path)
    reader = place.wire(path, small_window=True)
    feeder.say(text("here?"))
    reader.hears(Heard(TEXT, b"here?"))
    feeder.say(*[text(b"x" * size)] * count)
    feeder.await_read()
    until_something_comes(reader)
    return reader, feeder, [Heard(TEXT, b"x" * size)] * count


@SEGMENTS
def test_a_close_while_output_waits(backlog, size):
    """The frame that is under way is finished, then comes the close frame. The hub hears what the client said. (Frames
    of a message that has several may be missing.)"""
    wire, watcher, messages = backlog
    wire.say_cut(size, [close(3000, b"enough")])
    wire.await_read()
    *heard, last = wire.rest()
    assert last.opcode == CLOSE and last.code == 3000
    assert heard == messages[:len(heard)] and len(heard) + wire.has_heard_a_part > 0
    hub_hears(watcher, 3000, "client", b"enough")


def test_an_error_while_output_waits(backlog):
    wire, watcher, messages = backlog
    wire.say(Frame(3))
    wire.await_read()
    *heard, last = wire.rest()
    assert last.opcode == CLOSE and last.code == 1002
    assert heard == messages[:len(heard)]
    hub_hears(watcher, 1002, "edge")


def test_pings_while_output_waits(backlog):
    """Answered between the messages, as soon as there is room: all of them, or the last alone. Nothing is cut."""
    wire, _, messages = backlog
    said = [ping(b"%d" % number) for number in range(10)]
    wire.say(*said)
    heard = []
    while [each.opcode for each in heard].count(TEXT) < len(messages) or said[-1].answer not in heard:
        heard.append(wire.hear())
    answers = [each for each in heard if each.opcode == PONG]
    assert answers == [frame.answer for frame in said if frame.answer in answers]
    assert [each for each in heard if each.opcode == TEXT] == messages
