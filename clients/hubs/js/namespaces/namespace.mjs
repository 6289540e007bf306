// A binding to a Durable Object class (DurableObjectNamespace), and stubs of its objects. What is asked of a stub goes
// to the statekeeper, which knows where the object lives; objects of this process are no exception.
import {currentLife} from '../objects/context.mjs';
import {Request} from '../web/request.mjs';
import {bring} from './body_streams.mjs';
import {answerOf, fetchPayload, readReply, rpcPayload} from './payload.mjs';
import {DurableObjectId, idFromName, idFromString, newUniqueId} from './ids.mjs';

export class DurableObjectNamespace {
  #hubClass;
  #call;

  // `call(hubClass, hubName, payload, traceparent)`: a promise of a CallAnswer.
  constructor(hubClass, call) {
    this.#hubClass = hubClass;
    this.#call = call;
  }

  idFromName(...names) {
    if (names.length === 0) throw new TypeError('idFromName() takes a name.');
    return idFromName(this.#hubClass, names[0]);
  }
  idFromString(hex) { return idFromString(this.#hubClass, hex); }
  newUniqueId() { return newUniqueId(this.#hubClass); }
  getByName(...args) { return this.get(this.idFromName(...args)); }
  jurisdiction() { return this; }

  // Of the options, locationHint means nothing here.
  get(id) {
    if (!(id instanceof DurableObjectId)) throw new TypeError('get() takes an id, as idFromName() makes one.');
    return makeStub(this.#hubClass, id, this.#call);
  }
}

const NO_METHODS = new Set(['then', 'catch', 'finally', 'constructor', 'toJSON', 'dup']);

function makeStub(hubClass, id, call) {
  const hubName = id.toString();
  const send = async (payload) => answerOf(await call(hubClass, hubName, payload));
  const ask = async ({payload, rest = null}, traceparent = null) => {
    // What this object has written before is to be durable before anybody learns of it.
    const life = currentLife();
    life?.hub.hold();
    try {
      await life?.hub.durable();
      const answering = call(hubClass, hubName, payload, traceparent);
      if (rest) bring(rest.reader, rest.token, send);
      return readReply(await answering, send);
    } finally {
      life?.hub.release();
    }
  };
  return stubOf({
    own: {id, name: id.name},
    fetch: async (input, init) => {
      const request = requestOf(input, init);
      return ask(await fetchPayload(request, id.name), request.headers.get('traceparent'));
    },
    call: async (method, args) => ask({payload: await rpcPayload(method, args, id.name)}),
  });
}

// A stub of something that has no id: `ask` gets {request} or {method, args}.
export function stubOver(ask) {
  return stubOf({
    own: {}, fetch: async (input, init) => ask({request: requestOf(input, init)}),
    call: async (method, args) => ask({method, args}),
  });
}

function stubOf({own, fetch, call}) {
  return new Proxy({}, {
    get(target, property) {
      if (Object.hasOwn(own, property)) return own[property];
      if (property === 'fetch') return fetch;
      if (typeof property !== 'string' || NO_METHODS.has(property)) return undefined;
      return remoteMethod(property, (args) => call(property, args));
    },
    has: (target, property) => typeof property === 'string' && !NO_METHODS.has(property),
    getPrototypeOf: () => DurableObjectStub.prototype,
  });
}

function requestOf(input, init) {
  return input instanceof Request && init === undefined ? input : new Request(absolute(input), init);
}

export class DurableObjectStub {}

// Called, it is a method; awaited, a property.
function remoteMethod(name, ask) {
  const method = async (...args) => ask(args);
  method.then = (resolve, reject) => ask(null).then(resolve, reject);
  return method;
}

// A stub has no address of its own: a path is enough.
function absolute(input) {
  return typeof input === 'string' && input.startsWith('/') ? `http://fake-host${input}` : input;
}
