// What one object or Worker asks of another, and the answer, as bytes of a Call (worker.proto). Bodies go along whole.
import {deserialize, serialize} from 'node:v8';

import {toBytes} from '../objects/structured.mjs';
import {Request} from '../web/request.mjs';
import {Response} from '../web/response.mjs';
import {acceptedOf, ReservedSocket} from '../web/upgrades.mjs';
import {WebSocket} from '../web/web_socket.mjs';
import {HubConnection} from '../web/hub_connection.mjs';

const MAX_BODY = 32 * 1024 * 1024 - 64 * 1024;  // a Call can have 32 MiB; the rest is for the head

export async function fetchPayload(request, name) {
  const body = await wholeBody(request, 'The request');
  return serialize({
    kind: 'fetch', name, method: request.method, url: request.url, headers: [...request.headers], body,
    cf: request.cf,
  });
}

export function rpcPayload(method, args, name) {
  return toBytes({kind: 'rpc', name, method, args}, `an argument of ${method}()`);
}

// {kind, name, request} or {kind, name, method, args}
export function readRequestPayload(payload) {
  const call = deserialize(payload);
  if (call.kind !== 'fetch') return call;
  const {url, method, headers, body, cf} = call;
  return {kind: 'fetch', name: call.name, request: new Request(url, {method, headers, body: body ?? undefined, cf})};
}

export function valueReply(value) { return toBytes({value}, 'what the method returns'); }

// `hub`: whose answer it is.
export async function responseReply(response, hub) {
  if (!isResponse(response)) throw new TypeError('Incorrect type for Promise: the Promise did not resolve to "Response".');
  const head = {status: response.status, statusText: response.statusText, headers: [...response.headers]};
  if (response.status !== 101) {
    return serialize({response: {...head, body: await wholeBody(response, 'The response')}});
  }
  if (!response.webSocket) throw new TypeError('A Response with status 101 needs a webSocket.');
  return serialize({response: {...head, socket: reserve(acceptedOf(response.webSocket, hub), hub)}});
}

export function errorReply(thrown) { return serialize({error: describe(thrown)}); }

// Returns a value or a Response, or throws what the object has thrown.
export function readReply(answer, hubClass, hubName) {
  if (answer.failure) throw Object.assign(new Error(answer.failure), answer.retryable ? {retryable: true} : {});
  const reply = deserialize(answer.payload);
  if (reply.error) throw revive(reply.error);
  if (!reply.response) return reply.value;
  const {status, statusText, headers, body, socket} = reply.response;
  if (!socket) return new Response(body ?? null, {status, statusText, headers});
  const webSocket = WebSocket.over(new ReservedSocket(
    socket.hubClass ?? hubClass, socket.hubName ?? hubName, socket.reservation));
  return new Response(null, {status, headers, webSocket});
}

export function explain(thrown) {
  if (thrown instanceof Error) return thrown.stack || String(thrown);
  try {
    return String(thrown);
  } catch {
    return 'what was thrown cannot be shown';
  }
}

export function isResponse(response) {
  return response instanceof Response && typeof response.headers?.get === 'function';
}

function reserve(accepted, hub) {
  if (accepted instanceof HubConnection) {
    if (accepted.hub !== hub) throw new TypeError('A WebSocket of another object cannot be returned here.');
    return {hubClass: hub.hubClass, hubName: hub.hubName, reservation: hub.reservations.make(accepted)};
  }
  return {hubClass: accepted.hubClass, hubName: accepted.hubName, reservation: accepted.reservation};
}

async function wholeBody(message, what) {
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

function describe(thrown) {
  if (!(thrown instanceof Error)) {
    try {
      return {thrown: deserialize(serialize(thrown))};
    } catch {
      return {name: 'Error', message: explain(thrown), stack: '', fields: {}};
    }
  }
  const fields = {};
  for (const name of Object.keys(thrown)) {
    try {
      fields[name] = deserialize(serialize(thrown[name]));
    } catch { /* cannot be passed on */ }
  }
  return {name: String(thrown.name), message: String(thrown.message), stack: String(thrown.stack ?? ''), fields};
}

const STANDARD = {Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError};

// As Cloudflare does: names of the language's own errors stay; of others the name becomes part of the message.
function revive(described) {
  if ('thrown' in described) return described.thrown;
  const {name, message, stack, fields} = described;
  const known = Object.hasOwn(STANDARD, name);
  const error = new (known ? STANDARD[name] : Error)(known ? message : `${name}: ${message}`);
  Object.assign(error, fields, {remote: true});
  if (stack) error.stack = stack;
  return error;
}
