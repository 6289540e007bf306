// What goes from one object to another beside clones, and what is refused with which words. Which kinds of values
// Workers pass is tried by tests/apps/projects/rpc-values.
import assert from 'node:assert/strict';
import test from 'node:test';

import {RpcTarget} from './cloudflare_workers.mjs';
import {DurableObjectNamespace} from './namespaces/namespace.mjs';
import {pack, unpack} from './namespaces/packing.mjs';
import {describe, revive, setCompatibility} from './namespaces/remote_errors.mjs';
import {fromBytes, toBytes} from './objects/structured.mjs';
import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

async function passed(value) {
  const {boxed, value: packed} = await pack(value, 'what is passed');
  return unpack({boxed, value: fromBytes(toBytes(packed, 'what is passed'))});
}

test('values without anything special are not copied on the way', async () => {
  const value = {deep: [new Map([[1, new Set([new Date(1)])]])], bytes: new Uint8Array(3)};
  assert.deepEqual(await pack(value, 'it'), {value, boxed: false});
  assert.equal((await pack(value, 'it')).value, value);
});

test('what is inside of others comes out as it went in, in circles too', async () => {
  const value = {
    headers: new Headers({a: 'b'}), list: [1, , new Map([['x', new Response('body')]])], 'dormouse:box': 'mine',
  };
  value.itself = value;
  value.again = value.headers;
  value.wrong = {'dormouse:box': 'stream', body: null};
  Object.defineProperty(value, '__proto__', {value: 1, enumerable: true});
  const out = await passed(value);
  assert.equal(out.headers.get('a'), 'b');
  assert.equal(out.itself, out);
  assert.equal(out.again, out.headers);
  assert.equal(await out.list[2].get('x').text(), 'body');
  assert.ok(!(1 in out.list));
  assert.equal(out['dormouse:box'], 'mine');
  assert.deepEqual(out.wrong, {'dormouse:box': 'stream', body: null});
  assert.ok(Object.hasOwn(out, '__proto__'));
  const blob = await passed([new Blob(['x', 'y'], {type: 'text/plain'})]);
  assert.deepEqual([await blob[0].text(), blob[0].type], ['xy', 'text/plain']);
});

test('what Cloudflare would let others call back is refused, and said to be', async () => {
  class Session extends RpcTarget {}
  const stub = new DurableObjectNamespace('Room', () => {}).getByName('a');
  for (const [value, words] of [
    [() => 0, /^an argument: functions, which others could call back, cannot be passed here\.$/],
    [{deep: [() => 0]}, /functions/], [class {}, /functions/],
    [new Session(), /^an argument: an RpcTarget, which others could call back, cannot be passed here\.$/],
    [[stub], /^an argument: a stub cannot be passed here\.$/],
    [new WritableStream(), /an object of class WritableStream cannot be passed\.$/],
    [new (class Point {})(), /an object of class Point cannot be passed\.$/],
    [Object.create(null), /an object without a prototype cannot be passed\.$/],
    [{a: Symbol('x')}, /symbols/],
  ]) {
    await assert.rejects(pack(value, 'an argument'), (error) => error instanceof DOMException &&
      error.name === 'DataCloneError' && words.test(error.message) || assert.fail(`${error}`));
  }
});

test('errors, before and since a compatibility date', async () => {
  const error = Object.assign(new RangeError('words', {cause: 'because'}), {code: 7});
  const own = Object.assign(new Error('words'), {name: 'Own', call: () => 0});
  const came = (one) => {
    const {name, message, code, remote} = revive(fromBytes(toBytes(describe(one), 'it')));
    return [name, message, code, remote];
  };
  assert.deepEqual(came(error), ['RangeError', 'words', undefined, true]);
  assert.deepEqual(came(own), ['Error', 'Own: words', undefined, true]);
  assert.equal((await passed([error]))[0].code, undefined);
  try {
    setCompatibility('2026-04-21', []);
    assert.deepEqual(came(error), ['RangeError', 'words', 7, true]);
    assert.deepEqual(came(own), ['Own', 'words', undefined, true]);
    const [copy] = await passed([error]);
    assert.deepEqual([copy.code, copy.cause, copy.remote], [7, 'because', undefined]);
    setCompatibility('2026-04-21', ['legacy_error_serialization']);
    assert.equal(came(error)[2], undefined);
    setCompatibility('2025-01-01', ['enhanced_error_serialization']);
    assert.equal(came(error)[2], 7);
  } finally {
    setCompatibility('', []);
  }
  const aborted = revive(describe(new DOMException('words', 'AbortError')));
  assert.ok(aborted instanceof DOMException);
  assert.deepEqual([aborted.name, aborted.message, aborted.remote], ['AbortError', 'words', true]);
});

test('a service of the project itself passes the same', async (context) => {
  const keeper = await FakeStatekeeper.start({
    source: `
      import {WorkerEntrypoint} from 'cloudflare:workers';
      export class Inner extends WorkerEntrypoint {
        async take({headers}) { return {answer: new Response(headers.get('a'))}; }
      }
      export default {
        async fetch(request, env) {
          const {answer} = await env.INNER.take({headers: new Headers({a: 'b'})});
          const refused = [];
          for (const value of [() => 0, env.INNER]) {
            await env.INNER.take(value).catch((error) => refused.push(error.message));
          }
          return Response.json([await answer.text(), ...refused]);
        },
      };
    `,
    manifest: {bindings: {services: [{name: 'INNER', entrypoint: 'Inner'}]}},
  });
  context.after(() => keeper.stop());
  assert.deepEqual(JSON.parse((await keeper.http('/')).text), [
    'b', 'an argument of take(): functions, which others could call back, cannot be passed here.',
    'an argument of take(): a service cannot be passed here.']);
});
