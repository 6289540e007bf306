// WebSocket as Workers have it. What is behind it may change once: an end of a WebSocketPair, which is where it begins;
// the connection of a hub's client, once the hub has accepted it; a server elsewhere, for `new WebSocket(url)`.
import {fromBytes, toBytes} from '../objects/structured.mjs';
import {LocalEnd} from './local_end.mjs';
import {Listeners} from './listeners.mjs';
import {CloseCode} from './close_codes.mjs';
import {openOutgoing} from './outgoing.mjs';

const MAX_ATTACHMENT = 16 * 1024;
const MAX_REASON = 123;
const INTERNAL = Symbol('internal');

export class WebSocket {
  #behind;
  #listeners = null;

  constructor(url, protocols, behind) {
    this.#behind = protocols === INTERNAL ? behind : openOutgoing(this, url, protocols);
  }

  static over(behind) { return new WebSocket(null, INTERNAL, behind); }

  get behind() { return this.#behind; }

  // From now on.
  stand(behind) { this.#behind = behind; }

  get readyState() { return this.#behind.readyState; }
  get url() { return this.#behind.url ?? null; }
  get protocol() { return this.#behind.protocol ?? ''; }
  get extensions() { return this.#behind.extensions ?? ''; }
  get binaryType() { return 'arraybuffer'; }
  set binaryType(type) { if (type !== 'arraybuffer') throw new TypeError('Only binaryType "arraybuffer" is there.'); }

  accept() {
    if (typeof this.#behind.accept !== 'function') {
      throw new TypeError("Can't call accept() on a WebSocket that has been accepted already.");
    }
    this.#behind.accept();
  }

  send(data) { this.#behind.send(data); }

  close(code, reason) {
    if (code !== undefined && !isCloseCode(Number(code))) {
      throw new DOMException(`Invalid WebSocket close code: ${code}.`, 'InvalidAccessError');
    }
    if (reason !== undefined && code === undefined) {
      throw new TypeError('If you specify a WebSocket close reason, you must also specify a code.');
    }
    const text = reason === undefined ? '' : String(reason);
    if (text.length > MAX_REASON || Buffer.byteLength(text) > MAX_REASON) {
      throw new SyntaxError(`A close reason has at most ${MAX_REASON} bytes.`);
    }
    this.#behind.close(code === undefined ? CloseCode.NO_STATUS : Number(code), text);
  }

  serializeAttachment(value) {
    const bytes = toBytes(value, 'an attachment');
    if (bytes.length > MAX_ATTACHMENT) {
      throw new Error(`A WebSocket's attachment can have ${MAX_ATTACHMENT} bytes; this one has ${bytes.length}.`);
    }
    this.#behind.setAttachment(bytes);
  }

  deserializeAttachment() {
    const bytes = this.#behind.attachment;
    return bytes && bytes.length > 0 ? fromBytes(bytes) : null;
  }

  addEventListener(type, listener, options) {
    this.#listeners ??= new Listeners(this);
    this.#listeners.add(type, listener, options);
  }

  removeEventListener(type, listener) { this.#listeners?.remove(type, listener); }

  dispatchEvent(event) {
    this.#listeners?.dispatch(event.type, event);
    return true;
  }

  get onopen() { return this.#listeners?.handler('open') ?? null; }
  set onopen(handler) { this.#handle('open', handler); }
  get onmessage() { return this.#listeners?.handler('message') ?? null; }
  set onmessage(handler) { this.#handle('message', handler); }
  get onclose() { return this.#listeners?.handler('close') ?? null; }
  set onclose(handler) { this.#handle('close', handler); }
  get onerror() { return this.#listeners?.handler('error') ?? null; }
  set onerror(handler) { this.#handle('error', handler); }

  // Of whatever is behind it.
  receive(data) { return this.#listeners?.dispatch('message', {data}); }
  receiveOpen() { this.#listeners?.dispatch('open', {}); }
  receiveError(error) { this.#listeners?.dispatch('error', {error, message: error.message}); }
  receiveClose(code, reason, wasClean) { return this.#listeners?.dispatch('close', {code, reason, wasClean}); }

  #handle(type, handler) {
    this.#listeners ??= new Listeners(this);
    this.#listeners.setHandler(type, handler);
  }
}

for (const [number, name] of ['CONNECTING', 'OPEN', 'CLOSING', 'CLOSED'].entries()) {
  for (const place of [WebSocket, WebSocket.prototype]) {
    Object.defineProperty(place, name, {value: number, enumerable: true});
    Object.defineProperty(place, `READY_STATE_${name}`, {value: number, enumerable: true});
  }
}

// Those that can be sent.
function isCloseCode(code) {
  return [1000, 1001, 1003].includes(code) || (code >= 1007 && code <= 1014) || (code >= 3000 && code <= 4999);
}

export class WebSocketPair {
  constructor() {
    const one = new LocalEnd();
    const other = new LocalEnd();
    one.webSocket = WebSocket.over(one);
    other.webSocket = WebSocket.over(other);
    one.peer = other;
    other.peer = one;
    this[0] = one.webSocket;
    this[1] = other.webSocket;
  }
}

export class WebSocketRequestResponsePair {
  #request;
  #response;

  constructor(request, response) {
    this.#request = String(request);
    this.#response = String(response);
  }

  get request() { return this.#request; }
  get response() { return this.#response; }
}
