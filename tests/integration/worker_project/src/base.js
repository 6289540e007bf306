import { DurableObject } from "cloudflare:workers";

// Takes every socket; its attachment says who it is.
export class Base extends DurableObject {
  async fetch(request) {
    const url = new URL(request.url);
    if (request.headers.get("upgrade") !== "websocket") return this.answer(url, request);
    const { 0: client, 1: server } = new WebSocketPair();
    const id = url.searchParams.get("id") ?? "nobody";
    this.ctx.acceptWebSocket(server, [`tag-${id}`]);
    server.serializeAttachment({ id });
    return new Response(null, { status: 101, webSocket: client });
  }

  answer() {
    return new Response("ok");
  }
}
