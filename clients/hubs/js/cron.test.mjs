// When cron expressions are due.
import assert from 'node:assert/strict';
import test from 'node:test';

import {Cron} from './worker/cron.mjs';

const at = (text) => new Date(`${text}Z`);

test('minutes, ranges, steps, lists and names', () => {
  assert.ok(new Cron('* * * * *').matches(at('2026-01-01T00:00')));
  assert.ok(new Cron('*/15 3-5 * * *').matches(at('2026-01-01T04:30')));
  assert.ok(!new Cron('*/15 3-5 * * *').matches(at('2026-01-01T06:30')));
  assert.ok(new Cron('0,30 0 1 JAN,jul *').matches(at('2026-07-01T00:30')));
  assert.ok(new Cron('5/20 * * * *').matches(at('2026-01-01T00:45')));
  // Days of the week begin with Sunday, which is 1.
  assert.ok(new Cron('0 0 * * 1').matches(at('2026-11-29T00:00')));
  assert.ok(new Cron('0 0 * * MON-FRI').matches(at('2026-11-30T00:00')));
  assert.ok(!new Cron('0 0 * * MON-FRI').matches(at('2026-11-29T00:00')));
});

test('a day of the month and one of the week: either will do', () => {
  const cron = new Cron('0 0 15 * sun');
  assert.ok(cron.matches(at('2026-11-15T00:00')) && cron.matches(at('2026-12-15T00:00')) &&
            cron.matches(at('2026-11-29T00:00')) && !cron.matches(at('2026-11-30T00:00')));
});

test('what is none is refused with a sentence', () => {
  for (const wrong of ['* * * *', '60 * * * *', '* * * * 0', '* * 0 * *', 'x * * * *', '5-2 * * * *', '*/0 * * * *']) {
    assert.throws(() => new Cron(wrong), /is no cron expression/, wrong);
  }
});
