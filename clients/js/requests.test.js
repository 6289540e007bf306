import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Requests} from './requests.js';
import {ManualClock, settled} from './testing/manual_clock.js';

function requests({queueLimit = 10} = {}) {
  const clock = new ManualClock();
  const sent = [];
  const failed = [];
  const told = [];
  const all = new Requests({
    clock, queueLimit, timeout: 1000, failed: (error) => failed.push(error.code), backlog: (status) => told.push(status),
    transmit: ({id}) => sent.push(id) > 0,
  });
  const limited = (id, retryAfter = 1) => all.answer({type: 'hub:error', correlationId: id, payload: {
    code: 'rate_limited', message: 'slower', details: {retryAfter, limit: 10},
  }});
  return {clock, sent, failed, told, all, limited};
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
  assert.equal(all.tell(frame('f')), false);  // the connection keeps to the rate
  await clock.advance(100);
  assert.deepEqual(sent, ['b', 'c', 'd', 'e', 'f']);
  await clock.advance(500);
  for (const id of ['g', 'h', 'i']) assert.ok(all.tell(frame(id)));  // but for what a silence has saved up
  assert.deepEqual(failed, []);
});

test('rate_limited: the hub may say in milliseconds when there is room', async () => {
  const {clock, sent, all} = requests();
  all.open('open');
  all.tell(frame('a'));
  all.answer({type: 'hub:error', correlationId: 'a', payload: {
    code: 'rate_limited', message: 'slower', details: {retryAfter: 1, retryAfterMs: 40, limit: 10},
  }});
  await clock.advance(39);
  assert.deepEqual(sent, ['a']);
  await clock.advance(1);
  assert.deepEqual(sent, ['a', 'a']);
});

test('another limit holds the queue, and sets no rate', async () => {
  const {clock, sent, all} = requests();
  all.open('open');
  all.tell(frame('a'));
  all.answer({type: 'hub:error', correlationId: 'a', payload: {
    code: 'rate_limited', message: 'full', details: {limit: 1, code: 'MAILBOX_FULL'},
  }});
  all.tell(frame('b'));
  assert.deepEqual(sent, ['a']);
  await clock.advance(1000);
  assert.deepEqual(sent, ['a', 'a', 'b']);
});

test('a new connection knows no rate', async () => {
  const {sent, all, limited} = requests();
  all.open('open');
  all.tell(frame('a'));
  limited('a', 60);
  all.shut();
  all.open('open');
  assert.ok(all.tell(frame('b')));
  assert.deepEqual(sent, ['a', 'a', 'b']);
});

test('of frames of which the latest counts only that one waits, in the place of the first', async () => {
  const {clock, sent, failed, all, limited} = requests();
  all.open('open');
  all.tell(frame('a'));
  limited('a');
  all.tell(frame('1'), {latest: 'cursor'});
  const superseded = all.ask(frame('2'), {latest: 'cursor', message: true});
  all.tell(frame('b'));
  const asked = all.ask(frame('3'), {latest: 'cursor', message: true, timeout: 5000});
  all.tell(frame('other'), {latest: 'other'});
  assert.equal(await superseded, null);
  assert.equal(all.queued, 4);
  await clock.advance(2000);
  assert.deepEqual(sent, ['a', 'a', '3', 'b', 'other']);
  all.answer(reply('3'));
  assert.equal((await asked).type, 'y');
  assert.deepEqual(failed, []);
});

test('a refused frame is not sent again where a later one has taken its place', async () => {
  const {clock, sent, all, limited} = requests();
  all.open('open');
  const first = all.ask(frame('1'), {latest: 'cursor', message: true});
  all.tell(frame('a'));
  limited('a');
  all.tell(frame('2'), {latest: 'cursor'});
  limited('1');
  assert.equal(await first, null);
  await clock.advance(2000);
  assert.deepEqual(sent, ['1', 'a', 'a', '2']);
});

test('thirty a second at a limit of ten: what counts is there within a tenth of a second, and the queue stays short', async () => {
  const {clock, all} = requests();
  const sentAt = [];
  all.open('open');
  all.tell(frame('a'));
  all.answer({type: 'hub:error', correlationId: 'a', payload: {code: 'rate_limited', details: {limit: 10}}});
  await clock.advance(1000);
  for (let i = 0; i < 90; ++i) {
    const at = clock.now();
    all.ask(frame(`c${i}`), {latest: 'cursor', message: true, timeout: 60000}).then(
      (answer) => { if (answer) sentAt.push(clock.now() - at); });
    assert.ok(all.queued <= 1);
    await clock.advance(33);
    for (let j = 0; j <= i; ++j) all.answer(reply(`c${j}`));
    await settled();
  }
  assert.ok(sentAt.length >= 28 && sentAt.length <= 31, `${sentAt.length}`);
  assert.ok(Math.max(...sentAt) <= 134, `${Math.max(...sentAt)}`);
});

test('who has messages that wait is told, again when they are twice as many, and when none waits', async () => {
  const {clock, told, all, limited} = requests({queueLimit: 100});
  all.open('open');
  all.tell(frame('a'));
  limited('a');
  await clock.advance(499);
  assert.deepEqual(told, []);
  await clock.advance(1);
  assert.deepEqual(told.splice(0), [{waiting: 1, delay: 500, reason: 'rate'}]);
  all.tell(frame('b'));
  all.tell(frame('c'));
  assert.deepEqual(told.splice(0), [{waiting: 2, delay: 500, reason: 'rate'}]);
  assert.deepEqual(all.backlog, {waiting: 3, delay: 500, reason: 'rate'});
  await clock.advance(1000);
  assert.deepEqual(told, [{waiting: 0, delay: 0, reason: null}]);
  assert.deepEqual(all.backlog, {waiting: 0, delay: 0, reason: null});
});

test('a backlog says what it waits for', async () => {
  const {clock, told, all} = requests();
  all.tell(frame('a'));
  await clock.advance(500);
  all.open('open');
  all.pause(true);
  all.tell(frame('b'));
  await clock.advance(500);
  assert.deepEqual(told.map(({waiting, reason}) => [waiting, reason]), [[1, 'connection'], [0, null], [1, 'pause']]);
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

test('whether it was sent is said when its time is up', async () => {
  const {clock, all, limited} = requests();
  const late = async (settings, message, sent, act = () => {}) => {
    const answer = assert.rejects(all.ask(frame('a'), {timeout: 50, message: true, ...settings}), (error) => {
      assert.deepEqual([error.code, error.message, error.details.sent], ['timeout', message, sent]);
      return true;
    });
    act();
    await clock.advance(50);
    await answer;
  };
  await late({}, 'Not sent: x waited 50 ms for a connection.', false);
  all.open('open');
  await late({}, 'No answer to x within 50 ms.', undefined);
  await late({idempotent: true}, 'No answer to x within 50 ms.', undefined, () => all.shut());
  all.open('open');
  all.pause(true);
  await late({}, 'Not sent: x waited 50 ms for the end of a pause that the hub asked for.', false);
  all.pause(false);
  all.ask(frame('b')).catch(() => {});
  limited('b', 1);
  await late({}, 'Not sent: x waited 50 ms for its turn at the rate limit.', false);
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
