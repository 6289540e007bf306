// The client and real hubs: every call, in both protocols and both forms of an address.
import assert from 'node:assert/strict';
import {randomUUID} from 'node:crypto';
import {test} from 'node:test';
import {EchoClient} from '../../../clients/js/index.js';
import {ws} from '../../../clients/js/testing/node_ws.js';
import {Room, messages, next} from './room.mjs';

for (const [protocol, named] of [['1.0', (name) => name], ['0.1', (name) => `@(${name})`]]) {
  const anna = named('node/anna');
  const bert = named('node/bert');

  test(`actors talk in ${protocol}`, async (t) => {
    const room = new Room(t);
    const [a, b] = [await room.registered(anna, {protocol}), await room.registered(bert, {protocol})];
    assert.equal(a.send(bert, 'chat', {n: 1}), true);
    const message = await next(b, 'message');
    assert.deepEqual([message.type, message.from, message.to, message.data], ['chat', anna, bert, {n: 1}]);

    const [asked, {status}] = await Promise.all([next(b, 'message'), a.ask(bert, 'chat', 2)]);
    assert.deepEqual([asked.data, status], [2, 'delivered']);
    await assert.rejects(a.ask(named('node/nobody'), 'chat', 3), {code: 'unknown_actor'});

    b.handle('add', ({data: [x, y]}) => x + y);
    b.handle('fail', () => { throw new Error('no idea'); });
    b.on('error', () => {});
    assert.equal(await a.request(bert, 'add', [20, 22]), 42);
    await assert.rejects(a.request(bert, 'fail'), {code: 'request_failed', message: 'no idea'});
    await assert.rejects(a.request(named('node/nobody'), 'add', [1, 1]), {code: 'unknown_actor'});

    const [heard, {deliveredCount}] = await Promise.all([next(b, 'message'), a.broadcast('all', 'hear')]);
    assert.deepEqual([heard.data, heard.broadcast, deliveredCount], ['hear', true, 1]);
    assert.equal((await a.broadcast('all', 'hear', {capability: 'fly'})).deliveredCount, 0);
  });

  test(`topics in ${protocol}`, async (t) => {
    const room = new Room(t);
    const [a, b] = [await room.registered(anna, {protocol}), await room.registered(bert, {protocol})];
    const heard = [];
    const news = await b.subscribe('news', ({data, topic}) => heard.push([data, topic]));
    assert.match(news.id, /./);
    const message = next(b, 'message');
    assert.equal((await a.publish('news', 'headline', 'it wakes')).subscriberCount, 1);
    await message;
    assert.deepEqual(heard, [['it wakes', 'news']]);
    await b.unsubscribe(news);
    assert.equal((await a.publish('news', 'headline', 'who cares')).subscriberCount, 0);
  });

  test(`presence in ${protocol}`, async (t) => {
    const room = new Room(t);
    const a = await room.registered(anna, {protocol});
    const heard = [];
    let two;
    const enough = new Promise((resolve) => { two = resolve; });
    await a.subscribe('hub/presence', ({data: {actorAddress, event}}) => {
      if (heard.push([actorAddress, event]) === 2) two();
    });
    const b = await room.registered(bert, {protocol});
    await b.disconnect();
    await enough;
    assert.deepEqual(heard, [[bert, 'joined'], [bert, 'left']]);
  });

  test(`the registry in ${protocol}`, async (t) => {
    const room = new Room(t);
    const client = await room.client(anna, {protocol});
    for (const name of ['b', 'c', 'a']) await client.register({address: named(`rack/${name}`), capabilities: [name], metadata: {name}});
    const page = await client.discover({pattern: 'rack/*', limit: 2});
    assert.deepEqual([page.count, page.hasMore, page.totalMatches], [2, true, 3]);
    const found = [];
    for await (const {address, metadata} of client.discoverAll({pattern: 'rack/*', limit: 2})) found.push([address, metadata.name]);
    assert.deepEqual(found, ['a', 'b', 'c'].map((name) => [named(`rack/${name}`), name]));
    assert.equal((await client.discover({capability: 'b'})).totalMatches, 1);
    await client.unregister(named('rack/b'));
    assert.equal((await client.listActors()).total, 2);
    assert.equal((await client.queueStats()).resumeThreshold, 500);
    assert.deepEqual(client.registered, ['rack/c', 'rack/a']);
  });

  test(`what breaks comes back in ${protocol}`, async (t) => {
    const room = new Room(t);
    const way = await room.detour();
    const [a, b] = [await room.registered(anna, {protocol, url: way.url}), await room.registered(bert, {protocol})];
    await a.subscribe('news');
    const back = next(a, 'connected');
    const gone = next(a, 'disconnected');
    way.cut();
    await gone;
    way.open();
    const queued = a.send(bert, 'chat', 'while away');
    const [message] = await Promise.all([next(b, 'message'), back]);
    assert.deepEqual([queued, message.data], [false, 'while away']);
    const both = messages(a, 2);
    await b.ask(anna, 'chat', 'welcome back');
    await b.publish('news', 'headline', 'and the news');
    assert.deepEqual(await both, ['welcome back', 'and the news']);
  });
}

test('a registration outlives its time to live', async (t) => {
  const room = new Room(t);
  const client = await room.client('node/anna');
  const {expiresAt} = await client.register({ttl: 1000});
  let frame;
  do frame = await next(client, 'frame');
  while (frame.envelope.type !== 'hub:renewed');
  assert.ok(frame.envelope.payload.expiresAt > expiresAt);
});

test('heartbeats are sent and acknowledged, and a ping is, too', async (t) => {
  const client = await new Room(t).client('node/anna');
  assert.ok((await next(client, 'heartbeat')).latency >= 0);
  assert.ok((await next(client, 'heartbeat')).latency >= 0);
  assert.ok(await client.ping() >= 0);
  assert.deepEqual([client.heartbeats.state, client.heartbeats.interval], ['alive', 300]);
});

test('who loses the actor to another session stays away', async (t) => {
  const room = new Room(t);
  const first = await room.registered('node/anna');
  const lost = next(first, 'error');
  await room.registered('node/anna');
  assert.equal((await lost).code, 'duplicate_connection');
  assert.equal(first.state, 'disconnected');
});

test('a goodbye takes the actor off the list', async (t) => {
  const room = new Room(t);
  const [a, b] = [await room.registered('node/anna'), await room.registered('node/bert')];
  await a.disconnect();
  assert.equal((await b.listActors()).total, 1);
});

test('a hub refreshes no token but its own', async (t) => {
  const client = await new Room(t).client('node/anna', {token: 'not a token'});
  await assert.rejects(client.refreshToken(), {code: 'invalid_token', retryable: false});
});

test('an echo hub', async (t) => {
  const client = new EchoClient(`${process.env.DORMOUSE}/websocket/js-${randomUUID()}`, {WebSocket: ws});
  t.after(() => client.disconnect());
  const [welcome, heartbeat] = [next(client, 'welcome'), next(client, 'heartbeat')];
  client.connect();
  assert.equal((await welcome).connectionId, client.connectionId);
  await heartbeat;
  const echo = next(client, 'echo');
  client.send({any: 'thing'});
  assert.deepEqual((await echo).message, {any: 'thing'});
});
