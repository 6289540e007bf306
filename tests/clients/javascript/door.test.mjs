// A gateway that asks for a token before there is a socket.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Room, token} from './room.mjs';

test('the token goes with the upgrade', async (t) => {
  const anna = await new Room(t).registered('node/anna', {token: token('node/anna'), upgradeAuth: true});
  assert.equal((await anna.listActors()).total, 1);
});

test('the gateway\'s refusal is final', async (t) => {
  const refused = new Room(t).client('node/anna', {token: 'nonsense', upgradeAuth: true});
  await assert.rejects(refused, {code: 'unauthorized', message: /401/});
});
