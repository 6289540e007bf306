// A hub that asks for tokens.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Room, next, token} from './room.mjs';

for (const protocol of ['1.0', '0.1']) {
  test(`a token opens the door in ${protocol}`, async (t) => {
    const anna = await new Room(t).registered('node/anna', {protocol, token: token('node/anna')});
    await assert.rejects(anna.register({address: 'node/bert'}), {code: 'unauthorized'});
    assert.equal((await anna.listActors()).total, 1);
  });

  test(`without one, or with a bad one, nobody gets in in ${protocol}`, async (t) => {
    const room = new Room(t);
    await assert.rejects(room.client('node/anna', {protocol}), {code: 'unauthorized', retryable: false});
    for (const bad of ['nonsense', token('node/anna', {exp: 1}), `${token('node/anna')}x`]) {
      await assert.rejects(room.client('node/anna', {protocol, token: bad}), {name: 'DormouseError', retryable: false});
    }
  });
}

test('a refreshed token serves the next connection', async (t) => {
  const anna = await new Room(t).registered('node/anna', {token: token('node/anna')});
  const {expiresAt} = await anna.refreshToken();
  assert.ok(expiresAt > Date.now());
  const connected = next(anna, 'connected');
  anna.reconnect();
  await connected;
});

test('a function gives each connection its token', async (t) => {
  let asked = 0;
  const anna = await new Room(t).client('node/anna', {token: async () => {
    asked++;
    return token('node/anna');
  }});
  const connected = next(anna, 'connected');
  anna.reconnect();
  await connected;
  assert.equal(asked, 2);
});
