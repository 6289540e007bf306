// How sockets end: by the client, by the object, during a handler, with codes that there are and that there are not.
import { DurableObject } from "cloudflare:workers";

interface Env {
  DOORS: DurableObjectNamespace<Door>;
}

export class Door extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const { pathname, searchParams } = new URL(request.url);
    if (request.headers.get("Upgrade") === "websocket") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server, [searchParams.get("as") ?? "client"]);
      if (pathname.endsWith("/at-once")) {
        server.send("hello");
        server.close(4001, "at once");
      }
      return new Response(null, { status: 101, webSocket: client });
    }
    if (pathname.endsWith("/close-all")) {
      for (const socket of this.ctx.getWebSockets("client")) socket.close(1001, "going away");
      return new Response(String(this.ctx.getWebSockets("client").length));
    }
    return Response.json(this.ctx.getWebSockets("client").length);
  }

  private report(text: string): void {
    for (const observer of this.ctx.getWebSockets("observer")) observer.send(text);
  }

  async webSocketMessage(socket: WebSocket, message: string): Promise<void> {
    const [word, ...rest] = message.split(" ");
    const attempt = (what: () => void): string => {
      try {
        what();
        return "well";
      } catch (error) {
        return `throws ${(error as Error).name}`;
      }
    };
    switch (word) {
      case "state":
        socket.send(`readyState ${socket.readyState}`);
        break;
      case "close": // with or without a code, with or without a reason
        this.report(`close(${rest.join(", ")}): ${attempt(() =>
          rest.length === 0 ? socket.close() : socket.close(Number(rest[0]), rest.slice(1).join(" ")))}, readyState ${socket.readyState}`);
        break;
      case "twice":
        socket.close(3000, "first");
        this.report(`the second: ${attempt(() => socket.close(3001, "second"))}`);
        break;
      case "after":
        socket.send("before");
        socket.close(3002, "then");
        this.report(`send after close: ${attempt(() => socket.send("after"))}, readyState ${socket.readyState}`);
        break;
      case "long-reason":
        this.report(`reason of 123: ${attempt(() => socket.close(3003, "r".repeat(123)))}`);
        break;
      case "during":
        // The client closes while this waits.
        socket.send("waits");
        await new Promise((resolve) => setTimeout(resolve, 500));
        this.report(`after the wait: readyState ${socket.readyState}, send ${attempt(() => socket.send("late"))}`);
        break;
      default:
        socket.send(`said ${message}`);
    }
  }

  async webSocketClose(socket: WebSocket, code: number, reason: string, wasClean: boolean): Promise<void> {
    if (this.ctx.getTags(socket)[0] === "observer") return;
    this.report(`webSocketClose ${code} ${wasClean ? `"${reason}" clean` : "not clean"}, ${this.ctx.getWebSockets("client").length} left`);
    // The closing handshake is the handler's to end, with this compatibility date.
    if (wasClean) socket.close(code === 1005 ? 1000 : code, reason);
  }

  webSocketError(_socket: WebSocket, error: unknown): void {
    this.report(`webSocketError ${error instanceof Error}`);
  }
}

export default {
  fetch: (request: Request, env: Env) => env.DOORS.getByName("door").fetch(request),
} satisfies ExportedHandler<Env>;
