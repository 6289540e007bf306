// Calls of backends: JSON both ways, answered by the object's methods.
import assert from 'node:assert/strict';
import test from 'node:test';

import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Box extends DurableObject {
  async add(key, number) {
    const sum = ((await this.ctx.storage.get(key)) ?? 0) + number;
    this.ctx.storage.put(key, sum);
    return {sum};
  }
  nothing() {}
  throws() { throw new RangeError('too far'); }
  throwsText() { throw 'text'; }
}
export default {
  async fetch(request, env) {
    await env.BOXES.getByName('a').nothing();
    return new Response('');
  },
};
`;
const MANIFEST = {bindings: {durable_objects: [{name: 'BOXES', class_name: 'Box'}]}};

async function start(context) {
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: MANIFEST});
  context.after(() => keeper.stop());
  await keeper.http('/');
  const [hub] = keeper.hubs('Box');
  const ask = async (payload) =>
    JSON.parse(await hub.request(Buffer.from(typeof payload === 'string' ? payload : JSON.stringify(payload))));
  return {keeper, hub, ask};
}

test('a method is called, and its answer is durable with what it has written', async (context) => {
  const {keeper, hub, ask} = await start(context);
  assert.deepEqual(await ask({method: 'add', args: ['x', 2]}), {value: {sum: 2}});
  keeper.sleep(hub);
  assert.deepEqual(await ask({method: 'add', args: ['x', 3]}), {value: {sum: 5}});
  assert.deepEqual(await ask({method: 'nothing'}), {value: null});
});

test('what goes wrong is said as JSON, and costs the object nothing', async (context) => {
  const {hub, ask} = await start(context);
  assert.deepEqual(await ask({method: 'throws'}), {error: {type: 'RangeError', message: 'too far'}});
  assert.deepEqual(await ask({method: 'throwsText'}), {error: {type: 'string', message: 'text'}});
  for (const [payload, words] of [
    ['{"method":', /JSON/], ['"a text of some length"', /"method"/], ['{"method":1}', /"method"/],
    ['{"method":"add","args":{}}', /array/], ['{"method":"fetch","args":[]}', /reserved/],
    ['{"method":"missing","args":[]}', /missing/], ['[]', /"method"/], ['1', /"method"/],
  ]) {
    const {error} = await ask(payload);
    assert.match(error.message, words);
  }
  assert.equal(hub.busy, false);
  assert.deepEqual(await ask({method: 'add', args: ['y', 1]}), {value: {sum: 1}});
});

test('who leaves name: out is told, before there is an object that nobody else finds', async (context) => {
  const {keeper} = await start(context);
  const answer = await keeper.hub('Box', 'a').request(Buffer.from('{"method":"add","args":["x",1]}'));
  const {error} = JSON.parse(answer);
  assert.match(error.message, /^a is no id of a Box\..* say Box\/name:a$/);
});
