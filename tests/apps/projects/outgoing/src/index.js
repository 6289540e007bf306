// Sockets that an object opens itself: through a binding, through another object's stub, by the network.
import { DurableObject } from "cloudflare:workers";

export class Relay extends DurableObject {
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/echo") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    if (pathname === "/heard") {
      const { heard = null } = this;
      if (heard?.[0] === 1005) this.heard = null;
      return Response.json(heard);
    }
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    const onward = await this.open(pathname, request);
    onward.addEventListener("message", ({ data }) => server.send(`onward says ${data}`));
    onward.addEventListener("close", ({ code, reason }) => server.close(code, `onward: ${reason}`));
    server.addEventListener("message", ({ data }) => {
      if (data === "leave") onward.close();
      else onward.send(data);
    });
    server.addEventListener("close", ({ code, reason }) => {
      onward.close(1000, "the client left");
      server.close(code, reason);
    });
    return new Response(null, { status: 101, webSocket: client });
  }

  async open(pathname, request) {
    const upgrade = { headers: { Upgrade: "websocket" } };
    if (pathname === "/network") {
      const socket = new WebSocket(`ws://${request.headers.get("host")}/echo`);
      await new Promise((resolve, reject) => {
        socket.addEventListener("open", resolve);
        socket.addEventListener("error", reject);
      });
      return socket;
    }
    const target = pathname === "/stub" ? this.env.RELAYS.getByName("echo") : this.env.SELF;
    const { webSocket, status } = await target.fetch("http://self/echo", upgrade);
    if (status !== 101) throw new Error(`the upgrade got ${status}`);
    webSocket.accept();
    return webSocket;
  }

  webSocketMessage(socket, message) {
    if (message === "end") socket.close(3000, "the end");
    else socket.send(`echo ${message}`);
  }

  webSocketClose(socket, code, reason) {
    this.heard = [code, reason];
    if (code === 1005) socket.close();
    else socket.close(code, reason);
  }
}

export default {
  fetch(request, env) {
    const { pathname } = new URL(request.url);
    return env.RELAYS.getByName(pathname === "/heard" ? "echo" : pathname.slice(1)).fetch(request);
  },
};
