// Writes FromWorker (proto/worker.proto).
//
// Effects are kept flat, four places of an array for each: what it is, and up to three values.
export const Effect = {
  SEND: 1,           // connection, string or Uint8Array
  BROADCAST: 2,      // not used by Durable Objects
  CLOSE: 3,          // connection, code, reason
  PUT: 4,            // key, value
  DELETE: 5,         // key
  DELETE_PREFIX: 6,  // prefix
  ATTACHMENT: 7,     // connection, bytes
  TAGS: 8,           // connection, array
  ADMIT: 9,          // connection
  ALARM: 10,         // ms
  REPLY: 11,         // bytes
  AUTO_RESPONSE: 12, // connection, request, reply
  TIMER: 13,         // name, ms
};
export const EFFECT_WIDTH = 4;

export function writeHello(writer, {lane, version, readsOnly = false}) {
  const hello = writer.open(0x0a);
  writer.byte(0x08);
  writer.varint(1);
  writer.byte(0x10);
  writer.varint(lane);
  writer.text(0x1a, version);
  if (readsOnly) {
    writer.byte(0x20);
    writer.varint(1);
  }
  writer.byte(0x28);  // timers
  writer.varint(1);
  writer.close(hello);
}

export function writeTurn(writer, {low, high, event, done, failure, effects, hold, number}) {
  const turn = writer.open(0x12);
  writer.byte(0x09);
  writer.fixed64(low, high);
  if (event) {
    writer.byte(0x10);
    writer.varint(event);
  }
  if (done) {
    writer.byte(0x18);
    writer.byte(1);
  }
  if (failure) writer.text(0x22, failure);
  for (let at = 0; at < effects.length; at += EFFECT_WIDTH) {
    writeEffect(writer, effects[at], effects[at + 1], effects[at + 2], effects[at + 3]);
  }
  if (hold) {
    writer.byte(0x30);
    writer.byte(1);
  }
  if (number) {
    writer.byte(0x38);
    writer.varint(number);
  }
  writer.close(turn);
}

function writeEffect(writer, kind, first, second, third) {
  const effect = writer.open(0x2a);
  switch (kind) {
    case Effect.SEND: {
      const send = writer.open(0x0a);
      writer.binaryText(0x0a, first);
      if (typeof second === 'string') {
        writer.text(0x12, second);
      } else {
        writer.bytes(0x12, second);
        writer.byte(0x18);
        writer.byte(1);
      }
      writer.close(send);
      break;
    }
    case Effect.CLOSE: {
      const close = writer.open(0x1a);
      writer.binaryText(0x0a, first);
      writer.byte(0x10);
      writer.varint(second);
      if (third) writer.text(0x1a, third);
      writer.close(close);
      break;
    }
    case Effect.PUT: {
      const put = writer.open(0x22);
      writer.binaryText(0x0a, first);
      writer.bytes(0x12, second);
      writer.close(put);
      break;
    }
    case Effect.DELETE: writer.binaryText(0x2a, first); break;
    case Effect.DELETE_PREFIX: writer.binaryText(0x32, first); break;
    case Effect.ATTACHMENT: {
      const attachment = writer.open(0x3a);
      writer.binaryText(0x0a, first);
      writer.bytes(0x12, second);
      writer.close(attachment);
      break;
    }
    case Effect.TAGS: {
      const tags = writer.open(0x42);
      writer.binaryText(0x0a, first);
      for (const tag of second) writer.text(0x12, tag);
      writer.close(tags);
      break;
    }
    case Effect.ADMIT: writer.binaryText(0x4a, first); break;
    case Effect.ALARM:
      writer.byte(0x50);
      writer.varint(first);
      break;
    case Effect.REPLY: writer.bytes(0x5a, first); break;
    case Effect.AUTO_RESPONSE: {
      const response = writer.open(0x62);
      writer.binaryText(0x0a, first);
      writer.text(0x12, second);
      writer.text(0x1a, third);
      writer.close(response);
      break;
    }
    case Effect.TIMER: {
      const timer = writer.open(0x6a);
      writer.text(0x0a, first);
      writer.byte(0x10);
      writer.varint(second);
      writer.close(timer);
      break;
    }
    default: throw new Error(`no effect ${kind}`);
  }
  writer.close(effect);
}

export function writeRead(writer, {low, high, number, keys = [], start = '', end = '', prefix = '', reverse, limit}) {
  const read = writer.open(0x1a);
  writer.byte(0x09);
  writer.fixed64(low, high);
  writer.byte(0x10);
  writer.varint(number);
  for (const key of keys) writer.binaryText(0x1a, key);
  if (start) writer.binaryText(0x22, start);
  if (end) writer.binaryText(0x2a, end);
  if (prefix) writer.binaryText(0x32, prefix);
  if (reverse) {
    writer.byte(0x38);
    writer.byte(1);
  }
  if (limit) {
    writer.byte(0x40);
    writer.varint(limit);
  }
  writer.close(read);
}

export function writeAskAnswerTimes(writer, {low, high, number, connections}) {
  const question = writer.open(0x3a);
  writer.byte(0x09);
  writer.fixed64(low, high);
  writer.byte(0x10);
  writer.varint(number);
  for (const connection of connections) writer.binaryText(0x1a, connection);
  writer.close(question);
}

export function writeCall(writer, {number, hubClass, hubName, payload, traceparent}) {
  const call = writer.open(0x22);
  writer.byte(0x08);
  writer.varint(number);
  writer.text(0x12, hubClass);
  writer.text(0x1a, hubName);
  writer.bytes(0x22, payload);
  if (traceparent) writer.text(0x32, traceparent);
  writer.close(call);
}

export function writeHttpEnded(writer) {
  writer.byte(0x40);
  writer.byte(1);
}

export function writePong(writer, number) {
  writer.byte(0x28);
  writer.varint(number);
}

export function writeLog(writer, {level, hub = '', connection = '', text}) {
  const log = writer.open(0x32);
  writer.byte(0x08);
  writer.varint(level);
  if (hub) writer.text(0x12, hub);
  if (connection) writer.binaryText(0x1a, connection);
  writer.text(0x22, text);
  writer.close(log);
}
