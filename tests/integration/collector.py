"""A collector of traces among the tests: takes OTLP over HTTP with JSON bodies, and checks what it is sent."""

import http.server
import json
import re
import threading
import time

from process import SLOWNESS

WAIT = 20 * SLOWNESS


class Span:
    def __init__(self, service, said):
        assert re.fullmatch(r"[0-9a-f]{32}", said["traceId"]) and re.fullmatch(r"[0-9a-f]{16}", said["spanId"]), said
        self.service = service
        self.name, self.trace, self.id = said["name"], said["traceId"], said["spanId"]
        self.parent = said.get("parentSpanId", "")
        self.kind = said["kind"]
        self.start, self.end = int(said["startTimeUnixNano"]), int(said["endTimeUnixNano"])
        assert self.start <= self.end, said
        self.attributes = {}
        for attribute in said["attributes"]:
            [(kind, value)] = attribute["value"].items()
            self.attributes[attribute["key"]] = int(value) if kind == "intValue" else value
        self.error = said.get("status", {}).get("message", "")

    def __repr__(self):
        return f"{self.service} {self.name} {self.id}<{self.parent} {self.attributes}"


class Collector:
    """`answer`: gets the number of the request, from 1, and returns status, headers and body; None: it never answers."""

    def __init__(self):
        self.answer = lambda number: (200, {}, b"{}")
        self.requests = 0
        self.headers = []  # of each request
        self.texts = []  # bodies of those that were answered with 200
        self.spans = []
        self.over = threading.Event()
        self._changed = threading.Condition()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):  # pylint: disable=invalid-name
                collector._take(self)  # pylint: disable=protected-access

            def log_message(self, *_):  # pylint: disable=arguments-differ
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _take(self, request):
        body = request.rfile.read(int(request.headers["content-length"]))
        assert request.path == "/v1/traces" and request.headers["content-type"] == "application/json"
        with self._changed:
            self.requests += 1
            self.headers.append({name.lower(): value for name, value in request.headers.items()})
            answer = self.answer(self.requests)
            if answer is not None and answer[0] == 200:
                self.texts.append(body.decode())
                self._read(json.loads(body))
            self._changed.notify_all()
        if answer is None:
            self.over.wait()
            return
        status, headers, content = answer
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.send_header("content-length", str(len(content)))
        request.end_headers()
        request.wfile.write(content)

    def _read(self, said):
        for each in said["resourceSpans"]:
            resource = {item["key"]: item["value"]["stringValue"] for item in each["resource"]["attributes"]}
            assert resource.keys() == {"service.name", "service.instance.id", "service.version"}, resource
            for scope in each["scopeSpans"]:
                self.spans += [Span(resource["service.name"], span) for span in scope["spans"]]

    def await_spans(self, wanted, what):
        """Waits until `wanted`, of all spans so far, is true; returns what it returns."""
        with self._changed:
            found = self._changed.wait_for(lambda: wanted(self.spans), WAIT)
            assert found, f"{what}; there are {self.spans}"
            return found

    def await_named(self, *names):
        """Waits for one span of each of these names, as often as it is named; returns them in that order."""
        def find(spans):
            left, out = list(spans), []
            for name in names:
                match = next((span for span in left if span.name == name), None)
                if match is None:
                    return None
                left.remove(match)
                out.append(match)
            return out
        return self.await_spans(find, f"spans {names}")

    def await_requests(self, count):
        with self._changed:
            assert self._changed.wait_for(lambda: self.requests >= count, WAIT), f"{self.requests} of {count}"
            return time.monotonic()
