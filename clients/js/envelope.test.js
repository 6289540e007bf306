import assert from 'node:assert/strict';
import {test} from 'node:test';
import {bareAddress, coversTopic, envelope, inFormOf, isLargerThan, parseEnvelope, uniqueId} from './envelope.js';

test('both forms of an address are one actor', () => {
  assert.equal(bareAddress('@(browser/anna)'), 'browser/anna');
  assert.equal(bareAddress('browser/anna'), 'browser/anna');
  assert.equal(inFormOf('@(a/b)', 'cloudflare/signal-hub'), '@(cloudflare/signal-hub)');
  assert.equal(inFormOf('a/b', '@(c/d)'), 'c/d');
});

test('an envelope has all fields', () => {
  const frame = envelope({type: 'x', from: 'a/b', to: 'c/d'});
  assert.deepEqual(Object.keys(frame), ['id', 'type', 'from', 'to', 'payload', 'pattern', 'correlationId', 'timestamp',
                                        'metadata', 'ttl', 'signature']);
});

test('what is no envelope is none', () => {
  for (const text of ['', 'no', '1', 'null', '[]', '{}', '{"type":1}']) assert.equal(parseEnvelope(text), null, text);
  assert.equal(parseEnvelope('{"type":"a"}').type, 'a');
});

test('ids differ', () => {
  const ids = new Set(Array.from({length: 1000}, uniqueId));
  assert.equal(ids.size, 1000);
  assert.match([...ids][0], /^[0-9a-f]{32}$/);
});

test('size is in bytes of UTF-8', () => {
  assert.equal(isLargerThan('abc', 3), false);
  assert.equal(isLargerThan('abcd', 3), true);
  assert.equal(isLargerThan('ü€', 4), true);
  assert.equal(isLargerThan('ü€', 5), false);
});

test('wildcards cover levels', () => {
  for (const [pattern, topic, covers] of [
    ['a/b', 'a/b', true], ['a/b', 'a/c', false], ['a/b', 'a/b/c', false], ['a/b/c', 'a/b', false],
    ['a/+', 'a/b', true], ['a/+', 'a/b/c', false], ['+/b', 'a/b', true], ['a/#', 'a/b/c', true], ['#', 'a', true],
  ]) assert.equal(coversTopic(pattern, topic), covers, `${pattern} ${topic}`);
});
