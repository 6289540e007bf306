import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DormouseClient} from './client.js';
import {systemClock} from './clock.js';
import {connected} from './testing/connected.js';

const client = (options) => new DormouseClient('ws://hub/ws', {actor: 'browser/anna', WebSocket: class {}, ...options});

test('an option that is a number is one', () => {
  const wrong = {
    requestTimeout: [-1, 0, NaN, '5', null], backlogAfter: [-1, NaN, '5'], heartbeatInterval: [-1, NaN, '5'],
    queueLimit: [-1, NaN, 1.5, '5'], recentIds: [-1, NaN, 1.5, '5'],
  };
  for (const [name, values] of Object.entries(wrong)) {
    for (const value of values) {
      assert.throws(() => client({[name]: value}), {name: 'TypeError', message: new RegExp(`option ${name} is a .*, not `)});
    }
  }
  client({requestTimeout: Infinity, backlogAfter: 0, heartbeatInterval: 0, queueLimit: 0, recentIds: Infinity});
});

test('so is the timeout of a call', async () => {
  const {client: it, hub} = await connected();
  const before = hub.frames.length;
  for (const timeout of [-1, 0, NaN, '5']) {
    for (const call of [
      () => it.connect({timeout}), () => it.ask('a/b', 'x', 1, {timeout}), () => it.request('a/b', 'x', 1, {timeout}),
      () => it.broadcast('x', 1, {timeout}), () => it.publish('t', 'x', 1, {timeout}),
    ]) await assert.rejects(call, {name: 'TypeError', message: /option timeout is a number of ms above 0, not /});
  }
  assert.equal(hub.frames.length, before, 'nothing was sent');
});

test('a timer that is set for ever does not fire at once', (t) => {
  const timers = t.mock.method(globalThis, 'setTimeout', () => 0);
  systemClock.setTimeout(() => {}, Infinity);
  assert.ok(timers.mock.calls[0].arguments[1] < 2 ** 31);
});
