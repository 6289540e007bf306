"""python3 chat.py ws://127.0.0.1:8080/chat/lobby anna      says the lines that you type, prints what is said"""

import asyncio
import json
import sys
import threading
import urllib.parse

import websockets


def show(said):
    for each in said.get("history", ()):
        print(f"{each['from']}: {each['text']}")
    if "present" in said:
        print(f"here: {', '.join(said['present'])}")
    for what in ("joins", "leaves"):
        if what in said:
            print(f"{said[what]} {what}")
    if "from" in said:
        print(f"{said['from']}: {said['text']}")


async def main(url, name):
    loop, typed = asyncio.get_running_loop(), asyncio.Queue()

    def read():
        for line in sys.stdin:
            loop.call_soon_threadsafe(typed.put_nowait, line.rstrip("\n"))
        loop.call_soon_threadsafe(typed.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()

    async def say(socket):
        while (line := await typed.get()) is not None:
            await socket.send(line)
        sys.exit()

    async for socket in websockets.connect(f"{url}?as={urllib.parse.quote(name)}"):  # again and again
        saying = asyncio.create_task(say(socket))
        try:
            async for text in socket:
                show(json.loads(text))
        except websockets.ConnectionClosed:
            pass
        finally:
            saying.cancel()
        print(f"closed: {socket.close_code} {socket.close_reason}")
        if socket.close_code >= 4000:  # what hub and backend close with on purpose
            return


sys.stdout.reconfigure(line_buffering=True)
asyncio.run(main(*sys.argv[1:]))
