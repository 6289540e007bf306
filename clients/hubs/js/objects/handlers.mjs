// What an event means to the code of a Durable Object. Called in the event's context.
import {Kind} from '../wire/event_record.mjs';
import {backendReply} from '../namespaces/backend.mjs';
import {isResponse, NO_RESPONSE, readRequestPayload, responseReply, valueReply} from '../namespaces/payload.mjs';
import {callMethod} from '../namespaces/methods.mjs';
import {copied} from '../namespaces/packing.mjs';
import {CloseCode} from '../web/close_codes.mjs';
import {runTimer} from './named_timers.mjs';
import {openSocket} from './openings.mjs';

export function handle(record) {
  switch (record.kind) {
    case Kind.MESSAGE: return message(record);
    case Kind.CLOSE: return closed(record);
    case Kind.OPEN: return openSocket(record);
    case Kind.ALARM: return alarm(record);
    case Kind.TIMER: return runTimer(record);
    case Kind.CALL: return called(record);
    case Kind.REQUEST:
      prepare(record);
      return request(record);
    default: return undefined;  // backpressure, of which Durable Objects know nothing
  }
}

function message(record) {
  const {hub, instance} = record.life;
  const connection = hub.sockets.get(record.connection);
  if (!connection) return undefined;
  if (connection.live) return connection.webSocket.receive(record.data);
  return instance.webSocketMessage?.(connection.webSocket, record.data);
}

// While its handler runs, the socket is still among the others.
async function closed(record) {
  const {hub, instance} = record.life;
  const connection = hub.sockets.get(record.connection);
  if (!connection) return;
  const {code, reason} = record.body;
  const clean = code !== CloseCode.LOST;
  connection.closing();
  try {
    if (connection.live) await connection.webSocket.receiveClose(code, reason, clean);
    else await instance.webSocketClose?.(connection.webSocket, code, reason, clean);
  } finally {
    connection.gone();
  }
}

async function alarm(record) {
  const {hub, instance} = record.life;
  const {attempt} = record.body;
  hub.alarmMs = 0;
  if (typeof instance.alarm !== 'function') throw new Error(`${hub.className} has no alarm handler.`);
  await instance.alarm({retryCount: attempt, isRetry: attempt > 0});
}

// Before its handler, and before the constructor, which may want to know the object's name.
export function prepare(record) {
  if (record.kind !== Kind.REQUEST || !Buffer.isBuffer(record.body)) return;
  const {hub} = record.life;
  record.body = readRequestPayload(record.body, hub);
  record.isOfBackend = record.body.kind === 'backend';
  hub.learnName(record.body.name);
}

async function request(record) {
  const {hub, instance} = record.life;
  const call = record.body;
  record.body = null;
  if (record.isOfBackend) {
    if (call.wrong) throw new TypeError(call.wrong);
    return backendReply(await callMethod(instance, call.method, call.args));
  }
  if (call.kind === 'rpc') return valueReply(await callMethod(instance, call.method, call.args));
  return responseReply(await fetchOf(instance, hub)(call.request), hub);
}

// By the object that the facet belongs to. What passes is copied, as if it were elsewhere.
async function called(record) {
  const {hub, instance} = record.life;
  const {request, method, args} = record.body;
  if (!request) {
    const copies = args && await copied(args, `an argument of ${method}()`);
    return copied(await callMethod(instance, method, copies), 'what the method returns');
  }
  const response = await fetchOf(instance, hub)(request);
  if (!isResponse(response)) throw new TypeError(NO_RESPONSE);
  return response;
}

function fetchOf(instance, hub) {
  if (typeof instance.fetch !== 'function') {
    throw new TypeError(`Handler does not export a fetch() function: ${hub.className} has none.`);
  }
  return (request) => instance.fetch(request);
}
