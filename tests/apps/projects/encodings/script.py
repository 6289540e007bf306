"""Content-Encoding: what a Worker and an object say, what fetch brings them, and what they pass on."""


async def script(player):
    for part in ("gzip", "manual", "stream", "identity", "empty", "pass/gzip", "pass/manual", "pass/identity",
                 "copy/gzip", "copy/stream", "clone/gzip", "forward/gzip", "read/gzip", "read/br", "read/manual", "pass/pass/gzip"):
        await player.get("/" + part, show=("content-encoding",))
        await player.get("/object/" + part, show=("content-encoding",))
    await player.request("HEAD", "/gzip", show=("content-encoding",))
