// The job of our class echo as a Durable Object with WebSocket hibernation: greets, answers heartbeats and pings, says
// back messages with the number of connections, keeps when each was heard in its attachment, and closes by an alarm
// those that are silent for too long.
const SILENCE_MS = 60_000;

export class Room {
  constructor(ctx) {
    this.ctx = ctx;
  }

  async fetch() {
    const { 0: client, 1: server } = new WebSocketPair();
    const now = Date.now();
    const connectionId = crypto.randomUUID();
    this.ctx.acceptWebSocket(server);
    server.serializeAttachment({ connectionId, connectedAt: now, heardAt: now });
    const timestamp = new Date(now).toISOString();
    server.send(JSON.stringify({
      type: 'welcome', connectionId, timestamp, message: 'Connected', heartbeatInterval: 20_000,
    }));
    if ((await this.ctx.storage.getAlarm()) === null) await this.ctx.storage.setAlarm(now + SILENCE_MS);
    return new Response(null, { status: 101, webSocket: client });
  }

  webSocketMessage(socket, text) {
    const attachment = socket.deserializeAttachment();
    attachment.heardAt = Date.now();
    socket.serializeAttachment(attachment);
    const { connectionId } = attachment;
    const timestamp = new Date(attachment.heardAt).toISOString();
    let said = {};
    try {
      said = JSON.parse(text);
    } catch {
      // It is said back as it is.
    }
    if (said.type === 'heartbeat') return socket.send(JSON.stringify({ type: 'heartbeat_ack', timestamp, connectionId }));
    if (said.type === 'ping') return socket.send(JSON.stringify({ type: 'pong', timestamp, connectionId }));
    const connections = this.ctx.getWebSockets().length;
    return socket.send(JSON.stringify({ type: 'echo', message: said.message || text, timestamp, connections, connectionId }));
  }

  webSocketClose(socket, code) {
    socket.close(code === 1005 || code === 1006 ? 1000 : code);
  }

  async alarm() {
    const silentSince = Date.now() - SILENCE_MS;
    for (const socket of this.ctx.getWebSockets()) {
      if (socket.deserializeAttachment().heardAt < silentSince) socket.close(1000, 'Connection timeout');
    }
    if (this.ctx.getWebSockets().length > 0) await this.ctx.storage.setAlarm(Date.now() + SILENCE_MS);
  }
}

export default {
  fetch(request, env) {
    return env.ROOM.get(env.ROOM.idFromName(new URL(request.url).pathname)).fetch(request);
  },
};
