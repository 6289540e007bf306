// With an older compatibility date: webSocketClose ends the handshake itself, and deleteAll leaves the alarm.
import { DurableObject } from "cloudflare:workers";

export class Door extends DurableObject {
  async fetch(request) {
    if (request.headers.get("Upgrade") !== "websocket") {
      await this.ctx.storage.setAlarm(Date.now() + 3_600_000);
      await this.ctx.storage.deleteAll();
      return Response.json((await this.ctx.storage.getAlarm()) !== null);
    }
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  alarm() {}

  webSocketMessage(socket) {
    socket.send(`readyState ${socket.readyState}`);
  }

  webSocketClose(socket, code, reason) {
    const before = socket.readyState;
    socket.close(code, `${reason}: ${before} of ${this.ctx.getWebSockets().length}`);
  }
}

export default {
  fetch: (request, env) => env.DOORS.getByName("door").fetch(request),
};
