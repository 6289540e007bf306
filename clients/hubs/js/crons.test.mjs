// Who calls `scheduled`: one of all processes, for each cron and minute.
import assert from 'node:assert/strict';
import test from 'node:test';

import {CronClaims} from './internal/cron_claims.mjs';
import {CRONS} from './internal/classes.mjs';
import {readReply, rpcPayload} from './namespaces/payload.mjs';
import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';
import {Crons} from './worker/crons.mjs';

const MINUTE = 60_000;
const NOON = Date.UTC(2126, 10, 30, 12);  // not over: a process asks for a minute until five minutes later

// Of a Durable Object, as far as CronClaims knows it.
class FakeStorage extends Map {
  async get(key) { return super.get(key); }
  async put(key, value) { this.set(key, value); }
  async list({prefix}) { return new Map([...this].filter(([key]) => key.startsWith(prefix))); }
}

function fakeClaims() {
  const clock = {now: NOON};
  const storage = new FakeStorage();
  return {clock, storage, claims: new CronClaims({storage}, {}, () => clock.now)};
}

test('a minute of a cron is got once', async () => {
  const {clock, claims} = fakeClaims();
  assert.deepEqual(await claims.claim(NOON, ['a']), {runs: [{cron: 'a', minute: NOON, attempt: 0}], off: 0});
  clock.now += 500;
  assert.deepEqual((await claims.claim(NOON, ['a'])).runs, []);
  // Another process has another version, say, with one cron more.
  assert.deepEqual((await claims.claim(NOON, ['a', 'b'])).runs, [{cron: 'b', minute: NOON, attempt: 0}]);
  for (const cron of ['a', 'b']) await claims.end({cron, minute: NOON});
  clock.now += MINUTE;
  assert.equal((await claims.claim(NOON + MINUTE, ['a', 'b'])).runs.length, 2);
  // Somebody whose clock is slow, or who could not ask before.
  assert.deepEqual((await claims.claim(NOON, ['a', 'b'])).runs, []);
});

test('a run whose process ends is begun again elsewhere, three times in all', async () => {
  const {clock, claims} = fakeClaims();
  const [run] = (await claims.claim(NOON, ['a'])).runs;
  for (let i = 0; i < 4; i++) {
    clock.now += 50_000;
    await claims.renew([run]);
  }
  assert.deepEqual((await claims.claim(NOON + 3 * MINUTE, [])).runs, []);
  clock.now += MINUTE;
  assert.deepEqual((await claims.claim(NOON + 4 * MINUTE, [])).runs, [{cron: 'a', minute: NOON, attempt: 1}]);
  assert.deepEqual((await claims.claim(NOON + 4 * MINUTE, [])).runs, []);
  clock.now += MINUTE;
  assert.equal((await claims.claim(NOON + 5 * MINUTE, [])).runs[0].attempt, 2);
  clock.now += MINUTE;
  assert.deepEqual((await claims.claim(NOON + 6 * MINUTE, [])).runs, []);
});

test('a run that has ended is nobody\'s', async () => {
  const {clock, storage, claims} = fakeClaims();
  await claims.claim(NOON, ['a']);
  await claims.end({cron: 'a', minute: NOON});
  clock.now += 2 * MINUTE;
  assert.deepEqual((await claims.claim(NOON + 2 * MINUTE, [])).runs, []);
  assert.deepEqual([...storage.keys()], ['last a']);
});

test('clocks that are off', async () => {
  const {clock, claims} = fakeClaims();
  assert.equal((await claims.claim(NOON + 60 * MINUTE, ['a'])).off, 60 * MINUTE);
  assert.equal((await claims.claim(NOON - 60 * MINUTE, ['a'])).off, -60 * MINUTE);
  // The clock here was an hour ahead, and is right again.
  clock.now += 60 * MINUTE;
  assert.equal((await claims.claim(clock.now, ['a'])).runs.length, 1);
  clock.now -= 60 * MINUTE;
  assert.equal((await claims.claim(clock.now, ['a'])).runs.length, 1);
});

test('a process runs what it gets, tries again to ask, and says what has ended', async () => {
  const said = [];
  const errors = [];
  let failures = 1;
  const claims = {
    async claim(minute, crons) {
      if (failures-- > 0) throw new Error('the store is away');
      return {runs: crons.map((cron) => ({cron, minute, attempt: 0})), off: 0};
    },
    async renew() {},
    async end({cron}) { said.push(`end ${cron}`); },
  };
  const entry = {
    hasScheduled: true,
    async scheduled(cron, minute) {
      said.push(`${cron} at ${new Date(minute).toISOString()}`);
      if (cron === '0 12 * * *') throw new Error('a bug');
    },
  };
  const crons = new Crons(['0 12 * * *', '* * * * *', '1 * * * *'], {
    entry, claims, report: (_, error) => errors.push(error.message),
  });
  await crons.minute(NOON);
  assert.deepEqual(said.sort(), ['* * * * * at 2126-11-30T12:00:00.000Z', '0 12 * * * at 2126-11-30T12:00:00.000Z',
    'end * * * * *', 'end 0 12 * * *']);
  assert.deepEqual(errors, ['a bug']);
  await crons.stop();
});

test('the object is one of the host\'s own, in the store as others', async (context) => {
  const keeper = await FakeStatekeeper.start({
    source: 'export default {scheduled() {}}', manifest: {classes: [{name: CRONS}]},
  });
  context.after(() => keeper.stop());
  const minute = Date.now();
  const claim = async () => {
    const payload = await keeper.hub(CRONS, 'x').request(await rpcPayload('claim', [minute, ['* * * * *']], 'crons'));
    return readReply({payload}).runs.length;
  };
  assert.equal(await claim(), 1);
  await keeper.killWorker();
  assert.equal(await claim(), 0);
});
