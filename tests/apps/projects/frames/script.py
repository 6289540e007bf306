"""Text and binary frames, empty and of 1 MiB, views, order; subprotocols, cookies and headers on the 101."""

import secrets


async def script(player):
    a = await player.open("a", "/", show=["sec-websocket-protocol"])
    for frame in ("", "häß 🦔", "\0zero", b"", b"\x00\xff\x80", b"more than five", "view", "words", "data-view", "changed",
                  "text 0", "buffer 0", "text 125", "text 126", "buffer 65535", "buffer 65536", "number", "object"):
        await a.ask(frame)
        if frame == b"more than five":
            await a.next()
    # 1 MiB both ways.
    await a.ask("text 1048576")
    await a.ask("buffer 1048576")
    await a.ask("y" * 1_048_576)
    await a.ask(bytes(range(256)) * 4096)
    await a.next()
    noise = secrets.token_bytes(300_000)
    player.note("a > 300,000 bytes at random")
    await a.protocol.send(noise)
    await a.receive()
    player.note(f"a < the same: {await a.receive() == noise}")
    await a.send("several 10")
    for _ in range(10):
        await a.next()
    # A message in fragments is one message.
    player.note("a > in three fragments")
    await a.protocol.send(["one ", "two ", "three"])
    await a.next()
    show = ["sec-websocket-protocol", "set-cookie", "x-room"]
    await player.open("b", "/cookies", show=show)
    await player.open("c", "/cookies", show=show, subprotocols=["chat.v1", "chat.v2"])
    await player.open("d", "/", show=show, subprotocols=["chat.v1"])
    e = await player.open("e", "/greeting")
    for _ in range(3):
        await e.next()
