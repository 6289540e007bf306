"""python3 fleet.py ws://127.0.0.1:8080/ws/fleet 500      so many devices in one process; prints what they are told"""

import asyncio
import pathlib
import sys

sys.path.append(str(pathlib.Path(__file__).resolve().parents[2] / "python"))  # installed, in a project of one's own
from dormouse import Client  # noqa: E402  # pylint: disable=wrong-import-position

TOGETHER = 50  # connect at a time


class Fleet:
    def __init__(self, url):
        self._url = url
        self.here = 0
        self.empty = asyncio.Event()

    async def device(self, number):
        name = f"device/{number:04}"
        client = Client(self._url, actor=name)
        client.on("error", lambda error: print(name, error, file=sys.stderr))
        client.handle("temperature", lambda message: {"celsius": 20 + number % 10})  # answers request() of another client
        client.handle("firmware", lambda message: print(f"{name} loads firmware {message.data['version']}"))

        @client.on("disconnected")
        async def lost(code, reason):
            if code == 4001:  # anything else: the client comes back by itself
                self.here -= 1
                print(f"{name} is out: {reason}; {self.here} left")
                await client.disconnect()
                if self.here == 0:
                    self.empty.set()

        await client.connect()
        await client.register(capabilities=["firmware"], metadata={"model": "odd" if number % 2 else "even"})
        self.here += 1


async def main(url, count=500):
    fleet = Fleet(url)
    for first in range(0, int(count), TOGETHER):
        await asyncio.gather(*(fleet.device(number) for number in range(first, min(first + TOGETHER, int(count)))))
    print(f"{fleet.here} devices")
    await fleet.empty.wait()


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(main(*sys.argv[1:]))
