// What is passed between objects and is not there to be cloned: streams, requests, responses, headers, blobs,
// DOMExceptions, errors with fields, wherever they are in a value. Each goes as a box that says what it was; their
// bodies go along whole.
// What Workers refuse to pass is refused here, too, where a clone would silently be a poor copy.
import {fromBytes, toBytes} from '../objects/structured.mjs';
import {Request} from '../web/request.mjs';
import {Response} from '../web/response.mjs';
import {describe, errorsHaveFields, revive} from './remote_errors.mjs';

const MAX_BODY = 32 * 1024 * 1024 - 64 * 1024;  // a Call can have 32 MiB; the rest is for the head

// The key by which a box is one. Objects that have it themselves go in a box of their own.
const BOX = 'dormouse:box';

const CLONED = [
  Date, RegExp, ArrayBuffer, Error, Boolean, Number, String, BigInt,
  ...(typeof SharedArrayBuffer === 'undefined' ? [] : [SharedArrayBuffer]),
];
const BOXED = [
  ['stream', ReadableStream, async (value, what) => ({body: await wholeBody({body: value}, what)})],
  ['headers', Headers, (value) => ({headers: [...value]})],
  ['response', Response, async (value, what) => {
    const {status, statusText, headers} = value;
    if (status === 101) throw refused(`${what}: a WebSocket can only be returned by fetch().`);
    return {status, statusText, headers: [...headers], body: await wholeBody(value, what)};
  }],
  ['request', Request, async (value, what) => {
    const {url, method, headers, cf} = value;
    return {url, method, headers: [...headers], cf, body: await wholeBody(value, what)};
  }],
  ['blob', Blob, async (value, what) => ({type: value.type, body: await wholeBody({body: value.stream()}, what)})],
  ['error', Error, (value) => ({described: describe(value)})],
];
const OPENED = {
  stream: ({body}) => new Response(body ?? new Uint8Array(0)).body,
  headers: ({headers}) => new Headers(headers),
  response: ({body, status, statusText, headers}) => new Response(body, {status, statusText, headers}),
  request: ({url, method, headers, cf, body}) => new Request(url, {method, headers, cf, body: body ?? undefined}),
  blob: ({type, body}) => new Blob(body ? [body] : [], {type}),
  error: ({described}) => revive(described, {}),
};
// What Workers pass as something that calls back, by their classes' names.
const LIVE = {
  RpcTarget: 'an RpcTarget, which others could call back,', RpcStub: 'a stub', DurableObjectStub: 'a stub',
  Fetcher: 'a service',
};

// `what`: what is passed, for errors. Resolves with {value, boxed}: whether there are boxes in it.
export async function pack(value, what) {
  if (!holdsBoxed(value, what)) return {value, boxed: false};
  const jobs = [];
  const copy = boxing(value, new Map(), (one, into) => {
    const [kind, , fields] = boxedAs(one);
    jobs.push((async () => { Object.assign(into, {[BOX]: kind}, await fields(one, what)); })());
  });
  await Promise.all(jobs);
  return {value: copy, boxed: true};
}

export function unpack({value, boxed}) { return boxed ? opened(value, new Map()) : value; }

// What would arrive elsewhere.
export async function copied(value, what) {
  const packed = await pack(value, what);
  return unpack({...packed, value: fromBytes(toBytes(packed.value, what))});
}

// `what`: has the body, where it is too long.
export async function wholeBody(message, what) {
  if (!message.body) return null;
  const chunks = [];
  let size = 0;
  for await (const chunk of message.body) {
    const bytes = typeof chunk === 'string' ? Buffer.from(chunk) : chunk;
    size += bytes.length;
    if (size > MAX_BODY) {
      throw new RangeError(`${what} has a body of over ${MAX_BODY} bytes; between objects, that is the limit.`);
    }
    chunks.push(bytes);
  }
  return Buffer.concat(chunks, size);
}

// Whether something in it has to go in a box. Throws what cannot be passed at all.
function holdsBoxed(value, what, seen = new Set()) {
  if (typeof value === 'function') {
    throw refused(`${what}: functions, which others could call back, cannot be passed here.`);
  }
  if (typeof value === 'symbol') throw refused(`${what}: symbols cannot be passed.`);
  if (typeof value !== 'object' || value === null || seen.has(value)) return false;
  if (ArrayBuffer.isView(value)) return false;
  seen.add(value);
  let found = false;
  const look = (one) => {
    const looked = typeof one === 'object' || typeof one === 'function' || typeof one === 'symbol';
    if (looked && holdsBoxed(one, what, seen)) found = true;
  };
  if (Array.isArray(value)) {
    value.forEach(look);
  } else if (Object.getPrototypeOf(value) === Object.prototype) {
    for (const key of Object.keys(value)) look(value[key]);
  } else if (value instanceof Map) {
    for (const [key, one] of value) {
      look(key);
      look(one);
    }
  } else if (value instanceof Set) {
    for (const one of value) look(one);
  } else if (boxedAs(value)) {
    found = true;
  } else if (!CLONED.some((Class) => value instanceof Class)) {
    throw refused(`${what}: ${kindOf(value)} cannot be passed${liveKind(value) ? ' here' : ''}.`);
  }
  return found;
}

function boxing(value, copies, box) {
  if (typeof value !== 'object' || value === null) return value;
  if (copies.has(value)) return copies.get(value);
  const copy = like(value) ?? (boxedAs(value) ? {} : null);
  if (copy === null) return value;
  const inBox = Object.hasOwn(value, BOX) ? {[BOX]: 'value', value: copy} : copy;
  copies.set(value, inBox);
  if (boxedAs(value)) box(value, copy);
  else fill(copy, value, (one) => boxing(one, copies, box));
  return inBox;
}

function opened(value, copies) {
  if (typeof value !== 'object' || value === null) return value;
  if (copies.has(value)) return copies.get(value);
  const kind = Object.hasOwn(value, BOX) ? value[BOX] : undefined;
  if (kind !== undefined && kind !== 'value') {
    const out = OPENED[kind](value);
    copies.set(value, out);
    return out;
  }
  const inside = kind === 'value' ? value.value : value;
  const copy = like(inside);
  if (copy === null) return value;
  copies.set(value, copy);
  fill(copy, inside, (one) => opened(one, copies));
  return copy;
}

// An empty one of what others can be in; null: it is nothing of the kind.
function like(value) {
  if (Array.isArray(value)) return new Array(value.length);
  if (value instanceof Map) return new Map();
  if (value instanceof Set) return new Set();
  return Object.getPrototypeOf(value) === Object.prototype ? {} : null;
}

function fill(copy, value, change) {
  if (copy instanceof Map) for (const [key, one] of value) copy.set(change(key), change(one));
  else if (copy instanceof Set) for (const one of value) copy.add(change(one));
  else for (const key of Object.keys(value)) define(copy, key, change(value[key]));
}

// Also where the key is __proto__.
function define(object, key, value) {
  Object.defineProperty(object, key, {value, writable: true, enumerable: true, configurable: true});
}

function boxedAs(value) {
  if (value instanceof Error && !errorsHaveFields() && !(value instanceof DOMException)) return undefined;
  return BOXED.find(([, Class]) => value instanceof Class);
}

function kindOf(value) {
  if (Object.getPrototypeOf(value) === null) return 'an object without a prototype';
  const live = liveKind(value);
  return live ?? `an object of class ${Object.getPrototypeOf(value).constructor?.name || 'without a name'}`;
}

function liveKind(value) {
  for (let one = Object.getPrototypeOf(value); one; one = Object.getPrototypeOf(one)) {
    const name = one.constructor?.name;
    if (Object.hasOwn(LIVE, name)) return LIVE[name];
  }
  return undefined;
}

function refused(message) { return new DOMException(message, 'DataCloneError'); }
