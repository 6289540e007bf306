"""python3 office.py list                          python3 office.py firmware 1.2              all devices
python3 office.py firmware 1.2 device/0007      python3 office.py temperature device/0007   (needs the address of the hub: HUB)
python3 office.py disconnect device/0007        python3 office.py disconnect"""

import asyncio
import json
import os
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1]))
sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python"))
from backend import ask  # noqa: E402  # pylint: disable=wrong-import-position
from dormouse import Client  # noqa: E402  # pylint: disable=wrong-import-position

FLEET = "signal/fleet"


def devices():
    after = None
    while True:
        page = ask(FLEET, "connections", {"limit": 200, "after": after})
        yield from (each["actor"] for each in page["connections"])
        if not (after := page["next"]):
            return


def show_list():
    query = {"pattern": "device/*", "metadata": {"model": "odd"}, "online": True, "limit": 1}
    odd = ask(FLEET, "call", {"type": "hub:discover", "payload": query})["result"]["payload"]
    print(f"{len(list(devices()))} connected, {odd['totalMatches']} of model odd")


def temperature(device):
    """A backend tells. Who wants a device's own answer asks it as a client does."""

    async def request():
        async with Client(os.environ.get("HUB", "ws://127.0.0.1:8080/ws/fleet"), actor="office/thermometer") as client:
            await client.register()
            return await client.request(device, "temperature")

    print(json.dumps(asyncio.run(request())))


def disconnect(device=None):
    whom = {"actor": device} if device else {"all": True}
    print(json.dumps(ask(FLEET, "disconnect", {**whom, "code": 4001, "reason": "scrapped"})))


def firmware(version, device=None):
    message = {"type": "firmware", "data": {"version": version}}
    answer = ask(FLEET, "send", {**message, "actor": device}) if device else ask(FLEET, "broadcast", message)
    print(json.dumps(answer))


what, *words = sys.argv[1:]
{"list": show_list, "temperature": temperature, "disconnect": disconnect, "firmware": firmware}[what](*words)
