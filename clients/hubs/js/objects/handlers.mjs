// What an event means to the code of a Durable Object. Called in the event's context.
import {Kind} from '../wire/event_record.mjs';
import {readRequestPayload, responseReply, valueReply} from '../namespaces/payload.mjs';
import {callMethod} from '../namespaces/methods.mjs';
import {openSocket} from './openings.mjs';

export function handle(record) {
  switch (record.kind) {
    case Kind.MESSAGE: return message(record);
    case Kind.CLOSE: return closed(record);
    case Kind.OPEN: return openSocket(record);
    case Kind.ALARM: return alarm(record);
    case Kind.REQUEST: return request(record);
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

const NOT_CLEAN = 1006;

function closed(record) {
  const {hub, instance} = record.life;
  const connection = hub.sockets.get(record.connection);
  if (!connection) return undefined;
  connection.lost();
  const {code, reason} = record.body;
  const clean = code !== NOT_CLEAN;
  if (connection.live) return connection.webSocket.receiveClose(code, reason, clean);
  return instance.webSocketClose?.(connection.webSocket, code, reason, clean);
}

async function alarm(record) {
  const {hub, instance} = record.life;
  const {attempt} = record.body;
  hub.alarmMs = 0;
  if (typeof instance.alarm !== 'function') throw new Error(`${hub.hubClass} has no alarm handler.`);
  await instance.alarm({retryCount: attempt, isRetry: attempt > 0});
}

async function request(record) {
  const {hub, instance} = record.life;
  const call = readRequestPayload(record.body);
  record.body = null;
  hub.learnName(call.name);
  if (call.kind === 'rpc') return valueReply(await callMethod(instance, call.method, call.args));
  if (typeof instance.fetch !== 'function') {
    throw new TypeError(`Handler does not export a fetch() function: ${hub.hubClass} has none.`);
  }
  return responseReply(await instance.fetch(call.request), hub);
}
