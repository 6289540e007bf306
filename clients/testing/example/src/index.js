// What the examples of the kit test: a room counts, slowly, and rings when it was told to.
import {DurableObject} from 'cloudflare:workers';

export class Room extends DurableObject {
  async fetch() {
    const {0: client, 1: server} = new WebSocketPair();
    this.ctx.acceptWebSocket(server);
    return new Response(null, {status: 101, webSocket: client});
  }

  async webSocketMessage(socket, message) {
    if (message === 'count') await this.count();
    else if (message.startsWith('strike ')) this.strike(Number(message.slice(7)));
    else if (message === 'ring in an hour') await this.ctx.storage.setAlarm(Date.now() + 3_600_000);
    socket.send(message === 'time' ? String(Date.now()) : `done: ${message}`);
  }

  strike(hour) { this.ctx.dormouse.timers.set(String(hour), Date.now() + hour * 3_600_000); }

  dormouseTimer(name) { this.say(`it strikes ${name}`); }

  async alarm() { this.say('it rings'); }

  async count() {
    const count = (await this.ctx.storage.get('count') ?? 0) + 1;
    this.say('counting');  // leaves with what this handler has written by then; the rest of it takes its time
    await scheduler.wait(300);
    await this.ctx.storage.put('count', count);
    this.say(`count: ${count}`);
  }

  say(text) { for (const each of this.ctx.getWebSockets()) each.send(text); }
}

export default {
  fetch(request, env) {
    if (request.headers.get('Upgrade') !== 'websocket') return new Response('Open a WebSocket here.\n');
    return env.ROOMS.getByName(new URL(request.url).pathname.slice(1)).fetch(request);
  },
};
