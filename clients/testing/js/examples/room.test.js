// A hub class of one's own (../../example) asleep, killed and an hour later. On Redis it has two statekeepers.
import assert from 'node:assert/strict';
import {after, before, test} from 'node:test';
import {Cluster} from '@dormouse/testing';

const store = process.env.EXAMPLE_STORE ?? 'file';
const HOUR = 3_600_000;
let cluster;

before(async () => {
  cluster = await Cluster.start({
    app: new URL('../../example/', import.meta.url), store, statekeepers: store === 'redis' ? 2 : 1,
  });
});
after(() => cluster?.stop());

// Until this comes, all that comes.
async function until(socket, last) {
  const all = [];
  while (all.at(-1) !== last) all.push(await socket.next());
  return all;
}

test('a room that has slept knows what it has counted, and nobody had to connect again', async () => {
  const socket = await cluster.connect('/attic');
  socket.send('count');
  await until(socket, 'done: count');
  await cluster.assertAwake('Room/attic');
  await cluster.sleepNow('Room/attic');
  await cluster.assertAsleep('Room/attic');
  socket.send('count');
  assert.deepEqual(await until(socket, 'done: count'), ['counting', 'count: 2', 'done: count']);
  assert.ok(socket.isOpen);
});

test('whoever counts is killed in the middle of it, and each message counts once', async () => {
  const socket = await cluster.connect('/kitchen');
  socket.send('count');
  assert.equal(await socket.next(), 'counting');  // it is at it now
  const killed = cluster.killOwner('Room/kitchen');
  assert.deepEqual((await until(socket, 'done: count')).slice(-2), ['count: 1', 'done: count']);
  assert.match(await killed, /^statekeeper-/);
  socket.send('count');
  assert.deepEqual((await until(socket, 'done: count')).slice(-2), ['count: 2', 'done: count']);
});

test('the process with the code is killed in the middle of it', async () => {
  const socket = await cluster.connect('/cellar');
  socket.send('count');
  assert.equal(await socket.next(), 'counting');
  await cluster.killWorker('Room/cellar');
  assert.deepEqual((await until(socket, 'done: count')).slice(-2), ['count: 1', 'done: count']);
});

test('an alarm an hour away wakes the room when the clock is an hour on', async () => {
  const socket = await cluster.connect('/tower');
  socket.send('time');
  const before = Number(await socket.next());
  socket.send('ring in an hour');
  assert.equal(await socket.next(), 'done: ring in an hour');
  await cluster.sleepNow('Room/tower');
  await cluster.advanceClock(HOUR - 60_000);
  await assert.rejects(socket.next(300), /Nothing came within 300 ms/);
  await cluster.advanceClock(60_000);
  assert.equal(await socket.next(), 'it rings');
  socket.send('time');
  const later = Number(await socket.next()) - before;
  assert.ok(later >= HOUR && later < HOUR + 60_000, later);
  await cluster.killOwner('Room/tower');  // whoever is started later has the same clock
  socket.send('time');
  assert.ok(Number(await socket.next()) - before >= HOUR);
});

test('timers with names ring each at its time', async () => {
  const socket = await cluster.connect('/church');
  for (const hour of [2, 1]) {
    socket.send(`strike ${hour}`);
    assert.equal(await socket.next(), `done: strike ${hour}`);
  }
  await cluster.sleepNow('Room/church');
  for (const hour of [1, 2]) {
    await cluster.advanceClock(HOUR - 60_000);
    await assert.rejects(socket.next(300), /Nothing came within 300 ms/);
    await cluster.advanceClock(60_000);
    assert.equal(await socket.next(), `it strikes ${hour}`);
  }
});

test('a room moves, and a paused owner answers when it goes on', async () => {
  const socket = await cluster.connect('/garden');
  socket.send('count');
  await until(socket, 'done: count');
  await cluster.moveHub('Room/garden');
  socket.send('count');
  assert.equal((await until(socket, 'done: count'))[1], 'count: 2');
  await cluster.pauseOwner('Room/garden');
  socket.send('count');
  if (store === 'file') await assert.rejects(socket.next(300), /Nothing came/);  // else another one takes over
  await cluster.resume();
  assert.equal((await until(socket, 'done: count'))[1], 'count: 3');
});
