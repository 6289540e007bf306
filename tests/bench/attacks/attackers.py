"""Attacks: what one client, or a few, can do to a cluster. Each is a class with a docstring that says what happens, and

    options   of the cluster
    gateways  how many it has
    prepare   what the attackers do before anything is measured, within their limits
    attack    what is measured; returns what they heard: text -> count

All sockets are raw ones, of one process.
"""

import collections
import json
import random
import socket
import time

from raw import Actor, Raw, frame_head, text_frame

HUB = "attacked"
_LARGE = 900_000


def _in_words(said):
    """An answer or a close, for counting."""
    if isinstance(said, tuple):
        return f"closed {said[0]} {said[1]}".strip()
    details = said["payload"].get("details") or {}
    return f"{said['payload'].get('code', 'answered')} {details.get('code', '')}".strip()


def _heard(clients, seconds=0.5):
    """What they were told, beside answers."""
    counts = collections.Counter()
    for client in clients:
        for said in client.drain(seconds):
            if isinstance(said, tuple) or said.get("type") == "hub:error":
                counts[_in_words(said)] += 1
        seconds = min(seconds, 0.05)
    return counts


class Attack:
    options = {}
    gateways = 1

    def __init__(self, cluster, token):
        """`token(actor)`: what hub:connect needs; None where it needs none."""
        self.cluster = cluster
        self.port = cluster.port()
        self.token = token
        self.clients = []

    def actor(self, address, **options):
        client = Actor(self.port, HUB, address, self.token(address), **options)
        self.clients.append(client)
        return client

    def echo(self, path="/websocket/attacked", **options):
        client = Raw(self.port, path, **options)
        self.clients.append(client)
        return client

    def prepare(self):
        pass

    def attack(self):
        raise NotImplementedError


class DiscoverCapabilities(Attack):
    """hub:discover with 150,000 capabilities in a frame of 1 MiB, against an actor with 2,000 of them, three times"""

    def prepare(self):
        self.actor("attacker/registered").register(capabilities=[f"{n:x}" for n in range(2000)])

    def attack(self):
        me = self.actor("attacker/one")
        wanted = [f"{n % 2000:x}" for n in range(150_000)]
        answers = collections.Counter()
        for _ in range(3):
            answer = me.ask("hub:discover", {"pattern": "*", "capabilities": wanted})
            answers[answer["payload"].get("code", "answered")] += 1
        return answers


class DiscoverMetadata(Attack):
    """hub:discover with 80,000 members of metadata that must be equal, against an actor with 1,200 of them, three times"""

    def prepare(self):
        self.actor("attacker/registered").register(metadata={f"{n:x}": 1 for n in range(1200)})

    def attack(self):
        me = self.actor("attacker/one")
        metadata = ",".join(f'"{n % 1200:x}":1' for n in range(80_000))
        answers = collections.Counter()
        for number in range(3):
            frame = me.envelope("hub:discover", {"pattern": "*", "metadata": "HERE"}, id=f"metadata-{number}")
            me.send(json.dumps(frame).replace('"HERE"', "{" + metadata + "}").encode())
            while (said := me.receive()).get("correlationId") != frame["id"]:
                pass
            answers[said["payload"].get("code", "answered")] += 1
        return answers


class Regex(Attack):
    """a regular expression that outgrows its automaton, over 1,800 actors, ten a second from one session for five seconds"""

    def prepare(self):
        dice = random.Random(1)
        for client in range(100):
            me = self.actor(f"attacker/registered-{client}")
            for number in range(18):
                me.register("attacker/" + "".join(dice.choice("ab") for _ in range(110)) + f"-{client}-{number}")

    def attack(self):
        me = self.actor("attacker/one")
        pattern = "@\\(.*a.{40}a.{40}[ab]*c"
        end = time.monotonic() + 5
        while time.monotonic() < end:
            me.send(me.envelope("hub:discover", {"pattern": pattern}))
            time.sleep(0.1)
        answers = collections.Counter()
        for said in me.drain(5):
            answers[_in_words(said)] += 1
        return answers


class BroadcastToAbsent(Attack):
    """a broadcast of 1 MB to 600 sessions without a socket, twice"""

    options = {"resume-window": "10m"}

    def prepare(self):
        for number in range(600):
            client = Actor(self.port, HUB, f"absent/{number}", self.token(f"absent/{number}"))
            client.register()
            client.close()

    def attack(self):
        me = self.actor("attacker/one")
        me.register()
        answers = collections.Counter()
        for _ in range(2):
            answer = me.ask("hub:broadcast", {"type": "large", "data": "x" * _LARGE})["payload"]
            answers[answer.get("code") or f"queued {answer['queuedCount']} failed {answer['failedCount']}"] += 1
        return answers


class BroadcastToSlow(Attack):
    """16 broadcasts of 900 KB to 100 registered sockets that do not read"""

    def prepare(self):
        for number in range(100):
            self.actor(f"slow/{number}", small_window=True).register()

    def attack(self):
        me = self.actor("attacker/one")
        me.register()
        answers = collections.Counter()
        for _ in range(16):
            answer = me.ask("hub:broadcast", {"type": "large", "data": "x" * _LARGE})["payload"]
            answers[answer.get("code", "acknowledged")] += 1
            time.sleep(0.11)
        return answers


class BroadcastToMany(Attack):
    """one broadcast of 1 MB to 600 registered sockets, whose readers read at once when it is over"""

    def prepare(self):
        for number in range(600):
            self.actor(f"reader/{number}").register()

    def attack(self):
        me = self.actor("attacker/one")
        me.register()
        answer = me.ask("hub:broadcast", {"type": "large", "data": "x" * _LARGE})["payload"]
        return {answer.get("code", "acknowledged"): 1}


class PublishToAddresses(Attack):
    """a publication of 900 KB to ten sockets with 90 subscribed addresses each, which do not read"""

    def prepare(self):
        readers = [self.actor(f"reader/{number}", small_window=True) for number in range(10)]
        for number in range(90):
            for me in readers:
                address = f"{me.address}-{number}"
                me.register(address)
                me.must("hub:subscribe", {"topic": "news"}, **{"from": address})

    def attack(self):
        me = self.actor("attacker/one")
        me.register()
        answer = me.ask("hub:publish", {"topic": "news", "type": "large", "data": "x" * _LARGE})["payload"]
        return {answer.get("code", "acknowledged"): 1}


class NeverRead(Attack):
    """150 sockets of class echo that send 7 messages of 1 MB each and read nothing"""

    def attack(self):
        sockets = [self.echo(f"/websocket/never-{number}", small_window=True) for number in range(150)]
        message = text_frame(b'{"type":"message","message":"' + b"x" * _LARGE + b'"}')
        for _ in range(7):
            for client in sockets:
                client.sock.settimeout(0.5)
                try:
                    client.sock.sendall(message)
                except OSError:
                    pass
        time.sleep(2)
        return {}


class ErrorsUnread(Attack):
    """20 sockets that send small messages as fast as they can, far over the rate limit, and read nothing"""

    def attack(self):
        sockets = [self.actor(f"attacker/{number}", small_window=True) for number in range(20)]
        burst = text_frame({"type": "note", "from": "attacker/0", "payload": {}}) * 500
        end = time.monotonic() + 5
        for client in sockets:
            client.sock.setblocking(False)
        while time.monotonic() < end:
            for client in sockets:
                try:
                    client.sock.send(burst)
                except BlockingIOError:
                    pass
                except OSError:
                    pass
            time.sleep(0.001)
        return {}


class ConnectAgain(Attack):
    """one socket that says hub:connect again and again, as fast as it can, for five seconds"""

    def attack(self):
        me = self.actor("attacker/one")
        frame = me.envelope("hub:connect", {"version": "1.0", "jwt": self.token(me.address)})
        return _flood([me], text_frame(frame) * 50, 5)


class EchoFlood(Attack):
    """four sockets of class echo that send as fast as they can for five seconds, and read all answers"""

    def attack(self):
        sockets = [self.echo("/websocket/flooded") for _ in range(4)]
        return _flood(sockets, text_frame(b'{"type":"message","message":"hello"}') * 200, 5)


def _flood(sockets, burst, seconds):
    """Sends whatever a socket takes, and throws away what comes."""
    end = time.monotonic() + seconds
    counts = collections.Counter()
    left = {}
    for client in sockets:
        client.sock.setblocking(False)
        left[client] = b""
    while time.monotonic() < end and left:
        for client in list(left):
            try:
                left[client] = left[client] or burst
                left[client] = left[client][client.sock.send(left[client]):]
            except BlockingIOError:
                pass
            except OSError:
                counts["connection lost"] += 1
                del left[client]
                continue
            try:
                while block := client.sock.recv(1 << 16):
                    counts["rate_limited"] += block.count(b'"rate_limited"')
            except BlockingIOError:
                pass
            except OSError:
                pass
    return counts


class Unfinished(Attack):
    """270 sockets, each with 1 MB of a frame that is not finished; then they wait for five seconds"""

    def attack(self):
        sockets = [self.echo(f"/websocket/unfinished-{number}") for number in range(270)]
        part = frame_head(1_048_576) + b"x" * 1_040_000
        for client in sockets:
            client.sock.settimeout(2)
            try:
                client.sock.sendall(part)
            except OSError:
                pass
        time.sleep(5)
        for client in sockets:
            client.sock.settimeout(0.2)
        return _heard(sockets, 0.05)


class Storm(Attack):
    """the statekeeper is killed, and 9,000 sockets of as many sleeping hubs speak ten times each; meanwhile new clients
    come, one after the other"""

    options = {"hibernate-after": "1s", "rate-limit": "0"}
    speaks = True

    def prepare(self):
        self.sockets = [self.echo(f"/websocket/storm-{number}") for number in range(9000)]
        self.cluster.wait_asleep(timeout=120)

    def attack(self):
        self.cluster.kill_statekeeper()
        message = text_frame(b'{"type":"message","message":"hello"}') * 10
        for client in self.sockets if self.speaks else []:
            client.sock.sendall(message)
        self.cluster.start_statekeeper(wait=False)
        waits = []
        end = time.monotonic() + 15
        while time.monotonic() < end:
            asked = time.monotonic()
            newcomer = Raw(self.port, f"/websocket/newcomer-{len(waits)}", timeout=60)
            newcomer.receive()
            waits.append(time.monotonic() - asked)
            newcomer.close()
            time.sleep(0.05)
        unanswered = 0
        for client in self.sockets:
            client.sock.settimeout(60)
            due = 11 if self.speaks else 1
            answers = sum(not isinstance(client.receive(), tuple) for _ in range(due))
            unanswered += due - answers
        ordered = sorted(waits[1:])  # the first waits for the owner's start
        return {f"newcomers waited at most {ordered[-1] * 1000:.0f} ms, the one at the start {waits[0] * 1000:.0f} ms, "
                f"median {ordered[len(ordered) // 2] * 1000:.0f} ms": len(waits), "frames unanswered": unanswered}


class Killed(Storm):
    """the same without a word of the sockets: what of it is the death of the only statekeeper"""

    speaks = False


class SilentAdmin(Attack):
    """three silent TCP connections to the admin ports: what is measured is /healthz"""

    def attack(self):
        ports = [self.cluster.gateways[0].admin, self.cluster.statekeeper.admin]
        silent = [socket.create_connection(("127.0.0.1", port)) for port in ports for _ in range(3)]
        time.sleep(0.2)
        longest = 0.0
        for port in ports:
            asked = time.monotonic()
            with socket.create_connection(("127.0.0.1", port), timeout=60) as probe:
                probe.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                probe.recv(4096)
            longest = max(longest, time.monotonic() - asked)
        for client in silent:
            client.close()
        return {f"healthz after {longest * 1000:.0f} ms": 1}


class HungGateway(Attack):
    """a gateway is stopped (SIGSTOP) for fifteen seconds, while a hub sends 2 MB/s to sockets there"""

    options = {"gateway-grace": "3s", "rate-limit": "0", "replay-buffer": "4MiB"}
    gateways = 2

    def prepare(self):
        self.sender = self.actor("attacker/one")
        self.sender.register()
        reader = Actor(self.cluster.port(1), HUB, "reader/hung", self.token("reader/hung"))
        reader.register()
        self.clients.append(reader)

    def attack(self):
        answers = collections.Counter()
        self.cluster.gateways[1].pause()
        end = time.monotonic() + 15
        while time.monotonic() < end:
            frame = self.sender.envelope("hub:broadcast", {"type": "large", "data": "x" * 100_000}, pattern="tell")
            self.sender.sock.settimeout(1)
            try:
                self.sender.send(frame)
            except OSError:
                answers["not taken"] += 1
                break
            time.sleep(0.05)
        self.cluster.gateways[1].resume()
        return answers


ALL = [DiscoverCapabilities, DiscoverMetadata, Regex, BroadcastToAbsent, BroadcastToSlow, BroadcastToMany,
       PublishToAddresses, NeverRead, ErrorsUnread, ConnectAgain, EchoFlood, Unfinished, Storm, Killed,
       SilentAdmin, HungGateway]
