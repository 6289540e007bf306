"""A chat room whose hub is this program: Dormouse posts its events here (../../webhooks.md). The standard library is all it needs."""

import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

SECRET = os.environ["WEBHOOK_SECRET"]  # whsec_...
FIVE_MINUTES = 300


def is_signed(headers, body):
    """Whether Dormouse has sent this, and lately."""
    if abs(time.time() - int(headers.get("webhook-timestamp", "0"))) > FIVE_MINUTES:
        return False
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    ours = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(ours, theirs) for theirs in headers.get("webhook-signature", "").split())


def handle(request):
    """The commands for a batch of events. It may come twice (webhook-id is the same): this answers the same twice."""
    commands, lines = [], request["state"].get("lines", [])
    for event in request["events"]:
        who = event.get("connection")
        if event["type"] == "connect":
            name = parse_qs(event["query"]).get("name", [""])[0]
            if not name:
                commands.append({"verb": "disconnect", "connection": who, "code": 4003, "reason": "who are you?"})
                continue
            commands.append({"verb": "tag", "connection": who, "tags": ["member", "name:" + name]})
            commands += [{"verb": "send", "connection": who, "data": line} for line in lines]
        elif event["type"] == "message" and "data" in event:
            commands.append({"verb": "send", "tag": "member", "data": event["data"]})
            lines = [*lines, event["data"]][-20:]
    return [*commands, {"verb": "put", "key": "lines", "value": lines}]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        if not is_signed(self.headers, body):
            return self.answer(401, {"error": "this is not signed with the secret"})
        return self.answer(200, {"commands": handle(json.loads(body))})

    def answer(self, status, content):
        text = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9000), Handler)
    print(f"listening on http://127.0.0.1:{server.server_port}/", flush=True)
    server.serve_forever()
