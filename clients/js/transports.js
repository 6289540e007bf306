// Which way a client takes to its hub: a WebSocket where one gets through, else an event stream, else polls. What was
// found out is remembered, for one client; a WebSocket is tried again later, when a connection is made anyway.
import {FallbackSocket} from './fallback_socket.js';

const HANDSHAKE_WITHIN = 5000;   // ms; longer, and somebody on the way has swallowed the upgrade
const AGAIN_AFTER = 60000;       // ms until a WebSocket is tried again
const DEATHS = 2;                // sockets in a row that ended before their first frame
// What the gateway itself says: another way would hear the same.
const REFUSED = /\b40[134]\b/;

export class Transports {
  #mode;
  #WebSocket;
  #clock;
  #fetch;
  #found = null;     // 'sse' or 'poll': WebSockets did not get through
  #foundAt = 0;
  #deaths = 0;
  current = null;    // of the last connection that opened: 'websocket', 'sse', 'poll'

  constructor({transport = 'auto', WebSocket, clock, fetch = globalThis.fetch}) {
    if (!['auto', 'websocket', 'sse', 'poll'].includes(transport)) {
      throw new TypeError('The option transport is "auto", "websocket", "sse" or "poll".');
    }
    this.#mode = transport === 'auto' && !fetch ? 'websocket' : transport;
    if (!WebSocket && this.#mode === 'auto') this.#mode = 'sse';
    this.#WebSocket = WebSocket;
    this.#clock = clock;
    this.#fetch = fetch;
  }

  get needsWebSocket() { return this.#mode === 'websocket' && !this.#WebSocket; }

  // Something like a WebSocket.
  open(url, protocols) {
    if (this.#mode === 'websocket') {
      this.current = 'websocket';
      return new this.#WebSocket(url, protocols);
    }
    if (this.#mode !== 'auto') {
      this.current = this.#mode;
      return this.#fallback(this.#mode, url, protocols);
    }
    return new AutoSocket(this.#ways(), {
      websocket: () => new this.#WebSocket(url, protocols),
      sse: () => this.#fallback('sse', url, protocols),
      poll: () => this.#fallback('poll', url, protocols),
    }, {
      clock: this.#clock,
      opened: (way) => this.#opened(way),
      died: () => { this.#deaths++; },
      heard: () => { this.#deaths = 0; },
    });
  }

  #ways() {
    if (this.#found && this.#clock.now() - this.#foundAt < AGAIN_AFTER) return [this.#found];
    const after = this.#found ?? 'sse';
    if (this.#deaths < DEATHS) return ['websocket', after];
    this.#deaths = 0;
    return [after];
  }

  #opened(way) {
    this.current = way;
    if (way === 'websocket') this.#found = null;
    else this.#remember(this.#found ?? way);
  }

  #remember(way) {
    this.#found = way;
    this.#foundAt = this.#clock.now();
  }

  #fallback(transport, url, protocols) {
    return new FallbackSocket(url, protocols, {
      transport, clock: this.#clock, fetch: this.#fetch,
      buffered: () => {
        this.current = 'poll';
        this.#remember('poll');
      },
    });
  }
}

// One way after the other, until one opens. To its user it is one socket.
class AutoSocket {
  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  #ways;
  #makers;
  #clock;
  #notes;
  #inner = null;
  #opened = false;
  #ended = false;
  #timer = null;

  constructor(ways, makers, {clock, ...notes}) {
    this.#ways = [...ways];
    this.#makers = makers;
    this.#clock = clock;
    this.#notes = notes;
    this.#next();
  }

  get readyState() { return this.#ended ? 3 : this.#inner?.readyState ?? 0; }
  get bufferedAmount() { return this.#inner?.bufferedAmount ?? 0; }
  get protocol() { return this.#inner?.protocol ?? ''; }
  get binaryType() { return 'arraybuffer'; }
  set binaryType(_) {}  // each is made so
  send(data) { this.#inner.send(data); }

  close(code, reason) {
    this.#ways = [];
    this.#clock.clearTimeout(this.#timer);
    this.#inner.close(code, reason);
  }

  terminate() {
    this.#ways = [];
    this.#clock.clearTimeout(this.#timer);
    if (this.#inner.terminate) this.#inner.terminate();
    else this.#inner.close(4000);
  }

  #next() {
    const way = this.#ways.shift();
    const inner = this.#makers[way]();
    let problem = '';
    let heard = false;
    this.#inner = inner;
    inner.binaryType = 'arraybuffer';
    inner.onopen = (event) => {
      this.#clock.clearTimeout(this.#timer);
      this.#opened = true;
      this.#notes.opened(way);
      this.onopen?.(event);
    };
    inner.onmessage = (event) => {
      if (!heard && way === 'websocket') this.#notes.heard();
      heard = true;
      this.onmessage?.(event);
    };
    inner.onerror = (event) => { problem = event.message ?? ''; };
    inner.onclose = ({code, reason}) => {
      if (this.#opened && !heard && way === 'websocket' && code !== 1000) this.#notes.died();
      this.#closed(code, reason || problem);
    };
    if (way === 'websocket' && this.#ways.length > 0) {
      this.#timer = this.#clock.setTimeout(() => {
        inner.onopen = inner.onmessage = inner.onclose = null;
        inner.onerror = () => {};  // that it was closed before it was open is no news
        if (inner.terminate) inner.terminate();
        else inner.close();
        this.#closed(1006, 'no answer to the upgrade');
      }, HANDSHAKE_WITHIN);
    }
  }

  #closed(code, reason) {
    this.#clock.clearTimeout(this.#timer);
    if (!this.#opened && this.#ways.length > 0 && !REFUSED.test(reason)) return this.#next();
    this.#ended = true;
    if (!this.#opened) this.onerror?.({message: reason});
    this.onclose?.({code, reason});
  }
}
