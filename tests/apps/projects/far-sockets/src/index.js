// Rooms whose clients are other objects, and the Worker: wherever those run.
import { DurableObject } from "cloudflare:workers";

export class Room extends DurableObject {
  heard = 0;

  fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    if (new URL(request.url).searchParams.has("old")) {
      server.accept();
      server.addEventListener("message", ({ data }) => this.webSocketMessage(server, data));
      server.addEventListener("close", ({ code, reason }) => this.webSocketClose(server, code, reason));
    } else {
      this.ctx.acceptWebSocket(server, ["all", request.headers.get("x-tag")]);
      server.serializeAttachment({ said: 0 });
    }
    server.send("welcome");
    return new Response(null, { status: 101, webSocket: client });
  }

  async webSocketMessage(socket, message) {
    this.heard++;
    if (typeof message !== "string") {
      socket.send(new Uint8Array(message).reverse());
    } else if (message === "who") {
      const { said } = socket.deserializeAttachment();
      socket.serializeAttachment({ said: said + 1 });
      socket.send(`${this.ctx.getTags(socket)} said ${said}, heard ${this.heard}, of ${this.ctx.getWebSockets().length}`);
    } else if (message.startsWith("all ")) {
      for (const each of this.ctx.getWebSockets("all")) each.send(message.slice(4));
    } else if (message === "stored") {
      const count = (await this.ctx.storage.get("count") ?? 0) + 1;
      await this.ctx.storage.put("count", count);
      socket.send(`stored ${count}`);
    } else if (message === "end") {
      socket.close(4001, "the end");
    } else {
      socket.send(`echo ${message}`);
    }
  }

  async webSocketClose(socket, code, reason) {
    await this.ctx.storage.put("closed", `${code} ${reason}`);
    if (code !== 1006) socket.close(code, reason);
  }

  async closed() {
    return await this.ctx.storage.get("closed") ?? "nothing";
  }
}

async function join(env, room, tag, old) {
  const headers = { Upgrade: "websocket", "x-tag": tag };
  const { webSocket } = await env.ROOMS.getByName(room).fetch(`http://room/${old ? "?old" : ""}`, { headers });
  return webSocket;
}

// Between its client and a room.
export class Relay extends DurableObject {
  async fetch(request) {
    const { pathname, searchParams } = new URL(request.url);
    const [, , room, tag] = pathname.split("/");
    const onward = await join(this.env, room, tag, searchParams.has("old"));
    const { 0: client, 1: server } = new WebSocketPair();
    server.accept();
    onward.addEventListener("message", ({ data }) => server.send(data));
    onward.addEventListener("close", ({ code, reason }) => server.close(code, reason));
    server.addEventListener("message", ({ data }) => onward.send(data));
    server.addEventListener("close", ({ code, reason }) => {
      onward.close(code, reason);
      server.close(code, reason);
    });
    onward.accept();
    return new Response(null, { status: 101, webSocket: client });
  }
}

// The Worker itself says this in a room, and tells what it has heard.
async function say(env, room, words) {
  const socket = await join(env, room, "worker");
  const heard = [];
  const ended = new Promise((resolve) => {
    socket.addEventListener("message", ({ data }) => {
      heard.push(typeof data === "string" ? data : [...new Uint8Array(data)]);
    });
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      heard.push([code, reason, wasClean]);
      resolve();
    });
  });
  socket.accept();
  for (const word of words) socket.send(word);
  socket.send(new Uint8Array([1, 2, 255]));
  socket.send("end");
  await ended;
  return heard;
}

export default {
  async fetch(request, env) {
    const { pathname, searchParams } = new URL(request.url);
    const [, what, room, tag] = pathname.split("/");
    if (what === "relay") return env.RELAYS.getByName(`of ${tag}`).fetch(request);
    if (what === "say") return Response.json(await say(env, room, searchParams.getAll("word")));
    return new Response(await env.ROOMS.getByName(room).closed());
  },
};
