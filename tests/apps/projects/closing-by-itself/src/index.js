// No handler for closes: the runtime answers them.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  async fetch(request) {
    if (request.headers.get("Upgrade") !== "websocket") return Response.json(this.ctx.getWebSockets().length);
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket) {
    socket.send(`${this.ctx.getWebSockets().length} here`);
  }
}

export default {
  fetch: (request, env) => env.ROOMS.getByName("room").fetch(request),
};
