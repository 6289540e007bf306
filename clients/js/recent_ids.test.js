import assert from 'node:assert/strict';
import {test} from 'node:test';
import {RecentIds} from './recent_ids.js';

test('knows the last ones, and forgets the oldest first', () => {
  const recent = new RecentIds(2);
  assert.deepEqual(['a', 'a', 'b', 'c', 'c', 'a'].map((id) => recent.add(id)), [true, false, true, true, false, true]);
});
