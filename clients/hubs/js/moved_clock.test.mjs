import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {after, test} from 'node:test';

import {useTestClock} from './web/moved_clock.mjs';

const HOUR = 3_600_000;
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dormouse-'));
after(() => fs.rmSync(directory, {recursive: true}));
const file = path.join(directory, 'clock');
const write = (ms) => fs.writeFileSync(file, new Uint8Array(BigInt64Array.of(BigInt(ms)).buffer), {flag: 'r+'});

test('Date is as far ahead as the file says, at once, and is a Date otherwise', () => {
  const RealDate = globalThis.Date;
  fs.writeFileSync(file, new Uint8Array(8));
  useTestClock(file);
  try {
    const ahead = () => Date.now() - RealDate.now();
    assert.ok(ahead() <= 1);
    write(HOUR);
    assert.ok(Math.abs(ahead() - HOUR) <= 1);
    assert.ok(Math.abs(new Date() - RealDate.now() - HOUR) <= 1);
    assert.equal(Date().slice(0, 15), new Date().toString().slice(0, 15));
    assert.equal(new Date(5).getTime(), 5);
    assert.equal(new Date(2026, 0, 31).getDate(), 31);
    assert.equal(Date.parse('1970-01-01T00:00:01Z'), 1000);
    assert.equal(Date.UTC(1970, 0, 1), 0);
    assert.ok(new Date() instanceof Date && new RealDate(0) instanceof Date);
    assert.equal(new Date(0).constructor, Date);
    class Later extends Date {}
    assert.ok(Math.abs(new Later() - RealDate.now() - HOUR) <= 1);
    assert.ok(new Later() instanceof Later);
    assert.deepEqual(structuredClone(new Date(7)), new RealDate(7));
  } finally {
    globalThis.Date = RealDate;
    RealDate.prototype.constructor = RealDate;
  }
});
