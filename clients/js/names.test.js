import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DormouseClient} from './client.js';
import {EchoClient} from './echo_client.js';

const WebSocket = class {};
const client = (url, options = {actor: 'browser/anna'}) => new DormouseClient(url, {...options, WebSocket});

test('an actor is somebody', () => {
  for (const actor of ['', '@()', 'a\nb', 'x'.repeat(257), 7, undefined, null]) {
    assert.throws(() => client('ws://hub/ws', {actor}), TypeError, String(actor));
  }
  assert.throws(() => client('ws://hub/ws', {actor: ''}), /The option actor is empty/);
  client('ws://hub/ws', {actor: '@(browser/änna)'});
});

test('in a page an address may be relative', (t) => {
  globalThis.location = {href: 'https://hub/'};
  t.after(() => { delete globalThis.location; });
  client('/ws/room');
  assert.throws(() => client('/ws/my room'), /is no name of a hub/);
  assert.throws(() => client('ws/room'), /does not begin with ws:/);
});

test('a hub has a name that its gateway takes', () => {
  for (const name of ['', 'my room', 'a/b', '..', '.', '%2e%2e', 'ä', 'x'.repeat(129), 'a#b', '%zz', 'a/']) {
    assert.throws(() => client(`ws://hub/ws/${name}`), {name: 'TypeError', message: /is no name of a hub/}, name);
    assert.throws(() => client(`ws://hub/websocket/${name}`), /is no name of a hub/, name);
    assert.throws(() => new EchoClient(`ws://hub/websocket/${name}`, {WebSocket}), /is no name of a hub/, name);
    assert.throws(() => new EchoClient(`ws://hub/ws/${name}`, {WebSocket}), /is no name of a hub/, name);
  }
  for (const path of ['', '/', '/ws', '/ws/room', '/ws/a.b_c~d-1', '/ws/%61?x=/ws/!', '/behind/a/proxy', '/app/ws/room', '/websocket/ws/room']) {
    client(`wss://hub:8443${path}`);
  }
  for (const address of ['', 'nonsense', 'ftp://hub/ws', 'ws:hub/ws', 'ws://', 'ws:///ws/room', '/ws/room', '//hub/ws/room', 'ws://hub:70000/ws/room', 'ws://a b/ws/room',
                         undefined]) {
    const refused = {name: 'TypeError', message: /does not begin with ws:/};
    assert.throws(() => client(address), refused, address);
    assert.throws(() => new EchoClient(address, {WebSocket}), refused, address);
  }
});
