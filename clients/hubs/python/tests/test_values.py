"""Values as bytes, rows as far as they are known, frames."""

import random

import pytest
from dormouse_hubs import values
from dormouse_hubs.host.frames import Frames, framed
from dormouse_hubs.host.rows import Rows, Unknown, after


@pytest.mark.parametrize("value", [
    None, True, 0, -1.5, "", "ä\0", [], {}, [1, [2, {"a": None}]], b"", b"\0\xff", {"a": b"x"}, [b""], {"$bytes": "eA=="},
    {"$bytes": b"x"}, {"$": 1, "$$": 2, "$$bytes": 3}, {"$bytes": 1, "b": 2}, "$bytes", {"a": "$"}, 2**70,
])
def test_values_come_back_as_they_were(value):
    data = values.encode(value)
    assert values.decode(data) == value and isinstance(data, bytes)
    assert values.from_json(values.to_json(value)) == value


def test_plain_values_are_plain_json():
    assert values.encode({"a": [1, "ä"]}) == '{"a":[1,"ä"]}'.encode()
    assert values.encode((1, bytearray(b"x"))) == b'[1,{"$bytes":"eA=="}]'


def test_what_is_no_value_is_refused():
    endless = []
    endless.append(endless)
    for value, kind in ((object(), TypeError), ({1: 2}, TypeError), (float("inf"), ValueError), (endless, ValueError)):
        with pytest.raises(kind):
            values.encode(value)


@pytest.mark.parametrize("seed", range(5))
def test_rows_are_as_a_dict_that_is_taken_back_at_times(seed):
    dice = random.Random(seed)
    truth = {bytes([97 + dice.randrange(5), 97 + dice.randrange(5)]): b"%d" % number for number in range(20)}
    first = sorted(truth.items())[:dice.randrange(len(truth))]
    rows = Rows(first, len(first) == len(truth))
    for _ in range(300):
        before, undo = dict(truth), []
        for _ in range(dice.randrange(4)):
            key = bytes([97 + dice.randrange(5), 97 + dice.randrange(5)])
            if dice.random() < 0.1:
                prefix = key[:1]
                undo.append(rows.erase(prefix))
                truth = {each: value for each, value in truth.items() if not each.startswith(prefix)}
            elif dice.random() < 0.4:
                undo.append(rows.put(key, None))
                truth.pop(key, None)
            else:
                undo.append(rows.put(key, b"%d" % dice.randrange(100)))
                truth[key] = rows.get(key)
        if dice.random() < 0.4:
            for each in reversed(undo):
                each()
            truth = before
        key = bytes([97 + dice.randrange(5), 97 + dice.randrange(5)])
        found = rows.get(key)
        if isinstance(found, Unknown):
            rows.learn(key, truth.get(key))
            found = rows.get(key)
        assert found == truth.get(key)
        low, high = sorted((key, bytes([97 + dice.randrange(6)])))
        if rows.knows(low, high):
            assert rows.keys(low, high) == sorted(each for each in truth if low <= each < high)


def test_after_is_the_first_key_above_a_prefix():
    assert (after(b"k:"), after(b"k:\xff"), after(b"k:a\xff\xff")) == (b"k;", b"k;", b"k:b")


@pytest.mark.parametrize("step", [1, 3, 7, 100, 10_000])
def test_frames_are_cut_wherever_a_read_ends(step):
    messages = [b"", b"x", bytes(1000), b"last"]
    stream = b"".join(map(framed, messages))
    frames = Frames()
    assert [frame for at in range(0, len(stream), step) for frame in frames.take(stream[at:at + step])] == messages


def test_a_frame_that_is_too_long_is_an_error():
    with pytest.raises(ValueError, match="at most"):
        list(Frames().take(b"\xff\xff\xff\xff"))
