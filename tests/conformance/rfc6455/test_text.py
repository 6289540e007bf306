"""Text is UTF-8, and what is not ends the connection at its first wrong byte. (Group 6)"""

import itertools
import random

import pytest

from .wire import PONG, TEXT, Frame, Heard, binary, close, continuation, fragments, is_refused, parts_of, ping, text

VALID = {
    "ascii": b"Hello-\x7f~",
    "nul": b"\0a\0",
    "2 to 4 bytes": "\u00b5@\u00df\u00f6\u20ac\ud55c\U0001f40f".encode(),
    "greek": "κόσμε".encode(),
    "ends of 1 byte": b"\0\x7f",
    "ends of 2 bytes": b"\xc2\x80\xdf\xbf",
    "ends of 3 bytes": b"\xe0\xa0\x80\xef\xbf\xbf",
    "ends of 4 bytes": b"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    "beside surrogates": b"\xed\x9f\xbf\xee\x80\x80",
    "byte order mark": b"\xef\xbb\xbf",
    "byte order mark later": b"a\xef\xbb\xbfb",
    "wrong byte order mark": "\ufffe".encode(),
    "replacement": "\ufffd".encode(),
    "noncharacters of plane 0": "".join(map(chr, [0xfffe, 0xffff, *range(0xfdd0, 0xfdf0)])).encode(),
    "noncharacters of all planes": "".join(chr(plane << 16 | low) for plane in range(1, 17)
                                           for low in (0xfffe, 0xffff)).encode(),
    "private": "\ue000\uf8ff\U000f0000\U0010fffd".encode(),
}
# Each stands behind text of its own, so that what comes of it depends on it alone.
INVALID = {
    "continuation": b"\x80",
    "last continuation": b"\xbf",
    "2 continuations": b"\x80\xbf",
    "all continuations": bytes(range(0x80, 0xc0)),
    "lead of 2, space": b"\xc3 ",
    "lead of 3, space": b"\xe2 ",
    "lead of 3 and 1, space": b"\xe2\x82 ",
    "lead of 4, space": b"\xf0 ",
    "lead of 4 and 1, space": b"\xf0\x9f ",
    "lead of 4 and 2, space": b"\xf0\x9f\x90 ",
    "lead after lead": b"\xc3\xc3\xb6",
    "leads of 3": b"\xe2\x82\xe2\x82\xac",
    "lead of 5": b"\xf8\x88\x80\x80\x80",
    "lead of 6": b"\xfc\x84\x80\x80\x80\x80",
    "fe": b"\xfe",
    "ff": b"\xff",
    "fe fe ff ff": b"\xfe\xfe\xff\xff",
    "slash in 2 bytes": b"\xc0\xaf",
    "slash in 3 bytes": b"\xe0\x80\xaf",
    "slash in 4 bytes": b"\xf0\x80\x80\xaf",
    "slash in 5 bytes": b"\xf8\x80\x80\x80\xaf",
    "slash in 6 bytes": b"\xfc\x80\x80\x80\x80\xaf",
    "nul in 2 bytes": b"\xc0\x80",
    "nul in 3 bytes": b"\xe0\x80\x80",
    "nul in 4 bytes": b"\xf0\x80\x80\x80",
    "7f in 2 bytes": b"\xc1\xbf",
    "7ff in 3 bytes": b"\xe0\x9f\xbf",
    "ffff in 4 bytes": b"\xf0\x8f\xbf\xbf",
    "first surrogate": b"\xed\xa0\x80",
    "last high surrogate": b"\xed\xaf\xbf",
    "first low surrogate": b"\xed\xb0\x80",
    "last surrogate": b"\xed\xbf\xbf",
    "a pair of surrogates": b"\xed\xa0\xbd\xed\xb0\x8f",
    "beyond 10ffff": b"\xf4\x90\x80\x80",
    "f5": b"\xf5\x80\x80\x80",
    "f7": b"\xf7\xbf\xbf\xbf",
    "after 4 good bytes": b"\xf0\x9f\x90\x8f\x80",
}
# Wrong only because the message is over.
UNFINISHED = {"1 of 2": b"\xc3", "1 of 3": b"\xe2", "2 of 3": b"\xe2\x82", "1 of 4": b"\xf0", "2 of 4": b"\xf0\x9f",
              "3 of 4": b"\xf0\x9f\x90", "3 of 4, the last": b"\xf4\x8f\xbf"}
# Long enough for whatever looks at eight or sixteen bytes at once; its characters lie across such borders.
PREFIX = "0123456789 κόσμε \u20ac \U0001f40f ".encode()


def table(name, of):
    return pytest.mark.parametrize(name, of.values(), ids=of.keys())


# Lead bytes (first, last), the second bytes that they allow (first, last), how many more follow.
SEQUENCES = ((0x00, 0x7f, None, 0), (0xc2, 0xdf, (0x80, 0xbf), 0), (0xe0, 0xe0, (0xa0, 0xbf), 1),
             (0xe1, 0xec, (0x80, 0xbf), 1), (0xed, 0xed, (0x80, 0x9f), 1), (0xee, 0xef, (0x80, 0xbf), 1),
             (0xf0, 0xf0, (0x90, 0xbf), 2), (0xf1, 0xf3, (0x80, 0xbf), 2), (0xf4, 0xf4, (0x80, 0x8f), 2))


def wrong_at(data):
    """The index of the first byte that no text goes on with. (Python's incremental decoder is late for surrogates.)"""
    expected = []
    for at, byte in enumerate(data):
        if expected:
            first, last = expected.pop(0)
            if not first <= byte <= last:
                return at
            continue
        found = [sequence for sequence in SEQUENCES if sequence[0] <= byte <= sequence[1]]
        if not found:
            return at
        _, _, second, more = found[0]
        expected = [second, *[(0x80, 0xbf)] * more] if second else []
    return None


def is_text(data):
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_where_bytes_are_wrong():
    """Of the judge itself."""
    for data, at in ((b"\xc0", 0), (b"\xf5", 0), (b"\xe0\x9f", 1), (b"\xed\xa0", 1), (b"\xf0\x8f", 1),
                     (b"\xf4\x90", 1), (b"\xf4\x8f\xbf ", 3), (b"a\x80", 1), (b"\xc3\xc3", 1), (b"\xe2\x82\xe2", 2),
                     (b"\xf0\x9f\x90", None)):
        assert wrong_at(data) == at, data
    assert all(wrong_at(data) is None for data in (*VALID.values(), *UNFINISHED.values(), PREFIX))
    assert all(wrong_at(data) is not None for data in INVALID.values())
    chance = random.Random(6)
    kinds = (0x20, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc2, 0xdf, 0xe0, 0xed, 0xef, 0xf0, 0xf4)
    for _ in range(20_000):
        data = bytes(chance.choices(kinds, k=4))
        # Ends that are no beginning of a character more.
        assert (wrong_at(data + b"   ") is None) == is_text(data + b"   "), data


# --- text

@table("data", VALID)
@pytest.mark.parametrize("prefix", [b"", PREFIX], ids=["alone", "later"])
def test_valid(wire, data, prefix):
    data = prefix + data
    wire.say(text(data), *fragments(TEXT, parts_of(data, 1)), *fragments(TEXT, parts_of(data, 3)))
    wire.say_in_segments(text(data))
    wire.hears(*[Heard(TEXT, data)] * 4)


def test_every_character(wire):
    """There are 1,112,064 of them."""
    for first, end in ((0, 0xd800), (0xe000, 0x80000), (0x80000, 0x110000)):
        characters = "".join(map(chr, range(first, end))).encode()
        wire.say(*fragments(TEXT, parts_of(characters, 65537)))
        wire.hears(Heard(TEXT, characters))


# --- what is none

WHOLE = {
    "a frame": lambda data: [text(data)],
    "a frame a byte": lambda data: fragments(TEXT, parts_of(data, 1)),
    "frames, one empty": lambda data: fragments(TEXT, [data[:-1], b"", data[-1:]]),
}


@table("said", WHOLE)
@table("data", {**INVALID, **UNFINISHED})
@pytest.mark.parametrize("prefix", [b"", PREFIX], ids=["alone", "later"])
@pytest.mark.parametrize("way", ["at once", "byte by byte"])
def test_invalid(wire, data, said, prefix, way):
    is_refused(wire, way, {1007}, said(prefix + data), [ping(b"before"), text("before")])


@table("data", INVALID)
def test_the_first_wrong_byte_of_a_message_ends_it(wire, data):
    """Up to it the connection is as good as any; with it, it is over, however much is still to come."""
    data = PREFIX + data
    at = wrong_at(data)
    wire.say(*(continuation(part, False) if number else text(part, final=False)
               for number, part in enumerate(parts_of(data[:at], 7))))
    wire.is_alive()
    wire.say(continuation(data[at:at + 1], final=False, announced=1000))
    wire.closes(1007)


@table("data", INVALID)
def test_the_first_wrong_byte_of_a_frame_ends_it(wire, data):
    """In segments of a byte, of a frame of which more is to come."""
    data = PREFIX + data
    at = wrong_at(data)
    said = wire.encoded(text(data[:at + 1], announced=1000))
    wire.write_segments(parts_of(said[:-1], 5))
    assert not wire.has_something_to_hear()
    wire.write(said[-1:])
    wire.closes(1007)


def test_a_sequence_is_not_over_with_its_frame(wire):
    wire.say(text(b"\xf0", final=False), ping(b"1"), continuation(b"", False), continuation(b"\x9f\x90", False),
             ping(b"2"), continuation(b"\x8f"), text("next"))
    wire.hears(Heard(PONG, b"1"), Heard(PONG, b"2"), Heard(TEXT, "\U0001f40f".encode()), Heard(TEXT, b"next"))


def test_a_wrong_sequence_over_many_frames(wire):
    is_refused(wire, "byte by byte", {1007}, [text(b"\xf4", final=False), continuation(b"", False),
                                              continuation(b"\x90", False), continuation(b"\x80"),
                                              continuation(b"\x80")])


def test_a_new_message_begins_afresh(wire):
    """What was unfinished in binary is no part of the text behind it."""
    wire.say(binary(b"\xf0\x9f"), *fragments(2, [b"\xe2", b"\x82"]), text("good"), binary(b"\xff"), text(b""))
    wire.hears(Heard(2, b"\xf0\x9f"), Heard(2, b"\xe2\x82"), Heard(TEXT, b"good"), Heard(2, b"\xff"), Heard(TEXT, b""))


def test_control_frames_within_text_are_no_text(wire):
    wire.say(text(b"\xe2", final=False), ping(b"\xff\x80"), continuation(b"\x82", False), ping(b"\xac"),
             continuation(b"\xac"))
    wire.hears(Heard(PONG, b"\xff\x80"), Heard(PONG, b"\xac"), Heard(TEXT, b"\xe2\x82\xac"))


LEADS = range(0x80, 0x100)
SECONDS = (0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0, 0xbf, 0xc0, 0xff)


def test_every_first_byte_before_every_kind_of_second(place):
    """With as many more as it takes: judged as Python judges."""
    good = place.wire()
    for first, second in itertools.product(LEADS, SECONDS):
        data = b"abc" + bytes([first, second]) + b"\x80" * (2 if first >= 0xf0 else 1 if first >= 0xe0 else 0)
        if wrong_at(data) is None:
            good.say(text(data))
            good.hears(Heard(TEXT, data))
        else:
            bad = place.wire(path="/mirror/pairs")
            bad.say(text(data))
            bad.closes(1007)
            bad.end()


@table("data", {**INVALID, **UNFINISHED})
def test_reasons_are_text(wire, data):
    is_refused(wire, "at once", {1002, 1007}, [close(1000, PREFIX + data)], [ping(b"before")])


@table("data", VALID)
def test_reasons_of_all_kinds_of_text(wire, data):
    wire.say(close(1000, data[:123].decode(errors="ignore").encode()))
    wire.closes(1000)


@pytest.mark.parametrize("size", [15, 16, 17, 31, 32, 33, 63, 64, 65, 4096])
def test_wherever_it_is(place, size):
    """A single wrong byte at every place of a text, for what looks at many bytes at once; from 65 on at some."""
    for at in range(size) if size < 65 else (0, size // 2, size - 1):
        wire = place.wire(path="/mirror/places", seed=at)
        wire.say(text(b"a" * at + b"\x80" + b"a" * (size - at - 1)))
        wire.closes(1007)
        wire.end()
    good = place.wire()
    for at in range(size - 1) if size < 65 else (0, size // 2, size - 2):
        frame = Frame(TEXT, b"a" * at + "é".encode() + b"a" * (size - at - 2))
        good.say(frame)
        good.hears(frame.answer)
