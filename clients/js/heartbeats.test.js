import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Heartbeats} from './heartbeats.js';
import {ManualClock} from './testing/manual_clock.js';

function started(interval) {
  const clock = new ManualClock();
  const log = [];
  const beats = new Heartbeats({clock, send: () => log.push('beat'), lost: (reason) => log.push(reason)});
  beats.start(interval);
  return {clock, log, beats};
}

test('beats at once and then each interval', async () => {
  const {clock, log, beats} = started(30000);
  for (let beat = 1; beat <= 4; beat++) {
    assert.equal(log.length, beat);
    await clock.advance(20);
    beats.acknowledged();
    await clock.advance(29980);
  }
  assert.deepEqual([beats.state, beats.acks, beats.missed, beats.latency, beats.average], ['alive', 4, 0, 20, 20]);
});

test('one without an answer is missed after 5 s, and a late answer is one', async () => {
  const {clock, beats} = started(30000);
  await clock.advance(4998);
  assert.equal(beats.state, 'waiting');
  await clock.advance(2);
  assert.deepEqual([beats.state, beats.missed], ['missed', 1]);
  beats.acknowledged();
  assert.equal(beats.state, 'alive');
});

test('two without an answer are a dead connection', async () => {
  const {clock, log, beats} = started(30000);
  await clock.advance(34998);
  assert.deepEqual(log, ['beat', 'beat']);
  await clock.advance(2);
  assert.deepEqual(log, ['beat', 'beat', 'no answer to 2 heartbeats']);
  assert.equal(beats.state, 'idle');
  assert.deepEqual(clock.delays, []);
});

test('a peer that sends other frames is not dead', async () => {
  const {clock, log, beats} = started(30000);
  for (let second = 0; second < 200; second += 10) {
    await clock.advance(10000);
    beats.heard();
  }
  assert.equal(log.filter((entry) => entry !== 'beat').length, 0);
  assert.equal(beats.state, 'missed');
});
