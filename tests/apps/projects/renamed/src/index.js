import { DurableObject } from "cloudflare:workers";

class Counting extends DurableObject {
  async count() {
    const { sql } = this.ctx.storage;
    sql.exec("CREATE TABLE IF NOT EXISTS counts (n INTEGER)");
    sql.exec("INSERT INTO counts VALUES (1)");
    return `${this.constructor.name} ${sql.exec("SELECT count(*) AS n FROM counts").one().n} ${this.ctx.id.name}`;
  }
  kind() {
    return this.constructor.name;
  }
  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }
  async webSocketMessage(socket) {
    socket.send(await this.count());
  }
}

export class Room extends Counting {}

export default {
  async fetch(request, env) {
    const stub = env.ROOMS.getByName("one");
    if (request.url.endsWith("/kind")) return new Response(await stub.kind());
    return request.headers.get("Upgrade") ? stub.fetch(request) : new Response(await stub.count());
  },
};
