"""As much of Kubernetes' API as the credentials Job uses, over TLS: reads and merge-patches Secrets, for one account,
which may do that to those that a Role names."""

import base64
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading

_TOKEN = "the-token-of-the-account"
_NAMESPACE = "dormouse"
_IP_FREEBIND = 15


class SecretsApi:
    """`secrets`: name -> {key: bytes}. `directory` gets what a pod has of its account, and the API's own key."""

    def __init__(self, directory, names, address="127.0.0.1", port=0):
        """`address`: may be one that this machine has not yet."""
        self.secrets = {name: {} for name in names}
        self.versions = {name: 1 for name in names}
        self.changes = []  # names, in order
        self.before_change = lambda name: None
        self.account = os.path.join(directory, "account")
        os.makedirs(self.account)
        key, certificate = os.path.join(directory, "api.key"), os.path.join(self.account, "ca.crt")
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-days", "2", "-subj", "/CN=kubernetes", "-keyout", key, "-out", certificate,
                        "-addext", "subjectAltName=IP:127.0.0.1,DNS:kubernetes.default.svc"],
                       capture_output=True, check=True)
        for name, content in (("token", _TOKEN), ("namespace", _NAMESPACE)):
            with open(os.path.join(self.account, name), "w", encoding="ascii") as file:
                file.write(content)
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self._answer(*api.get(self.headers, self.path))

            def do_PATCH(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                self._answer(*api.patch(self.headers, self.path, body))

            def _answer(self, status, content):
                body = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer((address, port), Handler, bind_and_activate=False)
        self._server.socket.setsockopt(socket.IPPROTO_IP, _IP_FREEBIND, 1)
        self._server.server_bind()
        self._server.server_activate()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://{address}:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def _refusal(self, headers, path):
        prefix = f"/api/v1/namespaces/{_NAMESPACE}/secrets/"
        if headers["Authorization"] != f"Bearer {_TOKEN}":
            return 401, {"kind": "Status", "code": 401, "message": "Unauthorized"}
        if path.removeprefix(prefix) not in self.secrets:
            return 403, {"kind": "Status", "code": 403, "message": f"forbidden: {path}"}
        return None

    def _shown(self, name):
        # As Kubernetes shows it: who manages which key comes before the keys themselves.
        managed = [{"fieldsV1": {"f:data": {f"f:{key}": {} for key in self.secrets[name]}}}]
        return {"kind": "Secret", "apiVersion": "v1",
                "metadata": {"name": name, "namespace": _NAMESPACE, "resourceVersion": str(self.versions[name]),
                             "managedFields": managed},
                "data": {key: base64.b64encode(value).decode() for key, value in self.secrets[name].items()},
                "type": "Opaque"}

    def get(self, headers, path):
        return self._refusal(headers, path) or (200, self._shown(os.path.basename(path)))

    def patch(self, headers, path, body):
        if refusal := self._refusal(headers, path):
            return refusal
        name = os.path.basename(path)
        self.before_change(name)
        assert headers["Content-Type"] == "application/merge-patch+json"
        change = json.loads(body)
        if change["metadata"]["resourceVersion"] != str(self.versions[name]):
            return 409, {"kind": "Status", "code": 409, "message": "the object has been modified"}
        self.secrets[name].update({key: base64.b64decode(value) for key, value in change["data"].items()})
        self.versions[name] += 1
        self.changes.append(name)
        return 200, self._shown(name)
