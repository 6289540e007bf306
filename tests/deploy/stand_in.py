#!/usr/bin/python3
"""In place of a process of the cluster, by the name of its program: is ready at once, says in its log which version of
the app it has, and says so again when it is told to look (SIGHUP)."""

import argparse
import http.server
import json
import os
import signal
import sys
import threading


class _Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):  # noqa: N802  # pylint: disable=invalid-name
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"ready\n")

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


def main():
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP, signal.SIGTERM})
    parser = argparse.ArgumentParser()
    parser.add_argument("--admin")
    parser.add_argument("--app")
    options, _ = parser.parse_known_args()
    host, _, port = options.admin.rpartition(":")
    server = http.server.ThreadingHTTPServer((host, int(port)), _Ready)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = 0
    while told != signal.SIGTERM:
        if options.app:
            with open(os.path.join(options.app, "workers.json"), encoding="utf-8") as file:
                print(f"{'looks again' if told else 'starts'}: has version {json.load(file)['version']}", flush=True)
        told = signal.sigwait({signal.SIGHUP, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main())
