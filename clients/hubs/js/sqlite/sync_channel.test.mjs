import assert from 'node:assert/strict';
import {once} from 'node:events';
import {mkdtempSync, rmSync} from 'node:fs';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {after, before, test} from 'node:test';
import {Worker} from 'node:worker_threads';

import {openSyncChannel} from './index.mjs';

let directory;
let path;
let server;
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'dormouse-'));
  path = join(directory, 'lane');
  server = new Worker(new URL('testing/frame_server.mjs', import.meta.url), {workerData: path});
  await once(server, 'message');
});
after(async () => {
  await server.terminate();
  rmSync(directory, {recursive: true});
});

test('a request waits for its answer', () => {
  const channel = openSyncChannel(path);
  const answer = channel.request(Buffer.from('e hello'));
  assert.ok(Buffer.isBuffer(answer));
  assert.equal(answer.toString(), 'e hello');
  assert.equal(channel.request(new Uint8Array(0)).length, 0);
  for (let i = 0; i < 1000; ++i) assert.equal(channel.request(Buffer.from(`e${i}`)).toString(), `e${i}`);
  channel.close();
});

test('frames that are larger than what a socket holds', () => {
  const channel = openSyncChannel(path);
  const large = Buffer.alloc(4 << 20, 'e');
  assert.ok(channel.request(large).equals(large));
  assert.throws(() => channel.request(Buffer.alloc((64 << 20) + 1)), /at most 64 MiB/);
  assert.equal(channel.request(Buffer.from('e')).toString(), 'e');
  channel.close();
});

test('what is sent without an answer', () => {
  const channel = openSyncChannel(path);
  channel.send(Buffer.from('n'));
  assert.equal(channel.request(Buffer.from('e')).toString(), 'e');
  channel.close();
});

test('an answer that does not come, or not whole, ends the channel', () => {
  for (const question of ['n', 'h']) {
    const channel = openSyncChannel(path, 50);
    const asked = performance.now();
    assert.throws(() => channel.request(Buffer.from(question)), /did not come in time/);
    assert.ok(performance.now() - asked >= 49);
    assert.throws(() => channel.request(Buffer.from('e')), /channel is closed/);
  }
});

test('an end that goes away, and one that says nonsense', () => {
  const gone = openSyncChannel(path);
  assert.throws(() => gone.request(Buffer.from('c')), /closed by the other end|Connection reset/);
  assert.throws(() => gone.request(Buffer.from('e')), /channel is closed/);
  const nonsense = openSyncChannel(path);
  assert.throws(() => nonsense.request(Buffer.from('l')), /longer than 64 MiB/);
});

test('what cannot be a channel', () => {
  assert.throws(() => openSyncChannel(join(directory, 'nobody')), /Nobody can be asked at .*nobody: No such file/);
  assert.throws(() => openSyncChannel('x'.repeat(200)), /too long/);
  assert.throws(() => openSyncChannel(5), TypeError);
  assert.throws(() => openSyncChannel(path, -1), TypeError);
  const channel = openSyncChannel(path);
  assert.throws(() => channel.request('text'), TypeError);
  channel.close();
  channel.close();
  assert.throws(() => channel.request(Buffer.from('e')), /channel is closed/);
});
