// How long a handler of a hibernated socket's event may take.
import { DurableObject } from "cloudflare:workers";

interface Env {
  ROOM: DurableObjectNamespace<Room>;
}

export class Room extends DurableObject<Env> {
  heard: string[] = [];

  fetch(): Response {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, { status: 101, webSocket: client });
  }

  limit(): number | null {
    return this.ctx.getHibernatableWebSocketEventTimeout();
  }

  limits(values: unknown[]): unknown[] {
    return values.map((value) => {
      try {
        this.ctx.setHibernatableWebSocketEventTimeout(value as number);
        return this.limit();
      } catch (error) {
        return (error as Error).name;
      }
    });
  }

  set(limit?: number): number | null {
    this.ctx.setHibernatableWebSocketEventTimeout(limit);
    return this.limit();
  }

  all(): string[] {
    return this.heard;
  }

  async webSocketMessage(socket: WebSocket, message: string): Promise<void> {
    this.heard.push(message);
    if (message === "hang") {
      socket.send("hanging");
      await new Promise(() => {});
    } else if (message === "long") {
      await new Promise((resolve) => setTimeout(resolve, 1500));
      this.heard.push("long after all");
    }
    socket.send(`${message}: ${this.heard}`);
  }

  webSocketClose(): void {}
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const room = env.ROOM.getByName("one");
    switch (url.pathname) {
      case "/limits": return Response.json(await room.limits(JSON.parse(url.searchParams.get("values")!)));
      case "/undefined": return Response.json(await room.set());
      case "/set": return Response.json(await room.set(Number(url.searchParams.get("limit"))));
      case "/limit": return Response.json(await room.limit());
      case "/all": return Response.json(await room.all());
    }
    return room.fetch(request);
  },
} satisfies ExportedHandler<Env>;
