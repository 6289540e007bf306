// A chat: rooms with presence and a history. Open ws://HOST/chat/ROOM?as=NAME; what one types, all see.
import {DurableObject} from 'cloudflare:workers';

const KEPT = 100;  // messages of a room

export class Chat extends DurableObject {
  async fetch(request) {
    const name = new URL(request.url).searchParams.get('as')?.trim() ?? '';
    const {0: client, 1: server} = new WebSocketPair();
    // The tag is what a backend names a user by; the attachment is there after a sleep, too.
    this.ctx.acceptWebSocket(server, name ? [name] : []);
    if (!name || name.length > 40) {
      server.close(4000, 'Say who you are: ?as=NAME');
    } else {
      server.serializeAttachment({name});
      server.send(JSON.stringify({history: await this.history(), present: this.present()}));
      this.#say({joins: name}, server);
    }
    return new Response(null, {status: 101, webSocket: client});
  }

  webSocketMessage(socket, text) { return this.#keep(socket.deserializeAttachment().name, String(text)); }

  webSocketClose(socket) {
    const name = socket.deserializeAttachment()?.name;
    if (name) this.#say({leaves: name}, socket);
  }

  // For backends: the public methods of the class are what `call` calls.
  announce(text) { return this.#keep('*', text); }

  async history() { return [...(await this.ctx.storage.list({prefix: 'message/'})).values()]; }

  present() {
    const names = this.ctx.getWebSockets().map((socket) => socket.deserializeAttachment()?.name);
    return [...new Set(names.filter(Boolean))].sort();
  }

  async #keep(from, text) {
    const said = {from, text, at: Date.now() / 1000};
    const number = await this.ctx.storage.get('count') ?? 0;
    const key = (n) => `message/${String(n).padStart(12, '0')}`;
    await this.ctx.storage.put({count: number + 1, [key(number)]: said});
    await this.ctx.storage.delete(key(number - KEPT));
    this.#say(said);
  }

  #say(what, except) {
    for (const each of this.ctx.getWebSockets()) if (each !== except) each.send(JSON.stringify(what));
  }
}

export default {
  fetch(request, env) {
    const [, room] = new URL(request.url).pathname.match(/^\/chat\/([^/]+)$/) ?? [];
    if (!room || request.headers.get('Upgrade') !== 'websocket') {
      return new Response('Open a WebSocket at /chat/ROOM.\n', {status: 404});
    }
    return env.CHATS.getByName(room).fetch(request);
  },
};
