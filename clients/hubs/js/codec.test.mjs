// The protobuf codec, against itself and against bytes written down from the specification.
import assert from 'node:assert/strict';
import test from 'node:test';

import {readFromWorker, writeEvent} from './testing/link_messages.mjs';
import {Frames} from './wire/frames.mjs';
import {Effect, writeTurn} from './wire/from_worker.mjs';
import {objectKey, Reader} from './wire/reader.mjs';
import {readToWorker} from './wire/to_worker.mjs';
import {Writer} from './wire/writer.mjs';

const CONNECTION = '\x00\x01\x02\xff' + 'c'.repeat(12);

test('integers of all sizes', () => {
  for (const value of [0, 1, 127, 128, 300, 2 ** 31 - 1, 2 ** 31, 2 ** 32, 1.7e12, Number.MAX_SAFE_INTEGER]) {
    const writer = new Writer(1);
    writer.varint(value);
    assert.equal(new Reader(writer.buffer, 0, writer.at).varint(), value);
  }
  const writer = new Writer();
  writer.varint(-1);
  assert.deepEqual([...writer.buffer.subarray(0, writer.at)], [...Array(9).fill(0xff), 1]);
  assert.equal(objectKey(7, 1), 2 ** 32 + 7);
  assert.notEqual(objectKey(1, 0xffffffff), objectKey(2, 0xffffffff));
});

test('a message as another writer of protobuf has it', () => {
  // events {object: 0x0102030405060708, number: 300, message {connection, data: "é", received_ms: 5}}, ping: 1
  const bytes = Buffer.concat([
    Buffer.from('0a26' + '090807060504030201' + '10ac02' + '3a18' + '0a10', 'hex'), Buffer.from(CONNECTION, 'latin1'),
    Buffer.from('1202c3a9' + '2005' + '3001', 'hex'),
  ]);
  const events = [];
  const pings = [];
  readToWorker(bytes, 0, bytes.length, {event: (key, record) => events.push(record), ping: (number) => pings.push(number)});
  assert.equal(events.length, 1);
  const [{low, high, number, connection, data}] = events;
  assert.deepEqual([low, high, number, connection, data], [0x05060708, 0x01020304, 300, CONNECTION, 'é']);
  assert.deepEqual(pings, [1]);
});

test('turns with every effect', () => {
  const writer = new Writer(8);
  const long = 'ü'.repeat(3000);
  writeTurn(writer, {
    low: 0xfffffffe, high: 3, event: 2 ** 35, done: true, failure: 'ä', hold: true, number: 9,
    effects: [
      Effect.SEND, CONNECTION, long, undefined, Effect.SEND, CONNECTION, Buffer.from([0, 255]), undefined,
      Effect.SEND, CONNECTION, '', undefined, Effect.CLOSE, CONNECTION, 4999, 'why',
      Effect.PUT, 'k:\xff', Buffer.from('v'), undefined, Effect.DELETE, 'k:x', undefined, undefined,
      Effect.DELETE_PREFIX, '', undefined, undefined, Effect.ATTACHMENT, CONNECTION, Buffer.from('a'), undefined,
      Effect.TAGS, CONNECTION, ['x', 'ÿ'], undefined, Effect.ADMIT, CONNECTION, undefined, undefined,
      Effect.ALARM, 1.7e12, undefined, undefined, Effect.REPLY, Buffer.from('r'), undefined, undefined,
      Effect.AUTO_RESPONSE, CONNECTION, 'ping', 'pong',
    ],
  });
  const turns = [];
  readFromWorker(writer.buffer, 0, writer.at, {turn: (turn) => turns.push(turn)});
  const [{effects, ...turn}] = turns;
  assert.deepEqual(turn, {object: 3 * 2 ** 32 + 0xfffffffe, event: 2 ** 35, done: true, failure: 'ä', hold: true, number: 9});
  assert.equal(effects[0].send.data.toString(), long);
  assert.deepEqual(effects[1].send, {connection: CONNECTION, data: Buffer.from([0, 255]), binary: true});
  assert.deepEqual(effects.slice(3), [
    {close: {connection: CONNECTION, code: 4999, reason: 'why'}}, {put: {key: 'k:\xff', value: Buffer.from('v')}},
    {delete: 'k:x'}, {deletePrefix: ''}, {attachment: {connection: CONNECTION, attachment: Buffer.from('a')}},
    {tags: {connection: CONNECTION, tags: ['x', 'ÿ']}}, {admit: CONNECTION}, {alarmMs: 1.7e12},
    {reply: Buffer.from('r')}, {autoResponse: {connection: CONNECTION, request: 'ping', reply: 'pong'}},
  ]);
});

test('frames come whole, however the stream is cut', () => {
  const writer = new Writer();
  writer.at = 0;
  const sizes = [0, 1, 3, 100, 70_000];
  const stream = Buffer.concat(sizes.map((size) => {
    const frame = Buffer.alloc(4 + size, size % 251);
    frame.writeUInt32LE(size);
    return frame;
  }));
  for (const cut of [1, 2, 5, 17, 4096, stream.length]) {
    const seen = [];
    const frames = new Frames((buffer, start, end) => {
      assert.ok(buffer.subarray(start, end).every((byte) => byte === (end - start) % 251));
      seen.push(end - start);
    });
    for (let at = 0; at < stream.length; at += cut) frames.take(Buffer.from(stream.subarray(at, at + cut)));
    assert.deepEqual(seen, sizes);
  }
  assert.throws(() => new Frames(() => {}).take(Buffer.from([255, 255, 255, 255])), /at most/);
});

test('what ends too early is an error, and unknown fields are none', () => {
  const writer = new Writer();
  writeEvent(writer, {object: 1, number: 1, message: {connection: CONNECTION, data: 'x'}});
  assert.throws(() => readToWorker(writer.buffer, 0, writer.at - 3, {event() {}}), /ends before/);
  const unknown = Buffer.from('f80601' + 'fa0601ff' + '3007', 'hex');
  const pings = [];
  readToWorker(unknown, 0, unknown.length, {ping: (number) => pings.push(number)});
  assert.deepEqual(pings, [7]);
});
