"""Listening ports that nobody uses, below the ephemeral range: in it, any client's outgoing connection could sit on
a port of ours at the next start.

Clusters that start at the same moment do not choose the same port: a chosen port is reserved, until the choosing
process ends, by an abstract unix socket named after it (like ports, those names belong to the network namespace).
"""

import errno
import itertools
import os
import socket
import zlib

_LOWEST = 20000
_REASONS = {
    errno.EADDRINUSE: "another program uses it",
    errno.EADDRNOTAVAIL: "this machine has no such address",
    errno.EACCES: "this user may not have it",
}
_reservations = []


def why_not(port, host="127.0.0.1"):
    """Why nobody can listen there, as the rest of a sentence; None: one can. A listener with SO_REUSEPORT counts as another
    program."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # old connections in TIME_WAIT are no matter
        try:
            probe.bind((host, port))
        except socket.gaierror:
            return "that is no address, nor the name of a host"
        except OSError as error:
            return _REASONS.get(error.errno, os.strerror(error.errno))
    return None


def reserve(port):
    """Keeps other choosers from this port until this process ends; False: it is reserved already."""
    mark = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        mark.bind(f"\0dormouse-port-{port}")
    except OSError:
        mark.close()
        return False
    _reservations.append(mark)
    return True


def choose(preferred, seed):
    """A free port, reserved: `preferred` where it can be had (None: no preference), else one that depends on `seed`
    as far as it can, so that the next start is likely to get the same."""
    with open("/proc/sys/net/ipv4/ip_local_port_range", encoding="ascii") as file:
        highest = max(int(file.read().split()[0]), _LOWEST + 1000)
    offset = zlib.crc32(seed.encode()) % (highest - _LOWEST)
    rest = (_LOWEST + (offset + i) % (highest - _LOWEST) for i in range(highest - _LOWEST))
    for port in itertools.chain([preferred] if preferred else [], rest):
        if why_not(port) is None and reserve(port):
            return port
    raise OSError(f"no free port between {_LOWEST} and {highest}")
