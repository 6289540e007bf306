"""A client's end of one connection: says frames in segments as it likes, and judges each byte that it hears."""

import contextlib
import dataclasses
import random
import select
import socket
import typing

import client_tls
from cluster import SLOWNESS
from raw import FrameReader, frame_head, handshake, under_mask, upgrade_request
from segments import OtherEnd
from ws import WAIT

TEXT, BINARY, CLOSE, PING, PONG = 1, 2, 8, 9, 10
# Seconds in which a connection ends that is to end at once. A peer that does not answer a close is given more.
PROMPTLY = 3 * SLOWNESS
NO_MASK = b""


@dataclasses.dataclass(frozen=True)
class Frame:
    """A frame to be said. Whatever is wrong with it is meant."""

    opcode: int
    payload: bytes = b""
    final: bool = True
    reserved: int = 0            # the three bits behind FIN
    mask: bytes | None = None    # None: any
    length_bytes: int | None = None
    announced: int | None = None  # the length that it says, if it is another than the payload's

    def encoded(self, masks):
        mask = masks.randbytes(4) if self.mask is None else self.mask
        size = len(self.payload) if self.announced is None else self.announced
        return (frame_head(size, self.final, self.opcode, self.reserved, mask, self.length_bytes) +
                (under_mask(self.payload, mask) if mask else self.payload))

    @property
    def answer(self):
        """What is heard in return for this frame alone."""
        assert self.final and self.opcode in (TEXT, BINARY, PING)
        return Heard(PONG if self.opcode == PING else self.opcode, self.payload)


class Heard(typing.NamedTuple):
    """A message, put together, or a control frame."""

    opcode: int
    payload: bytes

    @property
    def code(self):
        return int.from_bytes(self.payload[:2], "big") if self.payload else 1005


def text(said, **how):
    return Frame(TEXT, said.encode() if isinstance(said, str) else said, **how)


def binary(said, **how):
    return Frame(BINARY, said, **how)


def ping(said=b"", **how):
    return Frame(PING, said, **how)


def pong(said=b"", **how):
    return Frame(PONG, said, **how)


def close(code=None, reason=b"", **how):
    return Frame(CLOSE, (b"" if code is None else code.to_bytes(2, "big")) + reason, **how)


def continuation(said=b"", final=True, **how):
    return Frame(0, said, final, **how)


def fragments(opcode, parts):
    """A message in so many frames."""
    last = len(parts) - 1
    return [Frame(0 if number else opcode, part, number == last) for number, part in enumerate(parts)]


def parts_of(data, size):
    """`data` in parts of a size, the last may be shorter; at least one."""
    return [data[at:at + size] for at in range(0, len(data), size)] or [b""]


class Wire:
    def __init__(self, port, path, seed=0, fields=(), small_window=False):
        self.masks = random.Random(seed)
        self.socket = socket.socket()
        if small_window:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(WAIT)
        self.socket.connect(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if client_tls.by_tls():
            self.socket = client_tls.client_context().wrap_socket(self.socket, server_hostname="localhost")
        self.head = handshake(self.socket, path, fields)
        self._sent = len(upgrade_request(path, fields))
        self._frames = FrameReader(self.socket)
        self._message = None  # what has come of it
        self._other_end = None

    # --- saying

    def encoded(self, *frames):
        """Bytes pass as they are."""
        return b"".join(frame if isinstance(frame, bytes) else frame.encoded(self.masks) for frame in frames)

    def say(self, *frames):
        """In one segment, or as few as can be."""
        self.write(self.encoded(*frames))

    def write(self, data):
        self.socket.sendall(data)
        self._sent += len(data)

    def say_in_segments(self, *frames, size=1):
        """Segments of a size. Each has been read when the next is written."""
        self.write_segments(parts_of(self.encoded(*frames), size))

    def say_cut(self, size, frames):
        """At once, or in segments of a size."""
        if size is None:
            self.say(*frames)
        else:
            self.say_in_segments(*frames, size=size)

    def say_to_the_end(self, size, frames):
        """The same, as far as the other side lets it: it may have closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.say_cut(size, frames)

    def write_segments(self, segments):
        for segment in segments:
            self.write(segment)
            self.await_read()

    def write_some(self, data):
        """As much as the other side lets it: it may have closed."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.write(data)

    def shut(self):
        """Nothing more will be said."""
        socket.socket.shutdown(self.socket, socket.SHUT_WR)  # of TLS, too, only this half

    def await_read(self):
        """Until the other side has read all that was said."""
        if self._other_end is None:
            self._other_end = OtherEnd(self.socket)
        self._other_end.await_read(self._sent, WAIT)

    # --- hearing

    @property
    def has_heard_a_part(self):
        """Of a message whose last frame has not come."""
        return self._message is not None

    def hear(self):
        """The next message, or control frame. A fragmented message comes when its last frame has come; control frames
        within it come before."""
        while True:
            opcode, final, reserved, payload = self._frames.next_frame()
            assert opcode in (0, TEXT, BINARY, CLOSE, PING, PONG), f"opcode {opcode}"
            if opcode >= CLOSE:
                assert final and not reserved and len(payload) < 126, (opcode, final, reserved, len(payload))
                return Heard(opcode, payload)
            message, self._message = self._message, None
            assert (opcode == 0) == (message is not None), "a message begins within another, or goes on without one"
            message = message or _Message(opcode, self.is_compressed(opcode, reserved))
            message.parts.append(payload)
            if final:
                return self._whole(message)
            self._message = message

    def is_compressed(self, _opcode, reserved):
        assert not reserved, "reserved bits mean nothing here"
        return False

    def inflate(self, payload):
        raise NotImplementedError

    def _whole(self, message):
        payload = b"".join(message.parts)
        if message.compressed:
            payload = self.inflate(payload)
        if message.opcode == TEXT:
            payload.decode()
        return Heard(message.opcode, payload)

    def has_something_to_hear(self):
        if client_tls.by_tls() and self.socket.pending():
            return True
        return bool(self._frames.buffer or select.select([self.socket], [], [], 0)[0])

    def hears(self, *what):
        """Exactly this, in this order."""
        for expected in what:
            heard = self.hear()
            assert heard == expected, f"heard {_shown(heard)}, not {_shown(expected)}"

    def is_alive(self):
        """It is answered, and nothing else is heard before."""
        self.say(ping(b"alive?"))
        self.hears(Heard(PONG, b"alive?"))

    def rest(self):
        """All that is heard until the connection ends, which is to be soon."""
        self.socket.settimeout(PROMPTLY)
        heard = []
        try:
            while True:
                heard.append(self.hear())
        except ConnectionResetError:
            # What was said after the other side had closed is never read.
            assert heard and heard[-1].opcode == CLOSE, f"reset after {_shown(heard)}"
        except ConnectionError:
            assert not self._frames.buffer, "the connection ends within a frame"
        except TimeoutError:
            raise AssertionError(f"not ended within {PROMPTLY} s, heard {_shown(heard)}") from None
        return heard

    def closes(self, *codes, pongs=(), may_echo=()):
        """One close frame with one of the codes, then the end. Before it come the pongs, and as many of the messages
        as there was time for: they come from the hub, in order. Returns the close frame."""
        heard = self.rest()
        assert heard and heard[-1].opcode == CLOSE, f"no close frame ends {_shown(heard)}"
        assert heard[-1].code in codes, f"closed with {heard[-1].code} {heard[-1].payload[2:]}, not {codes}"
        heard[-1].payload[2:].decode()
        assert [each.payload for each in heard[:-1] if each.opcode == PONG] == list(pongs), _shown(heard)
        echoes = [each for each in heard[:-1] if each.opcode != PONG]
        assert echoes == list(may_echo)[:len(echoes)], _shown(heard)
        return heard[-1]

    def end(self):
        self.socket.close()
        if self._other_end:
            self._other_end.close()


@dataclasses.dataclass
class _Message:
    opcode: int
    compressed: bool
    parts: list = dataclasses.field(default_factory=list)


def _shown(heard):
    if isinstance(heard, list):
        return "[" + ", ".join(map(_shown, heard)) + "]"
    return f"{heard.opcode}:{heard.payload[:40]!r}" + (f" ({len(heard.payload)})" if len(heard.payload) > 40 else "")


# --- ways of breaking the rules

# How what is wrong comes after what is right, if anything is.
WAYS = ("at once", "behind the answers", "byte by byte")
# Never read, never answered.
UNHEARD = (ping(b"unheard"), text("unheard"), close(1000))


def is_refused(wire, way, codes, wrong, before=(), answers=None):
    """What is `wrong` (frames) after what is right ends the connection with one of the codes, and nothing of what
    follows is looked at. `answers`: what is heard for `before`, by default the answers of its frames."""
    answers = [frame.answer for frame in before] if answers is None else list(answers)
    pongs = [answer.payload for answer in answers if answer.opcode == PONG]
    echoes = [answer for answer in answers if answer.opcode != PONG]
    if way == "behind the answers":
        if before:
            wire.say(*before)
            _hears_all(wire, answers)
        wire.say(*wrong, *UNHEARD)
        return wire.closes(*codes)
    if way == "at once":
        wire.say(*before, *wrong, *UNHEARD)
    else:
        wire.say_to_the_end(1, [*before, *wrong, *UNHEARD])
    return wire.closes(*codes, pongs=pongs, may_echo=echoes)


def _hears_all(wire, answers):
    """In any order between pongs, which come from the edge, and messages, which come from the hub."""
    heard = [wire.hear() for _ in answers]
    for from_edge in (True, False):
        assert ([each for each in heard if (each.opcode == PONG) == from_edge] ==
                [each for each in answers if (each.opcode == PONG) == from_edge]), _shown(heard)
