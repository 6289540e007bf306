"""A link that is slow and loses packets, for kernels without netem: a program at a tap device that passes on what is
sent to its hardware address, later or not at all.

    relay.py --device NAME --hardware MAC --delay SECONDS --loss PROBABILITY [--seed S] --host ADDRESS=MAC...

It makes the device in its network namespace, says "ready", and waits for packets; the device is to be put into a
bridge by whoever started it. It goes with the process.
"""

import argparse
import collections
import fcntl
import os
import random
import select
import socket
import struct
import time

_TUNSETIFF = 0x400454CA
_IFF_TAP = 0x0002
_IFF_NO_PI = 0x1000
_IPV4 = b"\x08\x00"
_MOST = 20000  # packets under way; more are lost, as in a router


def hardware_address(text):
    return bytes.fromhex(text.replace(":", ""))


class Link:
    """Packets under way. `hosts`: IPv4 address -> hardware address, both as bytes; packets for others are lost."""

    def __init__(self, own, hosts, delay, loss, seed):
        self._own = own
        self._hosts = hosts
        self._delay = delay
        self._loss = loss
        self._random = random.Random(seed)
        self._under_way = collections.deque()  # (due, frame): all take equally long, so they stay in order

    def take(self, frame, now):
        """A frame from the device; those that are not for the relay are somebody else's."""
        if frame[:6] != self._own or frame[12:14] != _IPV4 or len(frame) < 34:
            return
        target = self._hosts.get(frame[30:34])
        if target is None or len(self._under_way) >= _MOST or self._random.random() < self._loss:
            return
        self._under_way.append((now + self._delay, target + self._own + frame[12:]))

    def due(self, now):
        """The frames that arrive now, in order."""
        frames = []
        while self._under_way and self._under_way[0][0] <= now:
            frames.append(self._under_way.popleft()[1])
        return frames

    def wait(self, now):
        """Seconds until the next frame arrives; None: none is under way."""
        return max(0, self._under_way[0][0] - now) if self._under_way else None


def _open_device(name):
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(device, _TUNSETIFF, struct.pack("16sH22x", name.encode(), _IFF_TAP | _IFF_NO_PI))
    return device


def _pass_on(device, link):
    while True:
        readable, _, _ = select.select([device], [], [], link.wait(time.monotonic()))
        try:
            while readable:
                link.take(os.read(device, 65536), time.monotonic())
        except BlockingIOError:
            pass
        for frame in link.due(time.monotonic()):
            try:
                os.write(device, frame)
            except OSError:  # the device is down: lost
                pass


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n", maxsplit=1)[0])
    parser.add_argument("--device", required=True)
    parser.add_argument("--hardware", required=True, type=hardware_address)
    parser.add_argument("--delay", required=True, type=float)
    parser.add_argument("--loss", required=True, type=float)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--host", action="append", default=[], metavar="ADDRESS=MAC")
    options = parser.parse_args()
    pairs = (host.split("=") for host in options.host)
    hosts = {socket.inet_aton(address): hardware_address(hardware) for address, hardware in pairs}
    link = Link(options.hardware, hosts, options.delay, options.loss, options.seed)
    device = _open_device(options.device)
    print("ready", flush=True)
    _pass_on(device, link)


if __name__ == "__main__":
    main()
