// What one object or Worker asks of another, and the answer, as bytes of a Call (worker.proto).
import {deserialize, serialize} from 'node:v8';

import {toBytes} from '../objects/structured.mjs';
import {Request} from '../web/request.mjs';
import {isEncoded, Response} from '../web/response.mjs';
import {ReservedSocket} from '../web/reserved_socket.mjs';
import {acceptedOf} from '../web/upgrades.mjs';
import {WebSocket} from '../web/web_socket.mjs';
import {HubConnection} from '../web/hub_connection.mjs';
import {isOfBackend, readBackendCall} from './backend.mjs';
import {beginning, fetched, newToken} from './body_streams.mjs';
import {pack, unpack} from './packing.mjs';
import {describe, errorsHaveFields, revive} from './remote_errors.mjs';

export const NO_RESPONSE = 'Incorrect type for Promise: the Promise did not resolve to "Response".';
const WHAT_IS_RETURNED = 'what the method returns';

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
  const what = `an argument of ${method}()`;
  const {value, boxed} = await pack(args, what);
  return toBytes({kind: 'rpc', name, method, args: value, boxed}, what);
}

// {kind, name, request} or {kind, name, method, args}; of a backend: backend.mjs.
export function readRequestPayload(payload, hub) {
  if (isOfBackend(payload)) return readBackendCall(payload, hub);
  const call = deserialize(payload);
  if (call.kind !== 'fetch') return {...call, args: unpack({value: call.args, boxed: call.boxed})};
  const {url, method, headers, token, cf} = call;
  const body = (token ? hub.bodies.expect(token, call.body) : call.body) ?? undefined;
  return {kind: 'fetch', name: call.name, request: new Request(url, {method, headers, body, cf})};
}

export async function valueReply(value) {
  return toBytes(await pack(value, WHAT_IS_RETURNED), WHAT_IS_RETURNED);
}

// `hub`: whose answer it is.
export async function responseReply(response, hub) {
  if (!isResponse(response)) throw new TypeError(NO_RESPONSE);
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

// `hub`: whose error it is.
export function errorReply(thrown, hub) {
  const durableObjectId = errorsHaveFields() ? hub.hubName : undefined;
  return serialize({error: describe(thrown), durableObjectId});
}

// What the object has said, as bytes.
export function answerOf(answer) {
  if (answer.failure) throw Object.assign(new Error(answer.failure), answer.retryable ? {retryable: true} : {});
  return answer.payload;
}

// Returns a value or a Response, or throws what the object has thrown. `send(payload)` asks the same object for more.
export function readReply(answer, send) {
  const reply = deserialize(answerOf(answer));
  if (reply.error) {
    const {durableObjectId} = reply;
    throw revive(reply.error, durableObjectId ? {durableObjectId, remote: true} : {remote: true});
  }
  if (!reply.response) return unpack(reply);
  const {status, statusText, headers, encodeBody, body, token, socket} = reply.response;
  if (token) return new Response(fetched(body, token, send), {status, statusText, headers, encodeBody});
  if (!socket) return new Response(body ?? null, {status, statusText, headers, encodeBody});
  const reserved = new ReservedSocket(socket);
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
