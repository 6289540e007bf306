// Frames of all kinds and sizes, a subprotocol that the app chooses, headers on the answer to the upgrade.
import { DurableObject } from "cloudflare:workers";

export class Pipe extends DurableObject {
  async fetch(request) {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    const headers = new Headers();
    const offered = (request.headers.get("Sec-WebSocket-Protocol") ?? "").split(",").map((each) => each.trim());
    if (offered.includes("chat.v2")) headers.set("Sec-WebSocket-Protocol", "chat.v2");
    if (new URL(request.url).pathname === "/cookies") {
      headers.append("Set-Cookie", "session=abc; HttpOnly");
      headers.append("Set-Cookie", "theme=dark; Path=/");
      headers.set("X-Room", "blue");
    }
    if (new URL(request.url).pathname === "/greeting") {
      server.send("first");
      server.send(new Uint8Array([2]));
      server.send("third");
    }
    return new Response(null, { status: 101, webSocket: client, headers });
  }

  async webSocketMessage(socket, message) {
    if (typeof message === "string") {
      const [word, size] = message.split(" ");
      switch (word) {
        case "text":
          return socket.send("x".repeat(Number(size)));
        case "buffer":
          return socket.send(new Uint8Array(Number(size)).fill(1).buffer);
        case "view":
          // Only the part that the view shows.
          return socket.send(new Uint8Array([1, 2, 3, 4, 5, 6]).subarray(2, 4));
        case "words":
          return socket.send(new Uint16Array([0x0102, 0x0304]));
        case "data-view":
          return socket.send(new DataView(new Uint8Array([9, 8, 7]).buffer, 1));
        case "several":
          for (let number = 0; number < Number(size); number++) socket.send(number % 2 ? `${number}` : new Uint8Array([number]));
          return;
        case "changed": {
          // What is done to the bytes after send() is not sent.
          const bytes = new Uint8Array([1, 1, 1]);
          socket.send(bytes);
          bytes.fill(9);
          return;
        }
        case "number":
          return socket.send(42);
        case "object":
          return socket.send({ toString: () => "by toString" });
      }
      return socket.send(`text of ${message.length}: ${message.slice(0, 20)}`);
    }
    const bytes = new Uint8Array(message);
    socket.send(`${message instanceof ArrayBuffer ? "ArrayBuffer" : typeof message} of ${bytes.length}: ${bytes.slice(0, 5).join(" ")}`);
    if (bytes.length > 5) socket.send(message);
  }
}

export default {
  fetch: (request, env) => env.PIPES.getByName("pipe").fetch(request),
};
