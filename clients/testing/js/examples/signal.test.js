// The hub classes that come with Dormouse, and clients of one's own: here with the SDK, and with frames as they are.
import assert from 'node:assert/strict';
import {EventEmitter, on} from 'node:events';
import {after, before, test} from 'node:test';
import {Cluster} from '@dormouse/testing';
import {DormouseClient} from '../../../js/index.js';  // 'dormouse', in a project of one's own

const store = process.env.EXAMPLE_STORE ?? 'file';
const HOUR = 3_600_000;
let cluster;

before(async () => {
  cluster = await Cluster.start({
    store, gateways: 2, statekeepers: store === 'redis' ? 2 : 1, settings: {'rate-limit': 0},
  });
});
after(() => cluster?.stop());

async function actor(t, name, hub) {
  const client = new DormouseClient(cluster.url(`/ws/${hub}`), {actor: name, WebSocket: cluster.WebSocket});
  await client.connect();
  t.after(() => client.disconnect());
  return client;
}

test('subscribers of a signal hub are there after it slept, and after its owner was killed', async (t) => {
  const [anna, bert] = [await actor(t, 'test/anna', 'lobby'), await actor(t, 'test/bert', 'lobby')];
  const events = new EventEmitter();
  const heard = on(events, 'news');
  await bert.subscribe('news', ({data}) => events.emit('news', data));
  await cluster.sleepNow('signal/lobby');
  assert.equal((await anna.publish('news', 'headline', 1)).subscriberCount, 1);
  await cluster.killOwner('signal/lobby');
  assert.equal((await anna.publish('news', 'headline', 2)).subscriberCount, 1);
  assert.deepEqual([await heard.next(), await heard.next()].map(({value}) => value[0]), [1, 2]);
});

test('what a backend says to a hub that sleeps reaches its subscribers', async (t) => {
  const bert = await actor(t, 'test/bert', 'yard');
  const events = new EventEmitter();
  const heard = on(events, 'news');
  await bert.subscribe('news', ({data, from}) => events.emit('news', [data, from]));
  await cluster.sleepNow('signal/yard');
  const answer = await fetch(`${cluster.apiUrl}/signal/yard/publish`, {
    method: 'POST', headers: {Authorization: `Bearer ${cluster.apiKey}`},
    body: JSON.stringify({topic: 'news', type: 'headline', data: 1, from: 'backend/press'}),
  });
  assert.deepEqual(await answer.json(), {sent: 1, queued: 0, failed: 0});
  assert.deepEqual((await heard.next()).value[0], [1, 'backend/press']);
});

test('an actor that has lost its socket is waited for, and not for an hour', async (t) => {
  const bert = await actor(t, 'test/bert', 'hall');
  await bert.register();
  const anna = await cluster.connect('/ws/hall');
  const say = (type, payload) => {
    anna.send(JSON.stringify({id: type, type, from: 'test/anna', to: 'cloudflare/signal-hub', payload, timestamp: Date.now()}));
    return anna.nextJson();
  };
  assert.equal((await say('hub:connect', {version: '1.0'})).type, 'hub:connected');
  assert.equal((await say('hub:register', {actorAddress: 'test/anna'})).type, 'hub:registered');
  await anna.close(4000);  // without hub:disconnect
  let status;
  // Nothing orders the end of one socket with what is said in another.
  do ({status} = await bert.ask('test/anna', 'hello', 1)); while (status === 'delivered');
  assert.equal(status, 'queued');
  await cluster.sleepNow('signal/hall');
  await cluster.advanceClock(HOUR);
  await assert.rejects(bert.ask('test/anna', 'hello', 2), {code: 'unknown_actor'});
});

test('frames that were under way when the owner of an echo hub was killed are each answered, once and in order', async () => {
  const socket = await cluster.connect('/websocket/well');
  assert.equal((await socket.nextJson()).type, 'welcome');
  const say = (from, to) => {
    for (let n = from; n < to; n++) socket.send(JSON.stringify({type: 'message', message: String(n)}));
  };
  say(0, 50);
  const killed = cluster.killOwner('echo/well');
  say(50, 100);
  for (let n = 0; n < 100; n++) assert.equal((await socket.nextJson(30_000)).message, String(n));
  await killed;
});

test('a killed gateway breaks its own sockets, and is there again', async () => {
  const socket = await cluster.connect('/websocket/roof');
  const other = await cluster.connect('/websocket/roof');
  await Promise.all([cluster.killGateway(1), cluster.killGateway(2)]);
  assert.equal((await socket.closed).code, 1006);
  assert.equal((await other.closed).code, 1006);
  const again = await cluster.connect('/websocket/roof');
  assert.equal((await again.nextJson()).type, 'welcome');
});
