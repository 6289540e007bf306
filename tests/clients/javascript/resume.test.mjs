// A session that outlives its sockets.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Room, messages, next} from './room.mjs';

// All types that a client sends from now on.
function sentBy(client) {
  const types = [];
  client.on('frame', ({sent, envelope}) => { if (sent) types.push(envelope.type); });
  return types;
}

for (const protocol of ['1.0', '0.1']) {
  test(`what came meanwhile is there, once and in order, in ${protocol}`, async (t) => {
    const room = new Room(t);
    const way = await room.detour();
    const anna = await room.registered('node/anna', {protocol, url: way.url});
    const bert = await room.registered('node/bert', {protocol});
    await anna.subscribe('news');
    const session = anna.sessionId;
    const first = next(anna, 'message');
    await bert.ask('node/anna', 'chat', 0);
    await first;

    const gone = next(anna, 'disconnected');
    const resumed = next(anna, 'resumed');
    const sent = sentBy(anna);
    const heard = messages(anna, 4);
    way.cut();
    await gone;
    await bert.ask('node/anna', 'chat', 1);
    await bert.publish('news', 'chat', 2);
    await bert.broadcast('chat', 3);
    way.open();
    assert.deepEqual(await resumed, {sessionId: session, missed: 0});
    await bert.ask('node/anna', 'chat', 4);
    assert.deepEqual(await heard, [1, 2, 3, 4]);
    assert.ok(!sent.includes('hub:register') && !sent.includes('hub:subscribe'), String(sent));
  });
}

test('a path that goes silent is given up within seconds, and what was sent into it comes once', async (t) => {
  const room = new Room(t);
  const way = await room.detour();
  const anna = await room.registered('node/anna', {url: way.url});
  const bert = await room.registered('node/bert');
  const first = next(anna, 'message');
  await bert.ask('node/anna', 'chat', 0);
  await first;
  const heard = messages(anna, 4);
  const gone = next(anna, 'disconnected');
  const resumed = next(anna, 'resumed');
  way.stall();
  anna.queueStats().catch(() => {});  // awaits an answer that cannot come
  for (const number of [1, 2, 3]) await bert.ask('node/anna', 'chat', number);
  assert.match((await gone).reason, /^no answer within/);
  assert.equal((await resumed).missed, 0);
  await bert.ask('node/anna', 'chat', 4);
  assert.deepEqual(await heard, [1, 2, 3, 4]);
});

test('a socket that the client replaces is resumed, and once more', async (t) => {
  const room = new Room(t);
  const anna = await room.registered('node/anna');
  for (let round = 0; round < 2; round++) {
    const resumed = next(anna, 'resumed');
    anna.reconnect();
    assert.equal((await resumed).sessionId, anna.sessionId);
  }
  assert.equal((await anna.listActors()).total, 1);
});

test('a refreshed token resumes', async (t) => {
  const room = new Room(t);
  const anna = await room.registered('node/anna');
  await anna.refreshToken();
  const resumed = next(anna, 'resumed');
  anna.reconnect();
  await resumed;
});

test('after a goodbye there is nothing to resume', async (t) => {
  const room = new Room(t);
  const anna = await room.registered('node/anna');
  await anna.disconnect();
  const connected = next(anna, 'connected');
  await anna.connect();
  assert.equal((await connected).resumed, false);
});
