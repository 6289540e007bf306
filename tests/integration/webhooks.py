"""An operator's endpoint among the tests, and a cluster with classes whose events it gets (clients/webhooks.md)."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import secrets

import trust as trusts
from cluster import Cluster
from process import SLOWNESS

WAIT = 20 * SLOWNESS


class Request:
    def __init__(self, path, headers, body):
        self.path, self.headers, self.body = path, headers, body
        self.id = headers["webhook-id"]
        self.said = json.loads(body)
        self.events = self.said["events"]

    @property
    def types(self):
        return [event["type"] for event in self.events]

    @property
    def texts(self):
        return [event.get("data") for event in self.events if event["type"] == "message"]


class Endpoint:
    """Answers as `answer` says, which gets a Request: a list of commands; a status; bytes, all that is sent; None: it
    never answers. Each request's signature is looked at."""

    def __init__(self, secret):
        self._secret = secret
        self.requests = []  # all that have come whole
        self.answer = lambda request: []
        self._arrived = asyncio.Condition()
        self._server = None
        self._tasks = set()
        self.port = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}/hook"

    async def start(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self):
        self._server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def __aenter__(self):
        await self.start()
        return self

    async def __aexit__(self, *_):
        await self.stop()

    async def arrived(self, count):
        """Waits for so many requests, and returns the last of them."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: len(self.requests) >= count), WAIT)
        return self.requests[count - 1]

    async def got(self, wanted):
        """Waits until `wanted` of all events so far is true."""
        async with self._arrived:
            await asyncio.wait_for(self._arrived.wait_for(lambda: wanted(self.events())), WAIT)

    def events(self):
        """Of all requests, each once, whatever its id was repeated."""
        first = {}
        for request in self.requests:
            assert first.setdefault(request.id, request).body == request.body, "one id, two bodies"
        return [event for request in first.values() for event in request.events]

    async def _serve(self, reader, writer):
        task = asyncio.current_task()
        self._tasks.add(task)
        try:
            while await self._one(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        headers = {name.lower(): value.strip() for name, value in
                   (line.split(":", 1) for line in lines[1:] if line)}
        body = await reader.readexactly(int(headers["content-length"]))
        self._check(headers, body)
        request = Request(lines[0].split()[1], headers, body)
        async with self._arrived:
            self.requests.append(request)
            self._arrived.notify_all()
        answer = self.answer(request)
        if asyncio.iscoroutine(answer):
            answer = await answer
        if answer is None:
            await asyncio.sleep(3600)
        if isinstance(answer, bytes):
            writer.write(answer)
            await writer.drain()
            return False
        status, content = (answer, b"no") if isinstance(answer, int) else (
            200, json.dumps({"commands": answer}).encode())
        writer.write(b"HTTP/1.1 %d X\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" %
                     (status, len(content), content))
        await writer.drain()
        return True

    def _check(self, headers, body):
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        mac = hmac.new(base64.b64decode(self._secret.removeprefix("whsec_")), signed, hashlib.sha256).digest()
        assert f"v1,{base64.b64encode(mac).decode()}" in headers["webhook-signature"].split(), headers


def new_secret():
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


class WebhookCluster(Cluster):
    """`classes`: NAME -> its keys, with an Endpoint as `endpoint`."""

    def __init__(self, classes, secret, **more):
        super().__init__(start=False, **more)
        trusts.write(os.path.join(self.directory, "secret"), secret + "\n")
        text = ""
        for name, keys in classes.items():
            text += f"[{name}]\nsecret-file = \"secret\"\n"
            for key, value in keys.items():
                text += f"{key} = {json.dumps(value)}\n"
        path = os.path.join(self.directory, "callbacks.toml")
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        self.options["callbacks"] = path
        for number, process in enumerate(self.statekeepers):
            process.command = self.statekeeper_command(number)
        self._start = True
