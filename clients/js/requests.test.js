import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Requests} from './requests.js';
import {ManualClock, settled} from './testing/manual_clock.js';

function requests({queueLimit = 10} = {}) {
  const clock = new ManualClock();
  const sent = [];
  const failed = [];
  const all = new Requests({
    clock, queueLimit, timeout: 1000, failed: (error) => failed.push(error.code),
    transmit: ({id}) => sent.push(id) > 0,
  });
  const limited = (id, retryAfter = 1) => all.answer({type: 'hub:error', correlationId: id, payload: {
    code: 'rate_limited', message: 'slower', details: {retryAfter, limit: 10},
  }});
  return {clock, sent, failed, all, limited};
}
const frame = (id) => ({id, type: 'x'});
const reply = (id) => ({type: 'y', correlationId: id});
const rejectsWith = (promise, code, retryable) => assert.rejects(promise, {name: 'DormouseError', code, retryable});

test('what waits is sent in order when the gate opens, upkeep first', async () => {
  const {sent, all} = requests();
  assert.equal(all.tell(frame('a')), false);
  const answer = all.ask(frame('b'));
  all.ask(frame('c'), {urgent: true}).catch(() => {});
  all.open('restoring');
  assert.deepEqual(sent, ['c']);
  all.open('open');
  assert.deepEqual(sent, ['c', 'a', 'b']);
  assert.equal(all.tell(frame('d')), true);
  assert.equal(all.answer(reply('b')), true);
  assert.equal((await answer).type, 'y');
  assert.equal(all.answer(reply('b')), false);
});

test('overflow says so', async () => {
  const {all} = requests({queueLimit: 1});
  all.tell(frame('a'));
  assert.throws(() => all.tell(frame('b')), {code: 'queue_full', retryable: true, details: {limit: 1}});
  await rejectsWith(all.ask(frame('c')), 'queue_full', true);
});

test('a request without an answer in time is rejected, and not sent any more', async () => {
  const {clock, sent, all} = requests();
  const answer = rejectsWith(all.ask(frame('a'), {timeout: 50}), 'timeout', true);
  await clock.advance(50);
  await answer;
  all.open('open');
  assert.deepEqual(sent, []);
});

test('a broken socket rejects what it carried, but for what may be repeated', async () => {
  const {sent, all} = requests();
  all.open('open');
  const once = rejectsWith(all.ask(frame('a')), 'connection_lost', true);
  const upkeep = rejectsWith(all.ask(frame('b'), {urgent: true}), 'connection_lost', true);
  const again = all.ask(frame('c'), {idempotent: true});
  all.shut();
  await Promise.all([once, upkeep]);
  const later = all.ask(frame('d'));
  all.shut();  // not sent yet: it may wait for the next one
  all.open('open');
  assert.deepEqual(sent, ['a', 'b', 'c', 'c', 'd']);
  all.answer(reply('c'));
  all.answer(reply('d'));
  await Promise.all([again, later]);
});

test('upkeep that was not sent yet ends with its connection, too', async () => {
  const {sent, all} = requests();
  const upkeep = rejectsWith(all.ask(frame('a'), {urgent: true}), 'connection_lost', true);
  all.shut();
  await upkeep;
  all.open('open');
  assert.deepEqual(sent, []);
});

test('messages wait while the hub says pause, requests do not', async () => {
  const {sent, all} = requests();
  all.open('open');
  all.pause(true);
  all.tell(frame('a'));
  all.ask(frame('b'), {message: true}).catch(() => {});
  all.ask(frame('c')).catch(() => {});
  assert.deepEqual(sent, ['c']);
  let drained = false;
  const wait = all.drained().then(() => { drained = true; });
  await settled();
  assert.equal(drained, false);
  all.pause(false);
  await wait;
  assert.deepEqual(sent, ['c', 'a', 'b']);
});

test('a broken socket ends the pause', () => {
  const {all} = requests();
  all.open('open');
  all.pause(true);
  all.shut();
  assert.equal(all.paused, false);
});

test('rate_limited: all wait, what was refused goes first, then at the rate of the hub', async () => {
  const {clock, sent, failed, all, limited} = requests();
  all.open('open');
  for (const id of ['a', 'b', 'c']) all.tell(frame(id));
  assert.ok(limited('c'));
  assert.ok(limited('b'));
  assert.equal(all.tell(frame('d')), false);
  await clock.advance(999);
  assert.deepEqual(sent.splice(0), ['a', 'b', 'c']);
  await clock.advance(1);
  assert.deepEqual(sent, ['b']);
  await clock.advance(100);
  assert.deepEqual(sent, ['b', 'c']);
  await clock.advance(100);
  assert.deepEqual(sent, ['b', 'c', 'd']);
  await clock.advance(100);
  assert.ok(all.tell(frame('e')));
  assert.ok(all.tell(frame('f')));  // the queue was empty: at full speed again
  assert.deepEqual(failed, []);
});

test('rate_limited is given up after ten tries, or where the wait is longer than the caller\'s', async () => {
  const {clock, sent, failed, all, limited} = requests();
  all.open('open');
  all.tell(frame('a'));
  while (limited('a') && !failed.length) await clock.advance(1000);
  assert.deepEqual(failed, ['rate_limited']);
  assert.equal(sent.length, 11);
  await clock.advance(100);
  const answer = rejectsWith(all.ask(frame('b')), 'rate_limited', true);
  limited('b', 60);
  await answer;
});

test('what the hub says against a tell is an error', () => {
  const {failed, all} = requests();
  all.open('open');
  all.tell(frame('a'));
  all.answer({type: 'hub:error', correlationId: 'a', payload: {code: 'message_expired', message: 'late'}});
  assert.deepEqual(failed, ['message_expired']);
});

test('an end rejects all that waits', async () => {
  const {clock, all} = requests();
  const end = new Error('over');
  const answers = [all.ask(frame('a')), all.drained()];
  all.end(end);
  for (const answer of answers) await assert.rejects(answer, end);
  assert.deepEqual(clock.delays, []);
});
