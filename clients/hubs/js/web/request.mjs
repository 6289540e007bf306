// Request as Workers have it: Node's, with `cf`, and with bodies that are streams without saying so.
const Native = globalThis.Request;

export class Request extends Native {
  #cf;

  constructor(input, init) {
    super(input, fitting(input, init));
    this.#cf = init?.cf ?? (input instanceof Request ? input.cf : undefined);
  }

  get cf() { return this.#cf; }

  clone() { return new Request(super.clone(), {cf: this.#cf}); }

  static [Symbol.hasInstance](value) {
    return this === Request ? value instanceof Native : Function.prototype[Symbol.hasInstance].call(this, value);
  }
}

function fitting(input, init) {
  if (init === undefined || init === null) return init;
  // A Request can stand for what it is made of.
  const fields = init instanceof Native ? {
    method: init.method, headers: init.headers, body: init.body, redirect: init.redirect, signal: init.signal,
  } : init;
  const body = fields.body ?? (input instanceof Native && fields === init ? input.body : null);
  if (body instanceof ReadableStream && fields.duplex === undefined) return {...fields, duplex: 'half'};
  return fields;
}
