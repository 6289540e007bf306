// new WebSocket(url): a client of a server elsewhere. Node has one since 22; before, Debian's node-ws does it.
import {createRequire} from 'node:module';

import {currentContext} from '../objects/context.mjs';
import {CloseCode} from './close_codes.mjs';

const Native = globalThis.WebSocket;

export function openOutgoing(webSocket, url, protocols) { return new OutgoingSocket(webSocket, url, protocols); }

class OutgoingSocket {
  attachment = null;
  #socket;
  #life;

  constructor(webSocket, url, protocols) {
    const context = currentContext();
    this.#life = context?.life ?? null;
    this.#socket = connect(String(url), protocols);
    this.#socket.binaryType = 'arraybuffer';
    this.#life?.hub.hold();
    const inside = (call) => async (event) => {
      if (this.#life) await context.gate.standing.enter();
      if (!this.#life?.over) call(event);
    };
    this.#socket.onopen = inside(() => webSocket.receiveOpen());
    this.#socket.onmessage = inside(({data}) => webSocket.receive(data));
    this.#socket.onerror = inside((event) => webSocket.receiveError(event.error ?? new Error('WebSocket failed')));
    this.#socket.onclose = inside(({code, reason, wasClean}) => {
      this.#life?.hub.release();
      webSocket.receiveClose(code, reason, wasClean ?? code !== 1006);
    });
    this.#life?.signal.addEventListener('abort', () => this.#socket.close(), {once: true});
  }

  get readyState() { return this.#socket.readyState; }
  get url() { return this.#socket.url; }
  get protocol() { return this.#socket.protocol; }
  get extensions() { return this.#socket.extensions; }

  accept() {}  // it was, by being opened

  async send(data) {
    await this.#life?.hub.durable();
    this.#socket.send(data);
  }

  close(code, reason) {
    if (code === CloseCode.NO_STATUS) this.#socket.close();
    else this.#socket.close(code, reason);
  }
  setAttachment(bytes) { this.attachment = bytes; }
}

function connect(url, protocols) {
  if (Native) return new Native(url, protocols ?? []);
  const require = createRequire(import.meta.url);
  let Client;
  for (const name of ['ws', '/usr/share/nodejs/ws']) {
    try {
      Client = require(name);
      break;
    } catch { /* the next one */ }
  }
  if (!Client) throw new Error('new WebSocket() needs Node 22, or the package node-ws.');
  return new Client(url, protocols ?? []);
}
