"""Asks a process whether it is fit for traffic."""

import http.client
import socket


def readiness(entry):
    """(ready, why not, or what is wrong all the same) of a process as it is recorded: by its admin port, or PING for Redis."""
    try:
        if entry["kind"] == "redis":
            return _redis(entry["socket"])
        connection = http.client.HTTPConnection("127.0.0.1", entry["admin"], timeout=2)
        try:
            connection.request("GET", "/readyz")
            response = connection.getresponse()
            said = response.read(1000).decode("utf-8", "replace").strip()
        finally:
            connection.close()
        said = said.removeprefix("not ready: ").removeprefix("ready").strip()
        return response.status == 200, said.replace("\n", "; ")
    except (OSError, http.client.HTTPException):
        return False, "it does not answer yet"


def _redis(path):
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(2)
        connection.connect(path)
        connection.sendall(b"PING\r\n")
        said = connection.recv(1000).decode("utf-8", "replace").strip()
    return said == "+PONG", "" if said == "+PONG" else said.lstrip("-")
