"""python3 office.py lobby announce "We close at ten."    ... lobby history    ... lobby disconnect bert"""

import json
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
from backend import ask  # noqa: E402  # pylint: disable=wrong-import-position


def main(room, what, word=""):
    # A Durable Object is found by its name; a hub in Python is Chat/lobby.
    hub = f"Chat/{'' if os.environ.get('CHAT_IN') == 'python' else 'name:'}{room}"
    commands = {
        "announce": lambda: ask(hub, "call", {"method": "announce", "args": [word]}),
        "history": lambda: ask(hub, "call", {"method": "history"}),
        "disconnect": lambda: ask(hub, "disconnect", {"tag": word, "code": 4001, "reason": "signed out"}),
    }
    print(json.dumps(commands[what]()))


main(*sys.argv[1:])
