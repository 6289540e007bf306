// A room whose code is going to change under its sockets.
import { DurableObject } from "cloudflare:workers";
import { greeting } from "./greeting.js";

export class Room extends DurableObject {
  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, ["member"]);
    server.serializeAttachment({ heard: 0 });
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket, message) {
    const { heard } = socket.deserializeAttachment();
    socket.serializeAttachment({ heard: heard + 1 });
    const total = ((await this.ctx.storage.get("total")) ?? 0) + 1;
    await this.ctx.storage.put("total", total);
    socket.send(`${greeting} ${message}: ${heard} heard before, ${total} in all, ${this.ctx.getWebSockets("member").length} here`);
  }
}

export default {
  fetch(request, env) {
    if (new URL(request.url).pathname === "/version") return new Response(greeting);
    return env.ROOMS.getByName("room").fetch(request);
  },
};
