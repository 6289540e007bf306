import assert from 'node:assert/strict';
import {test} from 'node:test';

import {ReadAhead} from './read_ahead.mjs';

function make() {
  const asked = [];
  const ahead = new ReadAhead((first, count) => {
    asked.push([first, count]);
    return Array.from({length: count}, (_, i) => (first + i) % 10 ? `page ${first + i}` : null);
  });
  return {ahead, asked};
}

test('each page is what it was read as, and pages in order come more and more at a time', () => {
  const {ahead, asked} = make();
  for (let number = 1; number <= 300; ++number) {
    assert.equal(ahead.read(number, 300), number % 10 ? `page ${number}` : null);
  }
  assert.deepEqual(asked, [[1, 2], [3, 4], [7, 8], [15, 16], [31, 32], [63, 64], [127, 64], [191, 64], [255, 46]]);
});

test('pages here and there come alone', () => {
  const {ahead, asked} = make();
  for (const number of [50, 20, 90, 50, 1]) ahead.read(number, 100);
  assert.deepEqual(asked, [[50, 1], [20, 1], [90, 1], [50, 1], [1, 1]]);
});

test('what is ahead is given out once, and not after it was forgotten', () => {
  const {ahead, asked} = make();
  for (const number of [20, 21, 22]) ahead.read(number, 100);
  assert.deepEqual(asked, [[20, 1], [21, 2]]);
  ahead.read(22, 100);
  ahead.read(23, 100);
  ahead.forget();
  ahead.read(24, 100);
  assert.deepEqual(asked.slice(2).map(([first]) => first), [22, 23, 24]);
});

test('a page beyond those that are known of', () => {
  const {ahead, asked} = make();
  assert.equal(ahead.read(7, 3), 'page 7');
  assert.deepEqual(asked, [[7, 1]]);
});
