// Counters that read, add and write without a lock: the input gate is the lock.
import { DurableObject } from "cloudflare:workers";

interface Env {
  COUNTERS: DurableObjectNamespace<Counter>;
}

export class Counter extends DurableObject<Env> {
  async increment(): Promise<number> {
    const value = ((await this.ctx.storage.get<number>("value")) ?? 0) + 1;
    await this.ctx.storage.put("value", value);
    return value;
  }

  async slowly(): Promise<number> {
    // Several turns of storage, none of which lets anything else in.
    let value = (await this.ctx.storage.get<number>("value")) ?? 0;
    for (let step = 0; step < 5; step++) {
      await this.ctx.storage.get(`step ${step}`);
    }
    const listed = await this.ctx.storage.list<number>({ prefix: "value" });
    if ((listed.get("value") ?? 0) !== value) throw new Error("somebody was here");
    await this.ctx.storage.put("value", ++value);
    return value;
  }

  async unconfirmed(): Promise<number> {
    const value = ((await this.ctx.storage.get<number>("value", { noCache: true })) ?? 0) + 1;
    // Not awaited, and the answer does not wait for it.
    this.ctx.storage.put("value", value, { allowUnconfirmed: true, noCache: true });
    return value;
  }

  async fetch(request: Request): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket: WebSocket): Promise<void> {
    socket.send(String(await this.increment()));
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    const [, name, method] = pathname.split("/");
    const counter = env.COUNTERS.get(env.COUNTERS.idFromName(name));
    switch (method) {
      case "slowly":
        return new Response(String(await counter.slowly()));
      case "unconfirmed":
        return new Response(String(await counter.unconfirmed()));
      case "many": {
        const values = await Promise.all(Array.from({ length: 100 }, () => counter.increment()));
        return Response.json(values);
      }
      case "socket":
        return counter.fetch(request);
    }
    return new Response(String(await counter.increment()));
  },
} satisfies ExportedHandler<Env>;
