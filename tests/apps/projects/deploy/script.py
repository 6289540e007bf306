"""A saved file is live while sockets stay open: another module, another class body, code that cannot be built."""

import os

NOT_ON = {"workerd": "it has no deploy of its own"}

_CHANGED = """
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  words = [];

  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => (this.total = await ctx.storage.get("total")));
  }

  webSocketMessage(socket, message) {
    this.words.push(message);
    const { heard } = socket.deserializeAttachment();
    socket.send(`third ${this.words}: ${heard} heard, ${this.total} in all, ${this.ctx.getWebSockets("member").length} here`);
  }

  webSocketClose(socket, code) {
    for (const each of this.ctx.getWebSockets("member")) if (each !== socket) each.send(`one left with ${code}`);
    socket.close(code);
  }
}

export default { fetch: () => new Response("third") };
"""


async def script(player):
    async def save(name, text, version):
        with open(os.path.join(player.server.folder, "src", name), "w", encoding="utf-8") as file:
            file.write(text)

        async def live():
            return (await player.fetch("/version")).text == version
        await player.until(live, f"{name} is live")
        player.note(f"({version} is live)")

    a = await player.open("a", "/")
    b = await player.open("b", "/")
    await a.ask("one")
    await b.ask("two")
    await save("greeting.js", 'export const greeting = "second";', "second")
    await a.ask("three")
    await b.ask("four")
    # What cannot be built changes nothing.
    await save("greeting.js", "export const greeting = ;", "second")
    await a.ask("five")
    await save("index.js", _CHANGED, "third")
    await a.ask("six")
    await b.ask("seven")
    await b.close(1000, "bye")
    await a.next()
