import assert from 'node:assert/strict';
import test from 'node:test';

import {caches} from './web/caches.mjs';

test('a cache can be asked, and has forgotten', async () => {
  const response = new Response('x');
  await caches.default.put('http://a/', response);
  assert.ok(response.bodyUsed);
  assert.equal(await caches.default.match('http://a/'), undefined);
  assert.equal(await (await caches.open('mine')).delete('http://a/'), false);
});
