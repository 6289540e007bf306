// Response as Workers have it: Node's, with the status 101 and the socket that goes with it, which Node refuses.
const Native = globalThis.Response;
const encoded = new WeakSet();

// Its body is what its Content-Encoding says (`encodeBody: "manual"`).
export function isEncoded(response) { return encoded.has(response); }

export class Response extends Native {
  #upgrade = false;
  #webSocket = null;

  constructor(body, init) {
    const webSocket = init?.webSocket ?? null;
    const upgrade = init?.status === 101;
    super(body, upgrade || init instanceof Native ? {
      status: upgrade ? 200 : init.status, statusText: init.statusText, headers: init.headers,
    } : init);
    if (webSocket && !upgrade) throw new RangeError('Responses with a WebSocket must have status code 101.');
    this.#upgrade = upgrade;
    this.#webSocket = webSocket;
    if (init?.encodeBody === 'manual' || encoded.has(init)) encoded.add(this);
  }

  // Node's constructor asks for the status before these fields are there.
  get status() { return #upgrade in this && this.#upgrade ? 101 : super.status; }
  get statusText() { return #upgrade in this && this.#upgrade ? super.statusText || 'Switching Protocols' : super.statusText; }
  get ok() { return !this.#upgrade && super.ok; }
  get webSocket() { return this.#webSocket; }

  clone() {
    if (this.#upgrade) throw new TypeError('Cannot clone a response to a WebSocket handshake.');
    const clone = super.clone();
    if (encoded.has(this)) encoded.add(clone);
    return clone;
  }

  static [Symbol.hasInstance](value) {
    return this === Response ? value instanceof Native : Function.prototype[Symbol.hasInstance].call(this, value);
  }
}
