// A WebSocket for tests: frames as they are, one after the other.
import {createRequire} from 'node:module';
import path from 'node:path';
import {pathToFileURL} from 'node:url';

const PATIENCE = 5000;  // ms

export class HubSocket {
  #socket;
  #url;
  #received = [];
  #waiting = [];   // {resolve, reject, timer}, in order
  #end = null;     // {code, reason}
  #closed;

  // Resolves when it is open.
  static async open(url, {WebSocket = anyWebSocket(), protocols = [], timeout = PATIENCE, ...options} = {}) {
    const rest = Object.keys(options).length > 0 ? [options] : [];
    const it = new HubSocket();
    it.#url = url;
    const socket = it.#socket = new WebSocket(url, protocols, ...rest);
    socket.binaryType = 'arraybuffer';
    let why = '';
    socket.onerror = (event) => { why = event.message || event.error?.message || why; };
    socket.onmessage = ({data}) => it.#take(typeof data === 'string' ? data : new Uint8Array(data));
    it.#closed = new Promise((resolve) => {
      socket.onclose = ({code, reason}) => {
        it.#over({code, reason});
        resolve(it.#end);
      };
    });
    let timer;
    const late = new Promise((resolve) => { timer = setTimeout(resolve, timeout, `it is not open after ${timeout} ms`); });
    const failed = await Promise.race([
      new Promise((resolve) => { socket.onopen = () => resolve(''); }),
      it.#closed.then(() => why || 'it was closed at once'), late,
    ]);
    clearTimeout(timer);
    if (failed) {
      socket.close();
      throw new Error(`Cannot connect to ${url}: ${failed}.`);
    }
    return it;
  }

  get url() { return this.#url; }
  get isOpen() { return this.#end === null; }

  send(data) {
    if (this.#end) throw new Error(`Cannot send: ${this.#state()}.`);
    this.#socket.send(data);
  }

  next(timeout = PATIENCE) {
    if (this.#received.length > 0) return Promise.resolve(this.#received.shift());
    if (this.#end) return Promise.reject(new Error(`Nothing more comes: ${this.#state()}.`));
    return new Promise((resolve, reject) => {
      const waiting = {resolve, reject, timer: setTimeout(() => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(new Error(`Nothing came within ${timeout} ms: ${this.#state()}.`));
      }, timeout)};
      this.#waiting.push(waiting);
    });
  }

  async nextJson(timeout) { return JSON.parse(await this.next(timeout)); }

  // What has come and nobody has asked for.
  get waiting() { return this.#received.length; }

  // {code, reason}, once it is closed.
  get closed() { return this.#closed; }

  close(code = 1000, reason = '') {
    this.#socket.close(code, reason);
    return this.#closed;
  }

  #take(data) {
    const waiting = this.#waiting.shift();
    if (!waiting) {
      this.#received.push(data);
      return;
    }
    clearTimeout(waiting.timer);
    waiting.resolve(data);
  }

  #over(end) {
    this.#end = end;
    for (const {reject, timer} of this.#waiting.splice(0)) {
      clearTimeout(timer);
      reject(new Error(`Nothing more comes: ${this.#state()}.`));
    }
  }

  #state() {
    return this.#end ? `${this.#url} was closed with ${this.#end.code} ${this.#end.reason}`.trimEnd() :
      `${this.#url} is open`;
  }
}

// Node's own, from version 22 on; else that of the package ws, of the project that is tested or of Debian.
export function anyWebSocket() {
  if (globalThis.WebSocket) return globalThis.WebSocket;
  const from = [pathToFileURL(path.join(process.cwd(), 'test')), import.meta.url];
  for (const [base, name] of [...from.map((base) => [base, 'ws']), [import.meta.url, '/usr/share/nodejs/ws']]) {
    try {
      return createRequire(base)(name);
    } catch (error) {
      if (error.code !== 'MODULE_NOT_FOUND') throw error;
    }
  }
  throw new Error('Node before 22 has no WebSocket: install ws (npm install ws, or Debian\'s node-ws), or pass one as the ' +
                  'option WebSocket.');
}
