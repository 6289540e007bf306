// What is passed between objects and is not there to be cloned: streams, requests, responses, headers. As arguments and
// results themselves, not inside others. Their bodies go along whole.
import {Request} from '../web/request.mjs';
import {Response} from '../web/response.mjs';

const MAX_BODY = 32 * 1024 * 1024 - 64 * 1024;  // a Call can have 32 MiB; the rest is for the head

// Other values come in a box of their own only where they could be taken for one of these.
const BOX = 'dormouse:box';

export async function pack(value, what) {
  if (typeof value !== 'object' || value === null) return value;
  if (value instanceof ReadableStream) return {[BOX]: 'stream', body: await wholeBody({body: value}, what)};
  if (value instanceof Headers) return {[BOX]: 'headers', headers: [...value]};
  if (value instanceof Response) {
    const {status, statusText, headers} = value;
    if (status === 101) throw new DOMException(`${what}: a WebSocket can only be returned by fetch()`, 'DataCloneError');
    return {[BOX]: 'response', status, statusText, headers: [...headers], body: await wholeBody(value, what)};
  }
  if (value instanceof Request) {
    const {url, method, headers, cf} = value;
    return {[BOX]: 'request', url, method, headers: [...headers], cf, body: await wholeBody(value, what)};
  }
  if (isForeign(value)) {
    throw new DOMException(`${value.constructor.name} could not be cloned (${what}: objects with methods are not ` +
                           'passed on)', 'DataCloneError');
  }
  return Object.hasOwn(value, BOX) ? {[BOX]: 'value', value} : value;
}

export function unpack(value) {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, BOX)) return value;
  const {body = null, status, statusText, headers, url, method, cf} = value;
  switch (value[BOX]) {
    case 'stream': return new Response(body ?? new Uint8Array(0)).body;
    case 'headers': return new Headers(headers);
    case 'response': return new Response(body, {status, statusText, headers});
    case 'request': return new Request(url, {method, headers, cf, body: body ?? undefined});
    default: return value.value;
  }
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

// RpcTargets, which a clone would silently be a poor copy of.
function isForeign(value) {
  for (let one = Object.getPrototypeOf(value); one; one = Object.getPrototypeOf(one)) {
    if (one.constructor?.name === 'RpcTarget') return true;
  }
  return false;
}
