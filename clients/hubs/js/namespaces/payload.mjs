// What one object or Worker asks of another, and the answer, as bytes of a Call (worker.proto).
import {deserialize, serialize} from 'node:v8';

import {explain} from '../objects/errors.mjs';
import {toBytes} from '../objects/structured.mjs';
import {Request} from '../web/request.mjs';
import {isEncoded, Response} from '../web/response.mjs';
import {ReservedSocket} from '../web/reserved_socket.mjs';
import {acceptedOf} from '../web/upgrades.mjs';
import {WebSocket} from '../web/web_socket.mjs';
import {HubConnection} from '../web/hub_connection.mjs';
import {beginning, fetched, newToken} from './body_streams.mjs';
import {pack, unpack} from './packing.mjs';

// {payload, rest}: of the body, what does not go along; null: nothing.
export async function fetchPayload(request, name) {
  const {bytes, reader} = await beginning(request.body);
  const token = reader ? newToken() : undefined;
  const payload = serialize({
    kind: 'fetch', name, method: request.method, url: request.url, headers: [...request.headers], body: bytes, token,
    cf: request.cf,
  });
  return {payload, rest: reader && {reader, token}};
}

export async function rpcPayload(method, args, name) {
  const packed = args && await Promise.all(args.map((value) => pack(value, `an argument of ${method}()`)));
  return toBytes({kind: 'rpc', name, method, args: packed}, `an argument of ${method}()`);
}

// {kind, name, request} or {kind, name, method, args}
export function readRequestPayload(payload, hub) {
  const call = deserialize(payload);
  if (call.kind !== 'fetch') return {...call, args: call.args && call.args.map(unpack)};
  const {url, method, headers, token, cf} = call;
  const body = (token ? hub.bodies.expect(token, call.body) : call.body) ?? undefined;
  return {kind: 'fetch', name: call.name, request: new Request(url, {method, headers, body, cf})};
}

export async function valueReply(value) {
  return toBytes({value: await pack(value, 'what the method returns')}, 'what the method returns');
}

// `hub`: whose answer it is.
export async function responseReply(response, hub) {
  if (!isResponse(response)) throw new TypeError('Incorrect type for Promise: the Promise did not resolve to "Response".');
  const head = {status: response.status, statusText: response.statusText, headers: [...response.headers]};
  if (response.status !== 101) {
    const {bytes, reader} = await beginning(response.body);
    const encodeBody = isEncoded(response) ? 'manual' : undefined;
    const token = reader ? hub.bodies.offer(reader) : undefined;
    return serialize({response: {...head, encodeBody, body: bytes, token}});
  }
  if (!response.webSocket) throw new TypeError('A Response with status 101 needs a webSocket.');
  return serialize({response: {...head, socket: reserve(acceptedOf(response.webSocket, hub), hub)}});
}

export function errorReply(thrown) { return serialize({error: describe(thrown)}); }

// What the object has said, as bytes.
export function answerOf(answer) {
  if (answer.failure) throw Object.assign(new Error(answer.failure), answer.retryable ? {retryable: true} : {});
  return answer.payload;
}

// Returns a value or a Response, or throws what the object has thrown. `send(payload)` asks the same object for more.
export function readReply(answer, send) {
  const reply = deserialize(answerOf(answer));
  if (reply.error) throw revive(reply.error);
  if (!reply.response) return unpack(reply.value);
  const {status, statusText, headers, encodeBody, body, token, socket} = reply.response;
  if (token) return new Response(fetched(body, token, send), {status, statusText, headers, encodeBody});
  if (!socket) return new Response(body ?? null, {status, statusText, headers, encodeBody});
  const reserved = new ReservedSocket(socket.hubClass, socket.hubName, socket.reservation);
  const webSocket = WebSocket.over(reserved);
  reserved.webSocket = webSocket;
  return new Response(null, {status, headers, webSocket});
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
