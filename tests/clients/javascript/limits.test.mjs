// A hub that takes 20 messages a second, 5 at once, and a client that has more to say.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Room, messages} from './room.mjs';

test('what is too fast for the hub arrives all the same, and once', async (t) => {
  const room = new Room(t);
  const [a, b] = [await room.registered('node/anna'), await room.registered('node/bert')];
  const errors = [];
  a.on('error', (error) => errors.push(error));
  const all = messages(b, 40);
  const asks = [];
  for (let n = 0; n < 40; n++) {
    if (n % 4) a.send('node/bert', 'count', n);
    else asks.push(a.ask('node/bert', 'count', n));
  }
  assert.deepEqual((await all).sort((x, y) => x - y), Array.from({length: 40}, (_, n) => n));
  await Promise.all([...asks, a.drained()]);
  assert.deepEqual([errors, a.queued], [[], 0]);
});

test('a client that is made to wait restores all of its topics', async (t) => {
  const room = new Room(t);
  const way = await room.detour();
  const client = await room.registered('node/anna', {url: way.url});
  const topics = Array.from({length: 12}, (_, n) => `topic/${n}`);
  await Promise.all(topics.map((topic) => client.subscribe(topic)));
  const back = new Promise((resolve) => { client.on('connected', resolve); });
  way.cut();
  way.open();
  await back;
  const heard = messages(client, 12);
  const counts = await Promise.all(topics.map((topic) => client.publish(topic, 'x', topic)));
  assert.deepEqual(counts.map(({subscriberCount}) => subscriberCount), topics.map(() => 1));
  assert.deepEqual((await heard).sort(), [...topics].sort());
});
