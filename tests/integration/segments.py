"""Segments as the other side reads them: what is written next waits until it has read what was written before.

Linux says what a process of this machine has not read of a connection: an event to wait for, where a test would sleep.
"""

import errno
import socket
import struct
import time

_SOCK_DIAG = 4               # linux/netlink.h
_BY_FAMILY = 20              # linux/sock_diag.h
_ERROR = 2
_INFO = 2                    # linux/inet_diag.h
_BYTES_RECEIVED = 128        # where it is in struct tcp_info of linux/tcp.h
_ESTABLISHED = 1


class OtherEnd:
    """Of an IPv4 connection to a process of this machine."""

    def __init__(self, connection):
        (our_host, our_port), (their_host, their_port) = connection.getsockname(), connection.getpeername()
        self._question = struct.pack(
            "=IHHIIBBBBI2s2s16s16sI8s", 72, _BY_FAMILY, 1, 0, 0,
            socket.AF_INET, socket.IPPROTO_TCP, 1 << (_INFO - 1), 0, 0xffffffff,
            their_port.to_bytes(2, "big"), our_port.to_bytes(2, "big"),
            socket.inet_aton(their_host), socket.inet_aton(our_host), 0, b"\xff" * 8)
        self._kernel = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG)
        self._kernel.connect((0, 0))

    def has_read(self, size):
        """Whether so many bytes have come in all, and none waits to be read. True where the other side has said that it
        will say no more: it may not care either."""
        self._kernel.send(self._question)
        answer = self._kernel.recv(8192)
        if struct.unpack_from("=H", answer, 4)[0] == _ERROR:
            number = -struct.unpack_from("=i", answer, 16)[0]
            if number == errno.ENOENT:
                return True
            raise OSError(number, "the kernel does not say what the other side has read")
        if answer[16 + 1] != _ESTABLISHED:
            return True
        unread = struct.unpack_from("=I", answer, 16 + 56)[0]
        at = 16 + 72
        while at < len(answer):
            length, kind = struct.unpack_from("=HH", answer, at)
            if kind == _INFO:
                return not unread and struct.unpack_from("=Q", answer, at + 4 + _BYTES_RECEIVED)[0] >= size
            at += length + 3 & ~3
        raise OSError("the kernel does not say what the other side has got")

    def await_read(self, size, timeout):
        deadline = time.monotonic() + timeout
        pause = 0
        while not self.has_read(size):
            if time.monotonic() > deadline:
                raise TimeoutError(f"not all of {size} bytes was read within {timeout} s")
            time.sleep(pause)  # mostly it is a matter of microseconds
            pause = min(pause + 1e-5, 0.01)

    def close(self):
        self._kernel.close()
