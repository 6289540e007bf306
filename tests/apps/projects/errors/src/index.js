// What throws where, who hears of it, and what is left.
import { DurableObject } from "cloudflare:workers";

export class Fragile extends DurableObject {
  inMemory = 0;

  constructor(ctx, env) {
    super(ctx, env);
    if (ctx.id.name === "unborn") throw new TypeError("no constructor today");
  }

  async fetch(request) {
    const { pathname } = new URL(request.url);
    this.inMemory += 1;
    if (request.headers.get("Upgrade") === "websocket") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server);
      if (pathname === "/throw") throw new Error("after acceptWebSocket");
      return new Response(null, { status: 101, webSocket: client });
    }
    switch (pathname) {
      case "/throw":
        throw new RangeError("on purpose");
      case "/write-and-throw":
        await this.ctx.storage.put("written", "before the throw");
        throw new Error("after the write");
      case "/abort":
        this.ctx.storage.put("aborted", true);
        await this.ctx.storage.sync();
        this.ctx.abort("enough");
        return new Response("never");
      case "/no-response":
        return "not a Response";
      case "/nothing":
        return undefined;
      case "/status":
        return new Response("its own 503", { status: 503, headers: { "retry-after": "7" } });
    }
    return Response.json({
      inMemory: this.inMemory, written: (await this.ctx.storage.get("written")) ?? null,
      aborted: (await this.ctx.storage.get("aborted")) ?? null, sockets: this.ctx.getWebSockets().length,
    });
  }

  method() {
    throw new SyntaxError("of a method");
  }

  async webSocketMessage(socket, message) {
    if (message === "throw") throw new Error("in webSocketMessage");
    if (message === "write and throw") {
      await this.ctx.storage.put("written", "by a socket");
      socket.send("sent before the throw");
      throw new Error("in webSocketMessage");
    }
    if (message === "reject") await Promise.reject(new Error("rejected"));
    this.inMemory += 1;
    socket.send(`${message}: in memory ${this.inMemory}`);
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const name = url.searchParams.get("name") ?? "fragile";
    const stub = env.FRAGILE.getByName(name);
    if (url.pathname === "/worker-throws") throw new Error("in the Worker");
    if (url.pathname === "/worker-nothing") return undefined;
    if (url.searchParams.has("uncaught")) return stub.fetch(request);
    try {
      if (url.pathname === "/method") return Response.json(await stub.method());
      return await stub.fetch(request);
    } catch (error) {
      // What the object threw keeps its name and its words; what the runtime says is in its own words.
      const own = ["/throw", "/write-and-throw", "/method", "/unborn"].includes(url.pathname);
      return Response.json({ name: own ? error.name : "", message: own ? error.message : "", remote: error.remote ?? false }, { status: 500 });
    }
  },
};
