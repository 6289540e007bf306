// Heartbeats that are answered without the object.
import { DurableObject } from "cloudflare:workers";

export class Pong extends DurableObject {
  handled = 0;

  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      this.made = ((await ctx.storage.get("made")) ?? 0) + 1;
      await ctx.storage.put("made", this.made);
    });
  }

  async fetch(request) {
    if (request.headers.get("Upgrade") === "websocket") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    const { pathname, searchParams } = new URL(request.url);
    if (pathname.endsWith("/set")) {
      try {
        const pair = new WebSocketRequestResponsePair(searchParams.get("request"), searchParams.get("response"));
        this.ctx.setWebSocketAutoResponse(pair);
      } catch (error) {
        return new Response(`throws ${error.name}`);
      }
    }
    if (pathname.endsWith("/unset")) this.ctx.setWebSocketAutoResponse();
    if (pathname.endsWith("/long")) {
      const said = [];
      for (const size of [2048, 2049]) {
        try {
          this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("q".repeat(size), "short"));
          said.push("taken");
        } catch (error) {
          said.push(`throws ${error.name}`);
        }
      }
      this.ctx.setWebSocketAutoResponse();
      return Response.json(said);
    }
    const set = this.ctx.getWebSocketAutoResponse();
    return Response.json(set && [set.request, set.response]);
  }

  webSocketMessage(socket, message) {
    this.handled += 1;
    if (message === "when") {
      const at = this.ctx.getWebSocketAutoResponseTimestamp(socket);
      socket.send(at === null ? "never" : `${at instanceof Date}, in the last minute: ${Date.now() - at.getTime() < 60_000}`);
    } else {
      socket.send(`handled ${message}: made ${this.made}, handled ${this.handled}`);
    }
  }
}

export default {
  fetch: (request, env) => env.PONGS.getByName(new URL(request.url).pathname.split("/")[1]).fetch(request),
};
