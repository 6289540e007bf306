// A Worker that looks at who comes before it lets them through to an object.
import { DurableObject, WorkerEntrypoint } from "cloudflare:workers";
import { parseCookies } from "./cookies";

interface Env {
  VAULTS: DurableObjectNamespace<Vault>;
  SELF: Fetcher;
  ADMIN: Service<Admin>;
  GREETING: string;
  LIMITS: { rooms: number; names: string[] };
  NUMBER: number;
  OVERRIDDEN: string;
  TOKEN: string;
}

export class Vault extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("Upgrade") !== "websocket") return new Response("expected a WebSocket", { status: 426 });
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    // What the Worker has found out travels in a header.
    server.send(`${this.env.GREETING} ${request.headers.get("x-user")} at ${new URL(request.url).pathname}`);
    return new Response(null, { status: 101, webSocket: client });
  }
}

export class Admin extends WorkerEntrypoint<Env> {
  async rooms(): Promise<string[]> {
    return this.env.LIMITS.names;
  }
  async fetch(request: Request): Promise<Response> {
    return new Response(`admin of ${new URL(request.url).host}`);
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/":
        return new Response("<h1>Welcome</h1>", { headers: { "content-type": "text/html; charset=utf-8", "x-frame-options": "DENY" } });
      case "/env":
        return Response.json({ greeting: env.GREETING, limits: env.LIMITS, number: env.NUMBER, overridden: env.OVERRIDDEN, token: env.TOKEN.length, keys: Object.keys(env).sort() });
      case "/old":
        return Response.redirect(`${url.origin}/new`, 301);
      case "/login":
        return new Response("in", { headers: [["set-cookie", "token=s3cret; HttpOnly"], ["set-cookie", "seen=1"]] });
      case "/self":
        return env.SELF.fetch(new Request("https://self.example/echo?x=1", { method: "POST", body: "via itself", headers: { "x-from": "self" } }));
      case "/admin":
        return Response.json([await env.ADMIN.rooms(), await (await env.ADMIN.fetch("https://admin.example/")).text()]);
      case "/echo":
        return Response.json({
          method: request.method, host: url.host.split(":")[0], search: url.search, from: request.headers.get("x-from"),
          body: await request.text(), cookie: request.headers.get("cookie"),
        });
      case "/cached":
        if (request.headers.get("if-none-match") === '"v1"') return new Response(null, { status: 304, headers: { etag: '"v1"' } });
        return new Response("content", { headers: { etag: '"v1"' } });
    }
    if (url.pathname.startsWith("/vault/")) {
      const cookies = parseCookies(request.headers.get("cookie"));
      const token = url.searchParams.get("token") ?? request.headers.get("authorization")?.replace("Bearer ", "") ?? cookies.token;
      if (token === undefined) return new Response("who are you?", { status: 401, headers: { "www-authenticate": "Bearer" } });
      if (token !== env.TOKEN) return new Response("not you", { status: 403 });
      const headers = new Headers(request.headers);
      headers.set("x-user", "ann");
      return env.VAULTS.getByName(url.pathname).fetch(new Request(request, { headers }));
    }
    return new Response("not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
