// An object that counts how often it was made: what is in memory goes with a sleep, sockets and storage do not.
interface Env {
  SLEEPERS: DurableObjectNamespace;
}

export class Sleeper {
  private inMemory = 0;
  private readonly ready: Promise<void>;
  private made = 0;

  constructor(private readonly state: DurableObjectState, _env: Env) {
    this.ready = state.blockConcurrencyWhile(async () => {
      this.made = ((await state.storage.get<number>("made")) ?? 0) + 1;
      await state.storage.put("made", this.made);
    }) as Promise<void>;
  }

  async fetch(request: Request): Promise<Response> {
    if (request.headers.get("Upgrade") === "websocket") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.state.acceptWebSocket(server, ["all"]);
      server.serializeAttachment({ heard: 0 });
      return new Response(null, { status: 101, webSocket: client });
    }
    return new Response(this.say());
  }

  async webSocketMessage(socket: WebSocket, message: string): Promise<void> {
    const attachment = socket.deserializeAttachment();
    socket.serializeAttachment({ heard: attachment.heard + 1 });
    if (message === "timer") {
      // Something that is under way keeps it awake.
      setTimeout(() => socket.send(`timer: ${this.say()}`), 14_000);
    }
    socket.send(`${message}: ${this.say()}, ${attachment.heard} heard before, ${this.state.getWebSockets("all").length} here`);
  }

  private say(): string {
    this.inMemory += 1;
    return `made ${this.made}, in memory ${this.inMemory}`;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const id = env.SLEEPERS.idFromName(new URL(request.url).pathname);
    return env.SLEEPERS.get(id).fetch(request);
  },
};
