// Sockets by tag: who is told what in a room with teams.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    if (request.headers.get("Upgrade") !== "websocket") {
      const tag = url.searchParams.get("tag") ?? undefined;
      const sockets = this.ctx.getWebSockets(tag);
      return Response.json(sockets.map((socket) => this.ctx.getTags(socket)).sort());
    }
    const { 0: client, 1: server } = new WebSocketPair();
    try {
      if (url.searchParams.has("none")) this.ctx.acceptWebSocket(server);
      else this.ctx.acceptWebSocket(server, url.searchParams.getAll("tag"));
    } catch (error) {
      return new Response(error instanceof Error ? "refused" : "thrown, but no error", { status: 400 });
    }
    server.send(JSON.stringify(this.ctx.getTags(server)));
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, text) {
    const [tag, said] = text.split(":");
    const sockets = this.ctx.getWebSockets(tag === "*" ? undefined : tag);
    for (const each of sockets) each.send(`${this.ctx.getTags(socket).join("+")} to ${tag}: ${said}`);
    socket.send(`told ${sockets.length}`);
  }

  webSocketClose(socket, code, reason) {
    // It may be among them itself still; a send to it does no harm.
    for (const each of this.ctx.getWebSockets()) each.send(`${this.ctx.getTags(socket).join("+")} left: ${reason}`);
    socket.close(code, reason);
  }
}

export default {
  fetch(request, env) {
    const name = new URL(request.url).pathname.slice(1);
    return env.ROOMS.get(env.ROOMS.idFromName(name)).fetch(request);
  },
};
