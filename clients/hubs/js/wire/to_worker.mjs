// Reads ToWorker (proto/worker.proto). Events are what a host gets a million of; the rest is seldom.
import {EventRecord, Kind} from './event_record.mjs';
import {objectKey, Reader} from './reader.mjs';

// Calls of `sink`: event(key, record), read(answer), call(answer), durable(key, turn), drop(key), ping(number),
// answerTimes(answer), endHttp().
export function readToWorker(buffer, start, end, sink) {
  const reader = new Reader(buffer, start, end);
  while (reader.at < end) {
    const tag = reader.varint();
    switch (tag) {
      case 0x0a: readEvent(reader, sink); break;
      case 0x12: sink.read(readReadAnswer(reader)); break;
      case 0x1a: sink.call(readCallAnswer(reader)); break;
      case 0x22: readDurable(reader, sink); break;
      case 0x29: sink.drop(objectKey(reader.word(), reader.word())); break;
      case 0x2a:
        for (const stop = reader.limit(); reader.at < stop;) sink.drop(objectKey(reader.word(), reader.word()));
        break;
      case 0x30: sink.ping(reader.varint()); break;
      case 0x3a: sink.answerTimes(readAnswerTimes(reader)); break;
      case 0x40:
        reader.varint();
        sink.endHttp();
        break;
      default: reader.skip(tag & 7);
    }
  }
}

function readEvent(reader, sink) {
  const end = reader.limit();
  const record = new EventRecord();
  while (reader.at < end) {
    const tag = reader.varint();
    switch (tag) {
      case 0x09:
        record.low = reader.word();
        record.high = reader.word();
        break;
      case 0x10: record.number = reader.varint(); break;
      case 0x18: record.nowMs = reader.varint(); break;
      case 0x20: record.repeated = reader.varint() !== 0; break;
      case 0x2a: record.wake = readWake(reader); break;
      case 0x32:
        record.kind = Kind.OPEN;
        record.body = readOpen(reader);
        record.connection = record.body.connection;
        break;
      case 0x3a:
        record.kind = Kind.MESSAGE;
        readMessage(reader, record);
        break;
      case 0x42:
        record.kind = Kind.CLOSE;
        record.body = readClose(reader);
        record.connection = record.body.connection;
        break;
      case 0x4a:
        record.kind = Kind.ALARM;
        record.body = readAlarm(reader);
        break;
      case 0x52:
        record.kind = Kind.REQUEST;
        record.body = readRequest(reader);
        break;
      case 0x5a:
        record.kind = Kind.BACKPRESSURE;
        reader.at = reader.limit();
        break;
      case 0x62:
        record.kind = Kind.TIMER;
        record.body = readTimer(reader);
        break;
      default: reader.skip(tag & 7);
    }
  }
  sink.event(objectKey(record.low, record.high), record);
}

function readMessage(reader, record) {
  const end = reader.limit();
  let from = 0;
  let to = 0;
  let binary = false;
  while (reader.at < end) {
    const tag = reader.varint();
    switch (tag) {
      case 0x0a: record.connection = reader.binaryText(); break;
      case 0x12:
        to = reader.limit();
        from = reader.at;
        reader.at = to;
        break;
      case 0x18: binary = reader.varint() !== 0; break;
      default: reader.skip(tag & 7);
    }
  }
  if (binary) {
    const bytes = new Uint8Array(to - from);
    bytes.set(reader.buffer.subarray(from, to));
    record.data = bytes.buffer;
  } else {
    record.data = reader.buffer.utf8Slice(from, to);
  }
}

function readWake(reader) {
  const wake = {hubClass: '', hubName: '', sockets: [], rows: [], complete: false, alarmMs: 0, maxState: 0, timers: [],
    maxTimers: 0};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: wake.hubClass = reader.text(); break;
      case 2: wake.hubName = reader.text(); break;
      case 3: wake.sockets.push(readSocket(reader)); break;
      case 4: wake.rows.push(readRow(reader)); break;
      case 5: wake.complete = reader.varint() !== 0; break;
      case 6: wake.alarmMs = reader.varint(); break;
      case 7: wake.maxState = reader.varint(); break;
      case 8: wake.timers.push(readSetTimer(reader)); break;
      case 9: wake.maxTimers = reader.varint(); break;
      default: return false;
    }
  });
  return wake;
}

function readSocket(reader) {
  const socket = {connection: '', connectedMs: 0, attachment: null, tags: []};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: socket.connection = reader.binaryText(); break;
      case 2: socket.connectedMs = reader.varint(); break;
      case 3: socket.attachment = reader.bytes(); break;
      case 4: socket.tags.push(reader.text()); break;
      default: return false;
    }
  });
  return socket;
}

function readRow(reader) {
  const row = {key: '', value: Buffer.alloc(0)};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: row.key = reader.binaryText(); break;
      case 2: row.value = reader.bytes(); break;
      default: return false;
    }
  });
  return row;
}

function readOpen(reader) {
  const open = {
    connection: '', path: '', query: '', remoteAddress: '', subprotocol: '', headers: [], reservation: '',
  };
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: open.connection = reader.binaryText(); break;
      case 2: open.path = reader.text(); break;
      case 3: open.query = reader.text(); break;
      case 4: open.remoteAddress = reader.text(); break;
      case 5: open.subprotocol = reader.text(); break;
      case 6: open.headers.push(readHeader(reader)); break;
      case 7: open.reservation = reader.text(); break;
      default: return false;
    }
  });
  return open;
}

function readHeader(reader) {
  const header = ['', ''];
  reader.fields(reader.limit(), (field) => {
    if (field !== 1 && field !== 2) return false;
    header[field - 1] = reader.text();
  });
  return header;
}

function readClose(reader) {
  const close = {connection: '', code: 0, reason: '', byClient: false, socket: null};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: close.connection = reader.binaryText(); break;
      case 2: close.code = reader.varint(); break;
      case 3: close.reason = reader.text(); break;
      case 4: close.byClient = reader.varint() !== 0; break;
      case 5: close.socket = readSocket(reader); break;
      default: return false;
    }
  });
  return close;
}

function readAlarm(reader) {
  const alarm = {attempt: 0};
  reader.fields(reader.limit(), (field) => {
    if (field !== 1) return false;
    alarm.attempt = reader.varint();
  });
  return alarm;
}

function readTimer(reader) {
  const timer = {name: '', attempt: 0};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: timer.name = reader.text(); break;
      case 2: timer.attempt = reader.varint(); break;
      default: return false;
    }
  });
  return timer;
}

// [name, ms]
function readSetTimer(reader) {
  const timer = ['', 0];
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: timer[0] = reader.text(); break;
      case 2: timer[1] = reader.varint(); break;
      default: return false;
    }
  });
  return timer;
}

function readRequest(reader) {
  let payload = Buffer.alloc(0);
  reader.fields(reader.limit(), (field) => {
    if (field !== 1) return false;
    payload = reader.bytes();
  });
  return payload;
}

function readDurable(reader, sink) {
  let key = 0;
  let turn = 0;
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: key = objectKey(reader.word(), reader.word()); break;
      case 2: turn = reader.varint(); break;
      default: return false;
    }
  });
  sink.durable(key, turn);
}

function readReadAnswer(reader) {
  const answer = {number: 0, rows: [], more: false, failure: ''};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 2: answer.number = reader.varint(); break;
      case 3: answer.rows.push(readRow(reader)); break;
      case 4: answer.more = reader.varint() !== 0; break;
      case 5: answer.failure = reader.text(); break;
      default: return false;
    }
  });
  return answer;
}

function readAnswerTimes(reader) {
  const answer = {number: 0, atMs: [], failure: ''};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 2: answer.number = reader.varint(); break;
      case 3:
        for (const end = reader.limit(); reader.at < end;) answer.atMs.push(reader.varint());
        break;
      case 4: answer.failure = reader.text(); break;
      default: return false;
    }
  });
  return answer;
}

function readCallAnswer(reader) {
  const answer = {number: 0, payload: Buffer.alloc(0), failure: '', retryable: false};
  reader.fields(reader.limit(), (field) => {
    switch (field) {
      case 1: answer.number = reader.varint(); break;
      case 2: answer.payload = reader.bytes(); break;
      case 3: answer.failure = reader.text(); break;
      case 4: answer.retryable = reader.varint() !== 0; break;
      default: return false;
    }
  });
  return answer;
}
