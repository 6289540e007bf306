"""How hubs are named where an app runs: an object of a Durable Object project by the id that the host makes of its name
(clients/hubs/js/namespaces/ids.mjs); everywhere else by its name."""

import hashlib
import json
import os
import re


class HubNames:
    """`app`: the directory of the project or of the app; None: there is none. `data`: where projects are built."""

    def __init__(self, app, data):
        self._app = app
        self._data = data
        self._are_ids = None  # known once it is built

    def known_as(self, hub):
        hub_class, slash, name = hub.partition("/")
        if not slash or re.fullmatch("[0-9a-f]{64}", name) or not self._of_ids():
            return hub
        return f"{hub_class}/{_id_of_name(hub_class, name)}"

    def _of_ids(self):
        if self._are_ids is None:
            self._are_ids = self._app is not None and any(os.path.basename(word) == "host.mjs" for word in self._command())
        return self._are_ids

    def _command(self):
        for directory in (self._app, os.path.join(self._data, "app", "current")):
            try:
                with open(os.path.join(directory, "workers.json"), encoding="utf-8") as file:
                    return json.load(file)["command"]
            except FileNotFoundError:
                pass
        return []


def _id_of_name(hub_class, name):
    body = b"\x01" + _digest("name", hub_class, name.encode())[:23]
    return (body + _digest("check", hub_class, body)[:8]).hex()


def _digest(purpose, hub_class, rest):
    return hashlib.sha256(f"dormouse {purpose}\0{hub_class}\0".encode() + rest).digest()
