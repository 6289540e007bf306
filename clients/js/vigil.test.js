// A path that goes silent: noticed in seconds while there is something to lose, and nothing of it lost or doubled.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {EchoClient} from './echo_client.js';
import {back, connected} from './testing/connected.js';
import {FakeHub} from './testing/fake_hub.js';
import {ManualClock, settled} from './testing/manual_clock.js';

// With a way to wake the client, as a page is told to.
async function awake(options = {}) {
  const wakings = new Set();
  const all = await connected({
    wakings(callback) {
      wakings.add(callback);
      return () => wakings.delete(callback);
    },
    ...options,
  });
  const wake = () => { for (const callback of wakings) callback(); };
  await all.clock.advance(20000);  // what happens at the start is past
  return {...all, wakings, wake};
}

const beats = ({hub}) => hub.of('hub:heartbeat').length;

test('an idle connection is asked nothing beyond its heartbeats', async () => {
  const all = await awake();
  await all.clock.advance(600000 - 20000);
  assert.equal(beats(all), 21);
});

test('silence while an answer is awaited costs a ping after 2.5 s, and the connection after 4 s more', async () => {
  const all = await awake();
  const {hub, clock, client, of} = all;
  hub.answer('hub:send', () => null);
  hub.answer('hub:heartbeat', () => null);
  const lost = client.ask('browser/bert', 'chat', 1).catch(({code}) => code);
  await clock.advance(2400);
  assert.equal(beats(all), 1);
  await clock.advance(200);
  assert.equal(beats(all), 2);
  await clock.advance(3800);
  assert.equal(client.state, 'connected');
  await clock.advance(200);
  assert.equal(await lost, 'connection_lost');
  assert.match(of('disconnected')[0].reason, /^no answer within 4\.0 s$/);
  await back(all);
  assert.equal(client.state, 'connected');
});

test('so does silence while another actor\'s answer is awaited', async () => {
  const all = await awake();
  const {hub, clock, client} = all;
  const answer = client.request('browser/bert', 'add', [1, 2]).catch(({code}) => code);
  await clock.advance(100);  // the hub has taken it
  hub.silent = true;
  await clock.advance(6600);
  assert.notEqual(client.state, 'connected');
  hub.silent = false;
  await back(all);
  await clock.advance(10000);
  assert.equal(await answer, 'timeout');
});

test('a hub that answers pings may think as long as it likes', async () => {
  const all = await awake();
  const {hub, clock, client, of} = all;
  hub.answer('hub:send', () => null);
  const timeout = client.ask('browser/bert', 'chat', 1, {timeout: 60000}).catch(({code}) => code);
  await clock.advance(59000);
  assert.deepEqual([client.state, of('disconnected')], ['connected', []]);
  assert.ok(beats(all) > 10);
  await clock.advance(2000);
  assert.equal(await timeout, 'timeout');
});

test('a frame that is still leaving is a sign of life', async () => {
  const {hub, clock, client} = await awake();
  hub.silent = true;
  hub.socket.bufferedAmount = 1 << 20;
  client.ask('browser/bert', 'chat', 'x', {timeout: 60000}).catch(() => {});
  for (let second = 0; second < 20; second++) {
    await clock.advance(1000);
    hub.socket.bufferedAmount -= 1000;
  }
  assert.equal(client.state, 'connected');
  await clock.advance(8000);
  assert.notEqual(client.state, 'connected');
});

test('a waking is a reason to ask, once, and an answer is enough', async () => {
  const all = await awake();
  for (let event = 0; event < 3; event++) all.wake();
  await all.clock.advance(9000);
  assert.deepEqual([beats(all), all.client.state], [2, 'connected']);
});

test('a waking over a dead path costs the connection, and ends a wait for the next attempt', async () => {
  const {hub, clock, client, wake} = await awake();
  hub.silent = true;
  hub.accepts = false;
  wake();
  await clock.advance(3900);
  assert.equal(client.state, 'connected');
  await clock.advance(30000);
  assert.equal(client.state, 'waiting');
  hub.accepts = true;
  hub.silent = false;
  wake();
  await settled();
  await settled();
  assert.equal(client.state, 'connected');
});

test('nobody is woken after the end', async () => {
  const {client, wakings} = await awake();
  assert.equal(wakings.size, 1);
  await client.disconnect();
  assert.equal(wakings.size, 0);
  await client.connect();
  assert.equal(wakings.size, 1);
});

test('a machine that slept asks at once', async () => {
  const all = await awake();
  all.hub.silent = true;
  all.clock.sleep(600000);
  await all.clock.advance(2500);  // the next look
  await all.clock.advance(4000);
  assert.notEqual(all.client.state, 'connected');
});

test('a page that was frozen reads what waits for it before it judges', async () => {
  const all = await awake();
  const {hub, clock, client, of} = all;
  hub.answer('hub:send', () => null);
  const answer = client.ask('browser/bert', 'chat', 1, {timeout: 200000});
  hub.silent = true;
  await clock.advance(3000);  // asked, no answer yet
  await clock.freeze(70000);  // every timer is late
  assert.equal(client.state, 'connected');
  await hub.forward('chat', 'held', {id: 'm1'});  // what the platform held for the socket
  hub.silent = false;
  await clock.advance(20000);
  assert.deepEqual([client.state, of('disconnected')], ['connected', []]);
  assert.deepEqual(of('message').map(({data}) => data), ['held']);
  await hub.say('hub:delivery_ack', {status: 'delivered'}, {correlationId: hub.of('hub:send')[0].id});
  assert.equal((await answer).status, 'delivered');
});

test('what the old socket still held comes once, through the resumption that names the last message', async () => {
  const all = await awake();
  const {hub, clock, of} = all;
  hub.answer('hub:connect', (_, {sockets}) => ['hub:connected', {
    sessionId: 's', heartbeatInterval: 30000, resumeToken: `r${sockets.length}`, resumed: sockets.length > 2,
  }]);
  await hub.cut();
  await back(all);  // has a token to resume with
  await hub.forward('chat', 1, {id: 'm1'});
  const old = hub.socket;
  await clock.advance(2000);
  hub.silent = true;
  all.wake();
  await clock.advance(4050);
  hub.silent = false;
  await back(all);
  assert.equal(hub.of('hub:connect').at(-1).payload.lastMessageId, 'm1');
  old.onmessage?.({data: JSON.stringify({id: 'm2', type: 'chat', from: 'browser/bert', to: 'browser/anna', payload: 2})});
  await hub.forward('chat', 2, {id: 'm2'});
  await hub.forward('chat', 3, {id: 'm3'});
  assert.deepEqual(of('message').map(({data}) => data), [1, 2, 3]);
});

test('an echo client notices it, too', async () => {
  const hub = new FakeHub();
  const clock = new ManualClock();
  const client = new EchoClient('ws://hub/websocket/room', {WebSocket: hub.WebSocket, clock, wakings: () => () => {}});
  client.connect();
  await settled();
  await hub.say('welcome', {}, {heartbeatInterval: 30000});
  await hub.say('heartbeat_ack');
  await clock.advance(10000);
  assert.equal(client.send('hello'), true);
  await hub.say('echo');
  await clock.advance(10000);
  assert.equal(client.state, 'connected');
  client.send('hello');
  await clock.advance(6600);
  assert.notEqual(client.state, 'connected');
});
