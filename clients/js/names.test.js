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

test('a hub has a name that its gateway takes', () => {
  for (const name of ['', 'my room', 'a/b', '..', '.', '%2e%2e', 'ä', 'x'.repeat(129), 'a#b', '%zz', 'a/']) {
    assert.throws(() => client(`ws://hub/ws/${name}`), {name: 'TypeError', message: /is no name of a hub/}, name);
    assert.throws(() => new EchoClient(`ws://hub/websocket/${name}`, {WebSocket}), /is no name of a hub/, name);
  }
  for (const path of ['', '/', '/ws', '/ws/room', '/ws/a.b_c~d-1', '/ws/%61?x=/ws/!', '/behind/a/proxy', '/app/ws/room']) {
    client(`wss://hub:8443${path}`);
  }
  assert.throws(() => client('ftp://hub/ws'), /does not begin with ws:/);
});
