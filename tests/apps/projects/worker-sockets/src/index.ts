// Sockets that the Worker accepts and keeps, without an object; it asks one now and then.
import { DurableObject } from "cloudflare:workers";

interface Env {
  COUNTER: DurableObjectNamespace<Counter>;
}

export class Counter extends DurableObject<Env> {
  add(): number {
    const count = (this.ctx.storage.kv.get<number>("count") ?? 0) + 1;
    this.ctx.storage.kv.put("count", count);
    return count;
  }
  leave(how: string): void {
    this.ctx.storage.kv.put("left", [...this.left(), how]);
  }
  left(): string[] {
    return this.ctx.storage.kv.get<string[]>("left") ?? [];
  }
}

function converse(socket: WebSocket, env: Env, ctx: ExecutionContext): void {
  const counter = env.COUNTER.getByName("one");
  let messages = 0;
  socket.accept();
  socket.send("welcome");
  socket.addEventListener("message", async ({ data }) => {
    messages += 1;
    if (data === "close") return socket.close(4000, "as you wish");
    if (data === "count") return socket.send(`the object says ${await counter.add()}`);
    if (data === "later") {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return socket.send("it is later");
    }
    socket.send(typeof data === "string" ? `${messages}: ${data}` : data);
  });
  socket.addEventListener("close", ({ code, reason, wasClean }) => {
    ctx.waitUntil(counter.leave(wasClean ? `closed with ${code} "${reason}"` : `gone with ${code}`));
    if (wasClean) socket.close(code, reason);
  });
}

export default {
  async fetch(request: Request, env: Env, ctx: ExecutionContext): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/left") return Response.json(await env.COUNTER.getByName("one").left());
    if (request.headers.get("Upgrade") !== "websocket") return new Response("a WebSocket, please", { status: 426 });
    const [client, server] = Object.values(new WebSocketPair());
    if (pathname === "/late") {
      ctx.waitUntil(new Promise<void>((resolve) => setTimeout(() => resolve(converse(server, env, ctx)), 200)));
    } else {
      converse(server, env, ctx);
    }
    return new Response(null, { status: 101, webSocket: client, headers: { "X-Kept-By": "the Worker" } });
  },
} satisfies ExportedHandler<Env>;
