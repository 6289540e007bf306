"""A backend among the tests: a cluster whose gateways have a port for backends, and a client of that."""

import http.client
import json
import os
import secrets
import socket

import trust as trusts
from cluster import Cluster
from process import SLOWNESS
from worker_app import AppCluster

WAIT = 30 * SLOWNESS


class Answer:
    def __init__(self, status, headers, text):
        self.status = status
        self.headers = headers
        self.text = text

    @property
    def json(self):
        return json.loads(self.text)

    @property
    def error(self):
        """(code, sentence) of a refusal."""
        said = self.json["error"]
        return said["code"], said["message"]

    def __repr__(self):
        return f"{self.status} {self.text}"


class Backend:
    """One connection, kept open; a new one where the server has closed it."""

    def __init__(self, port, key, host="127.0.0.1"):
        self.key = key
        self._connection = http.client.HTTPConnection(host, port, timeout=WAIT)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()

    def raw(self, method, path, body=None, headers=None):
        self._connection.request(method, path, body, headers or {})
        response = self._connection.getresponse()
        return Answer(response.status, response.headers, response.read().decode())

    def ask(self, hub, verb, body=None, idempotency_key=None, timeout=None):
        headers = {"Authorization": f"Bearer {self.key}"}
        if idempotency_key:
            headers["Idempotency-Key"] = idempotency_key
        path = f"/api/hubs/{hub}/{verb}" + (f"?timeout={timeout}" if timeout else "")
        return self.raw("POST", path, json.dumps({} if body is None else body), headers)

    def must(self, hub, verb, body=None, **more):
        answer = self.ask(hub, verb, body, **more)
        assert answer.status == 200, answer
        return answer.json

    def call(self, hub, method, *args, **more):
        return self.must(hub, "call", {"method": method, "args": args}, **more)["result"]


class _WithBackends:
    """Of a Cluster: `api_options` are for its gateways alone. `grpc`: they have that port, too."""

    def __init__(self, *args, api_options=None, grpc=False, **more):
        super().__init__(*args, **more)
        self.grpc_ports = []
        self.api_key = secrets.token_hex(32)
        self.api_key_file = os.path.join(self.directory, "api-keys")
        self.api_ports = []
        trusts.write(self.api_key_file, f"tests:{self.api_key}\n")
        for gateway in self.gateways:
            port = self._port()
            self.api_ports.append(port)
            gateway.command += ["--api-listen", f"127.0.0.1:{port}", "--api-key-file", self.api_key_file]
            if grpc:
                self.grpc_ports.append(self._port())
                gateway.command += ["--api-grpc-listen", f"127.0.0.1:{self.grpc_ports[-1]}"]
            for name, value in (api_options or {}).items():
                gateway.command += ["--" + name, value]

    def backend(self, gateway=0, key=None):
        return Backend(self.api_ports[gateway], self.api_key if key is None else key)

    def pipeline(self, requests, gateway=0):
        """Sends (hub, verb, body) over one connection without waiting for answers; their bodies, in their order."""
        text = b""
        for hub, verb, body in requests:
            content = json.dumps(body).encode()
            text += (f"POST /api/hubs/{hub}/{verb} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {self.api_key}\r\n"
                     f"Content-Length: {len(content)}\r\n\r\n").encode() + content
        with socket.create_connection(("127.0.0.1", self.api_ports[gateway]), timeout=WAIT) as connection:
            connection.sendall(text)
            answers = []
            with connection.makefile("rb") as reader:
                for _ in requests:
                    length = 0
                    while (line := reader.readline()) != b"\r\n":
                        assert line, answers
                        if line.lower().startswith(b"content-length:"):
                            length = int(line.split(b":")[1])
                    answers.append(json.loads(reader.read(length)))
            return answers


class ApiCluster(_WithBackends, Cluster):
    pass


class AppApiCluster(_WithBackends, AppCluster):
    pass
