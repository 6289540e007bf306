"""Whatever is allowed, in any order, cut anywhere: each answer comes, exactly and in order."""

import contextlib
import random
import selectors

import pytest

from .wire import BINARY, PONG, TEXT, Frame, Heard, fragments, ping, pong

FRAMES = 3000
SIZES = (0, 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 31, 64, 100, 124, 125, 126, 127, 128, 300, 1000, 4096, 65535, 65536)
ALPHABET = "abcdefgh 0123456789 {}\":, éß€한\U0001f40f"


class Traffic:
    """Random frames, and what is to be heard for them."""

    def __init__(self, seed):
        self.chance = random.Random(seed)
        self.frames = []
        self.pongs = []
        self.messages = []
        while len(self.frames) < FRAMES:
            self._control() if self.chance.random() < 0.3 else self._message()

    def _control(self):
        payload = self.chance.randbytes(min(self.chance.choice(SIZES), 125))
        if self.chance.random() < 0.2:
            self.frames.append(pong(payload))
        else:
            self.frames.append(ping(payload))
            self.pongs.append(Heard(PONG, payload))

    def _message(self):
        opcode = self.chance.choice([TEXT, BINARY])
        size = self.chance.choice(SIZES if self.chance.random() < 0.3 else SIZES[:20])
        data = ("".join(self.chance.choices(ALPHABET, k=size)).encode() if opcode == TEXT else
                self.chance.randbytes(size))
        self.messages.append(Heard(opcode, data))
        cuts = sorted(self.chance.randint(0, len(data)) for _ in range(self.chance.choice([0, 0, 1, 2, 5])))
        parts = [data[first:last] for first, last in zip([0, *cuts], [*cuts, len(data)])]
        for frame in fragments(opcode, parts):
            self.frames.append(frame)
            while not frame.final and self.chance.random() < 0.3:
                self._control()

    def segments(self, data):
        """Most of them small or of a few frames, some large."""
        at = 0
        while at < len(data):
            size = self.chance.choice([1, 2, 3, 6, 20, 100, 1000, 1448, 10_000, 100_000])
            yield data[at:at + size]
            at += size


@pytest.mark.parametrize("apart", [True, False], ids=["segments read one by one", "as they come"])
@pytest.mark.parametrize("seed", range(6))
def test_random_traffic(wire, seed, apart):
    traffic = Traffic(seed)
    heard = _exchange(wire, traffic, apart)
    pongs = [each for each in heard if each.opcode == PONG]
    messages = [each for each in heard if each.opcode != PONG]
    _compare(pongs, traffic.pongs)
    _compare(messages, traffic.messages)
    wire.is_alive()


def _exchange(wire, traffic, apart):
    """Says all of it, and hears meanwhile: who only talks is not answered for long."""
    missing = len(traffic.pongs) + len(traffic.messages)
    heard = []
    with selectors.DefaultSelector() as selector:
        selector.register(wire.socket, selectors.EVENT_READ)
        for segment in traffic.segments(wire.encoded(*traffic.frames)):
            wire.write(segment)
            if apart:
                wire.await_read()
            while len(heard) < missing and (wire.has_something_to_hear() or selector.select(0)):
                heard.append(wire.hear())
    with contextlib.suppress(TimeoutError):  # what is missing is seen by who compares
        while len(heard) < missing:
            heard.append(wire.hear())
    return heard


def _compare(heard, expected):
    for number, (one, other) in enumerate(zip(heard, expected)):
        assert one == other, f"number {number} of {len(expected)}"
    assert len(heard) == len(expected)


def test_a_frame_is_what_it_is_for_every_mask():
    """Of the judge itself."""
    chance = random.Random(1)
    for size in range(20):
        payload = chance.randbytes(size)
        said = Frame(BINARY, payload).encoded(chance)
        mask = said[2:6]
        assert bytes(byte ^ mask[at % 4] for at, byte in enumerate(said[6:])) == payload
