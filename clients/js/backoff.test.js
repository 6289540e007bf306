import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Backoff} from './backoff.js';

const delays = (backoff, count) => Array.from({length: count}, () => backoff.nextDelay());

test('doubles from 100 ms to 30 s', () => {
  assert.deepEqual(delays(new Backoff(() => 0.5), 11),
                   [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000, 30000]);
});

test('moves each delay by up to a quarter', () => {
  assert.deepEqual(delays(new Backoff(() => 0), 2), [75, 150]);
  assert.deepEqual(delays(new Backoff(() => 1), 2), [125, 250]);
});

test('starts over', () => {
  const backoff = new Backoff(() => 0.5);
  delays(backoff, 5);
  backoff.reset();
  assert.equal(backoff.nextDelay(), 100);
});
