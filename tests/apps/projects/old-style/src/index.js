// As it was written before hibernation: accept(), addEventListener, a list of sessions in memory; no class to extend.
export class Room {
  sessions = [];

  constructor(state, env) {
    this.state = state;
    this.env = env;
    this.messages = 0;
  }

  async fetch(request) {
    if (request.headers.get("Upgrade") !== "websocket") {
      return new Response(`${this.sessions.length} sessions, ${this.messages} messages`, { status: 426 });
    }
    const pair = new WebSocketPair();
    await this.handle(pair[1], new URL(request.url).searchParams.get("name"));
    return new Response(null, { status: 101, webSocket: pair[0] });
  }

  async handle(socket, name) {
    socket.accept();
    const session = { socket, name };
    this.sessions.push(session);
    socket.send(`welcome ${name}`);
    this.broadcast(`${name} is here`, session);
    socket.addEventListener("message", async (event) => {
      this.messages += 1;
      const last = (await this.state.storage.get("last")) ?? "nothing";
      await this.state.storage.put("last", event.data);
      if (event.data === "close") return socket.close(4000, "as you wish");
      if (event.data === "throw") throw new Error("in a listener");
      this.broadcast(`${name}: ${event.data} (${event.type}, after ${last})`);
    });
    const leave = (event) => {
      if (session.left) return;
      session.left = true;
      this.sessions = this.sessions.filter((each) => each !== session);
      this.broadcast(`${name} left: ${event.type} ${event.code} ${event.wasClean ? `"${event.reason}"` : ""}`);
      if (event.wasClean) socket.close(event.code, event.reason);
    };
    socket.addEventListener("close", leave);
    socket.addEventListener("error", leave);
  }

  broadcast(text, except) {
    for (const session of this.sessions) if (session !== except) session.socket.send(text);
  }
}

export default {
  async fetch(request, env) {
    const id = env.ROOM.idFromName("lobby");
    return env.ROOM.get(id).fetch(request);
  },
};
