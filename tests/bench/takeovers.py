"""What clients notice of a gateway that is upgraded in place, and what it costs: sockets, most of them silent, some that ask
something twice a second, and one take-over after the other.

    nobody     ms for which nobody served, as the successor says
    p50, max   ms until an answer to what was asked in that time, or just after it (of all take-overs)
    usual      the same of what was asked at other times
    memory     resident and proportional (what two processes share counts half in each) memory of both processes at its
               most while they live, as multiples of the one before
"""

import calendar
import json
import re
import select
import socket
import statistics
import struct
import threading
import time

from cluster import Cluster
from raw import masked, upgrade_request

EVERY = 0.5       # seconds between two questions of a socket
JUST_AFTER = 0.1  # seconds, until the successor has its links
USUAL = 5         # seconds of talk before the first take-over, to compare with
BETWEEN = 3       # seconds of it after each
LOOK = 0.005      # seconds between two looks at the memory
_TAKEN = re.compile(r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.(\d{3})Z gateway info taken over: (\d+) sockets.* for (\d+)ms$", re.M)


class _Talk(threading.Thread):
    """Sockets that ask twice a second each, spread over the time; `waits`: (when it was asked, seconds to the answer)."""

    def __init__(self, sockets):
        super().__init__()
        self.waits = []
        self.stopping = False
        self._sockets = {connection.fileno(): connection for connection in sockets}
        self._asked = {}  # by descriptor
        self._read = {number: b"" for number in self._sockets}
        self.closed = 0

    def run(self):
        poll = select.epoll()
        for number in self._sockets:
            poll.register(number, select.EPOLLIN)
        order, begun, sent = list(self._sockets), time.time(), 0
        while not self.stopping:
            due = int((time.time() - begun) / EVERY * len(order))
            for _ in range(min(due - sent, 200)):
                number = order[sent % len(order)]
                sent += 1
                if number not in self._asked:
                    self._asked[number] = time.time()
                    self._sockets[number].send(masked(b"how are you?"))
            for number, _ in poll.poll(0.001):
                self._take(number)

    def _take(self, number):
        said = self._read[number] + self._sockets[number].recv(65536)
        if not said:
            self.closed += 1
            return
        while len(said) >= 4:
            size, at = said[1] & 127, 2
            if size == 126:
                size, at = struct.unpack(">H", said[2:4])[0], 4
            if len(said) < at + size:
                break
            if b'"echo"' in said[at:at + size]:
                asked = self._asked.pop(number)
                self.waits.append((asked, time.time() - asked))
            said = said[at + size:]
        self._read[number] = said


def _memory(pid):
    """(resident, proportional) KiB."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
        text = file.read()
    return tuple(int(re.search(rf"^{name}:\s+(\d+)", text, re.M)[1]) for name in ("Rss", "Pss"))


def measure(repetitions, scale):
    silent, talking = 8_000 // scale, 2_000 // scale
    with Cluster(options={"idle-timeout": "0", "echo-rate-limit": "0"}) as cluster:
        gateway = cluster.gateways[0]
        sockets = []
        for i in range(silent + talking):
            connection = socket.create_connection(("127.0.0.1", cluster.port()))
            connection.sendall(upgrade_request(f"/websocket/{i % 100}"))
            sockets.append(connection)
        for connection in sockets:
            said = b""
            while b"welcome" not in said:
                said += connection.recv(65536)
        talk = _Talk(sockets[silent:])
        talk.start()
        ratios = []
        try:
            time.sleep(USUAL)
            for _ in range(repetitions):
                ratios.append(_take_over(gateway))
                time.sleep(BETWEEN)
        finally:
            talk.stopping = True
            talk.join()
        taken = [(calendar.timegm(time.strptime(when, "%Y-%m-%dT%H:%M:%S")) + int(ms) / 1000, int(count), int(pause))
                 for when, ms, count, pause in _TAKEN.findall(gateway.log_text())]
    windows = [(at - pause / 1000, at + JUST_AFTER) for at, _, pause in taken]
    within = [wait for asked, wait in talk.waits if any(begin <= asked <= end for begin, end in windows)]
    usual = [wait for asked, wait in talk.waits if not any(begin - 1 <= asked <= end for begin, end in windows)]
    print(f"{len(taken)} take-overs of {taken[0][1]} sockets, {talking} of which ask every {EVERY} s; closed: {talk.closed}")
    print(f"  nobody   {statistics.median(pause for *_, pause in taken)} ms (median), {max(pause for *_, pause in taken)} ms at most")
    for name, waits in (("asked then", within), ("usual", usual)):
        print(f"  {name:<11}p50 {statistics.median(waits) * 1000:.1f} ms, p99 {sorted(waits)[int(len(waits) * 0.99)] * 1000:.1f} ms,"
              f" max {max(waits) * 1000:.1f} ms, of {len(waits)}")
    print("  memory   " + json.dumps([{"rss": round(rss, 2), "pss": round(pss, 2)} for rss, pss in ratios]))
    for connection in sockets:
        connection.close()


def _take_over(gateway):
    """Both processes' memory at its most, as multiples of that of one."""
    before = _memory(gateway.pid)
    old, successor = gateway.pid, gateway.start_successor()
    most = before
    while gateway.running():
        assert successor.poll() is None, gateway.log_text()[-500:]
        try:
            both = [sum(pair) for pair in zip(_memory(old), _memory(successor.pid))]
            most = [max(pair) for pair in zip(most, both)]
        except (OSError, TypeError):  # one of them has ended
            pass
        time.sleep(LOOK)
    gateway.succeed(successor)
    return [now / then for now, then in zip(most, before)]
