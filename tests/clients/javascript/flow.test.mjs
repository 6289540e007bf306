// A receiver that does not keep up, and a sender that is asked to wait.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Room, next} from './room.mjs';

const LOAD = 'x'.repeat(50000);

test('a sender waits for a slow receiver, and nothing is lost', async (t) => {
  const room = new Room(t);
  const way = await room.detour();
  const slow = await room.registered('node/slow', {url: way.url});
  const sender = await room.registered('node/sender');
  const heard = [];
  slow.on('message', ({data: [n]}) => heard.push(n));

  way.stall();
  let pause = null;
  sender.once('paused', (event) => { pause = event; });
  let sent = 0;
  while (!pause) {
    assert.ok(sent < 1000, '50 MB later, nobody has said pause');
    await sender.ask('node/slow', 'load', [sent++, LOAD]);
  }
  assert.match(pause.reason, /node\/slow/);
  assert.equal(sender.send('node/slow', 'load', [sent++, LOAD]), false);
  assert.deepEqual([sender.paused, sender.queued], [true, 1]);
  assert.ok((await sender.queueStats()).queueDepth > 0);

  const unpaused = next(sender, 'unpaused');
  way.flow();
  await Promise.all([unpaused, sender.drained()]);
  await sender.ask('node/slow', 'load', [sent++]);
  while (heard.length < sent) await next(slow, 'message');
  assert.deepEqual(heard, Array.from({length: sent}, (_, n) => n));
});
