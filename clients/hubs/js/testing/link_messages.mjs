// The statekeeper's half of proto/worker.proto, for tests: writes ToWorker, reads FromWorker.
import {objectKey, Reader} from '../wire/reader.mjs';

export function writeEvent(writer, {object, number, nowMs = 0, repeated = false, wake, open, message, close, alarm,
                                    timer, request}) {
  inside(writer, 0x0a, () => {
    writer.byte(0x09);
    writer.fixed64(object, 0);
    field(writer, 0x10, number);
    field(writer, 0x18, nowMs);
    if (repeated) field(writer, 0x20, 1);
    if (wake) inside(writer, 0x2a, () => writeWake(writer, wake));
    if (open) inside(writer, 0x32, () => writeOpen(writer, open));
    if (message) {
      inside(writer, 0x3a, () => {
        writer.binaryText(0x0a, message.connection);
        if (typeof message.data === 'string') {
          writer.text(0x12, message.data);
        } else {
          writer.bytes(0x12, message.data);
          field(writer, 0x18, 1);
        }
      });
    }
    if (close) {
      inside(writer, 0x42, () => {
        writer.binaryText(0x0a, close.connection);
        field(writer, 0x10, close.code);
        writer.text(0x1a, close.reason);
        field(writer, 0x20, 1);
      });
    }
    if (alarm) inside(writer, 0x4a, () => field(writer, 0x08, alarm.attempt));
    if (timer) {
      inside(writer, 0x62, () => {
        writer.text(0x0a, timer.name);
        field(writer, 0x10, timer.attempt);
      });
    }
    if (request) inside(writer, 0x52, () => writer.bytes(0x0a, request.payload));
  });
}

function writeWake(writer, wake) {
  writer.text(0x0a, wake.hubClass);
  writer.text(0x12, wake.hubName);
  for (const {connection, attachment, tags} of wake.sockets) {
    inside(writer, 0x1a, () => {
      writer.binaryText(0x0a, connection);
      if (attachment) writer.bytes(0x1a, attachment);
      for (const tag of tags) writer.text(0x22, tag);
    });
  }
  for (const row of wake.rows) writeRow(writer, 0x22, row);
  if (wake.complete) field(writer, 0x28, 1);
  field(writer, 0x30, wake.alarmMs);
  for (const [name, dueMs] of wake.timers ?? []) {
    inside(writer, 0x42, () => {
      writer.text(0x0a, name);
      field(writer, 0x10, dueMs);
    });
  }
  field(writer, 0x48, wake.maxTimers ?? 0);
}

function writeRow(writer, tag, [key, value]) {
  inside(writer, tag, () => {
    writer.binaryText(0x0a, key);
    writer.bytes(0x12, value);
  });
}

function writeOpen(writer, {connection, path, query, reservation, headers}) {
  writer.binaryText(0x0a, connection);
  writer.text(0x12, path);
  writer.text(0x1a, query);
  for (const [name, value] of headers) {
    inside(writer, 0x32, () => {
      writer.text(0x0a, name);
      writer.text(0x12, value);
    });
  }
  if (reservation) writer.text(0x3a, reservation);
}

export function writeReadAnswer(writer, {object, number, rows, more, failure}) {
  inside(writer, 0x12, () => {
    writer.byte(0x09);
    writer.fixed64(object, 0);
    field(writer, 0x10, number);
    for (const row of rows) writeRow(writer, 0x1a, row);
    if (more) field(writer, 0x20, 1);
    if (failure) writer.text(0x2a, failure);
  });
}

export function writeAnswerTimes(writer, {object, number, atMs}) {
  inside(writer, 0x3a, () => {
    writer.byte(0x09);
    writer.fixed64(object, 0);
    field(writer, 0x10, number);
    inside(writer, 0x1a, () => { for (const at of atMs) writer.varint(at); });
  });
}

export function writeCallAnswer(writer, {number, payload, failure, retryable}) {
  inside(writer, 0x1a, () => {
    field(writer, 0x08, number);
    if (payload) writer.bytes(0x12, payload);
    if (failure) writer.text(0x1a, failure);
    if (retryable) field(writer, 0x20, 1);
  });
}

export function writeDurable(writer, object, turn) {
  inside(writer, 0x22, () => {
    writer.byte(0x09);
    writer.fixed64(object, 0);
    field(writer, 0x10, turn);
  });
}

export function writeDrop(writer, object) {
  inside(writer, 0x2a, () => writer.fixed64(object, 0));
}

export function writePing(writer, number) { field(writer, 0x30, number); }

export function writeEndHttp(writer) { field(writer, 0x40, 1); }

function inside(writer, tag, write) {
  const start = writer.open(tag);
  write();
  writer.close(start);
}

function field(writer, tag, value) {
  writer.byte(tag);
  writer.varint(value);
}

// Calls of `sink`: hello, turn, read, call, pong, log, askAnswerTimes, httpEnded, each with one object.
export function readFromWorker(buffer, start, end, sink) {
  const reader = new Reader(buffer, start, end);
  const message = (fields) => readFields(reader, reader.limit(), fields);
  reader.fields(end, (number) => {
    switch (number) {
      case 1: sink.hello(message(HELLO)); break;
      case 2: sink.turn(message(TURN)); break;
      case 3: sink.read(message(READ)); break;
      case 4: sink.call(message(CALL)); break;
      case 5: sink.pong(reader.varint()); break;
      case 6: sink.log(message(LOG)); break;
      case 7: sink.askAnswerTimes(message(ASK)); break;
      case 8: sink.httpEnded(reader.varint()); break;
      default: return false;
    }
  });
}

const text = (reader) => reader.text();
const key = (reader) => reader.binaryText();
const bytes = (reader) => reader.bytes();
const number = (reader) => reader.varint();
const flag = (reader) => reader.varint() !== 0;
const object = (reader) => objectKey(reader.word(), reader.word());
const nested = (fields) => (reader) => readFields(reader, reader.limit(), fields);
const many = (name, read) => ({name, read, many: true});
const one = (name, read) => ({name, read, many: false});

const HELLO = {1: one('protocol', number), 2: one('lane', number), 3: one('version', text), 4: one('readsOnly', flag),
  5: one('timers', flag)};
const SEND = {1: one('connection', key), 2: one('data', bytes), 3: one('binary', flag)};
const CLOSE = {1: one('connection', key), 2: one('code', number), 3: one('reason', text)};
const ROW = {1: one('key', key), 2: one('value', bytes)};
const ATTACHMENT = {1: one('connection', key), 2: one('attachment', bytes)};
const TAGS = {1: one('connection', key), 2: many('tags', text)};
const AUTO = {1: one('connection', key), 2: one('request', text), 3: one('reply', text)};
const TIMER = {1: one('name', text), 2: one('dueMs', number)};
const EFFECT = {
  1: one('send', nested(SEND)), 3: one('close', nested(CLOSE)), 4: one('put', nested(ROW)), 5: one('delete', key),
  6: one('deletePrefix', key), 7: one('attachment', nested(ATTACHMENT)), 8: one('tags', nested(TAGS)),
  9: one('admit', key), 10: one('alarmMs', number), 11: one('reply', bytes), 12: one('autoResponse', nested(AUTO)),
  13: one('timer', nested(TIMER)),
};
const TURN = {
  1: one('object', object), 2: one('event', number), 3: one('done', flag), 4: one('failure', text),
  5: many('effects', nested(EFFECT)), 6: one('hold', flag), 7: one('number', number),
};
const READ = {
  1: one('object', object), 2: one('number', number), 3: many('keys', key), 4: one('start', key), 5: one('end', key),
  6: one('prefix', key), 7: one('reverse', flag), 8: one('limit', number),
};
const CALL = {
  1: one('number', number), 2: one('hubClass', text), 3: one('hubName', text), 4: one('payload', bytes),
  5: one('timeoutMs', number), 6: one('traceparent', text),
};
const ASK = {1: one('object', object), 2: one('number', number), 3: many('connections', key)};
const LOG = {1: one('level', number), 2: one('hub', text), 3: one('connection', key), 4: one('text', text)};

function readFields(reader, end, fields) {
  const message = {};
  for (const field of Object.values(fields)) if (field.many) message[field.name] = [];
  reader.fields(end, (at) => {
    const field = fields[at];
    if (!field) throw new Error(`a field ${at} that the protocol does not have`);
    const value = field.read(reader);
    if (field.many) message[field.name].push(value);
    else message[field.name] = value;
  });
  return message;
}
