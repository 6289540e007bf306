// Facets: objects within an object (ctx.facets).
import assert from 'node:assert/strict';
import test from 'node:test';

import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Box extends DurableObject {
  run(source, ...args) {
    return new Function('box', 'storage', 'ctx', 'env', 'args', 'return (async () => {' + source + '})()')(
      this, this.ctx.storage, this.ctx, this.env, args);
  }
}

let built = 0;
export class Inner extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.number = ++built;
  }
  run(source, ...args) {
    return new Function('inner', 'storage', 'ctx', 'args', 'return (async () => {' + source + '})()')(
      this, this.ctx.storage, this.ctx, args);
  }
  async increment() {
    const count = (await this.ctx.storage.get('count') ?? 0) + 1;
    await this.ctx.storage.put('count', count);
    return count;
  }
  alarm() {}
  dormouseTimer() {}
  async fails() { throw new RangeError('in the facet'); }
  get large() { return 'x'.repeat(100); }
  async fetch(request) {
    if (request.headers.get('upgrade')) {
      const {0: client, 1: server} = new WebSocketPair();
      if (request.url.endsWith('hibernate')) this.ctx.acceptWebSocket(server);
      server.accept();
      server.addEventListener('message', ({data}) => server.send('inner ' + data));
      return new Response(null, {status: 101, webSocket: client});
    }
    return new Response(request.method + ' ' + new URL(request.url).pathname + ' ' + await request.text());
  }
}

export default {
  async fetch(request, env) {
    const stub = env.BOXES.getByName('a');
    const {source, args} = await request.json();
    try {
      return Response.json({value: await stub.run(source, ...args)});
    } catch (error) {
      return Response.json({name: error.name, error: error.message});
    }
  },
};
`;
const MANIFEST = {bindings: {durable_objects: [{name: 'BOXES', class_name: 'Box'}]}};
const GET = "const get = (name, id) => ctx.facets.get(name, () => ({class: ctx.exports.Inner, id}));";

async function start(context, options = {}) {
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: MANIFEST, ...options});
  context.after(() => keeper.stop());
  const run = async (source, ...args) => {
    const answer = await keeper.http('/', {method: 'POST', body: JSON.stringify({source: GET + source, args})});
    const {value, error, name} = JSON.parse(answer.text);
    if (error !== undefined) throw Object.assign(new Error(error), {name});
    return value;
  };
  return {keeper, run, hub: () => keeper.hubs('Box')[0]};
}

const own = (hub) => [...hub().rows.keys()].filter((key) => !key.startsWith('z:') && !key.startsWith('m:'));
const facets = (hub) => [...hub().rows.keys()].filter((key) => key.startsWith('z:'));

for (const largestWake of [Infinity, 0]) {
  test(`each has a storage of its own, which stays when ${largestWake} rows come with a wake`, async (context) => {
    const {keeper, run, hub} = await start(context, {largestWake, largestRead: 3});
    assert.deepEqual(await run(`
      await storage.put('count', 'mine');
      const one = get('one');
      const all = [await one.increment(), await one.increment(), await get('one').increment(), await get('two').increment()];
      return [...all, await storage.get('count'), [...(await storage.list()).keys()]]`), [1, 2, 3, 1, 'mine', ['count']]);
    assert.deepEqual(own(hub), ['k:count']);
    assert.equal(keeper.sleep(hub()), true);
    assert.deepEqual(await run(`
      const one = get('one');
      return [await one.increment(), await one.run(\`
        for (let at = 0; at < 9; at++) storage.kv.put('k' + at, at);
        return [[...(await storage.list()).keys()], [...storage.kv.list({prefix: 'k', limit: 2})], storage.kv.get('k7')]\`)]`),
    [4, [['count', 'k0', 'k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8'], [['k0', 0], ['k1', 1]], 7]]);
  });
}

test('they have names, ids and props of their own, and their object\'s where none are given', async (context) => {
  const {run} = await start(context);
  assert.deepEqual(await run(`
    const id = (stub) => stub.run('return [String(ctx.id), ctx.props]');
    const props = ctx.facets.get('props', async () => ({class: ctx.exports.Inner({props: {a: 1}})}));
    return [(await id(get('one', 'abc')))[0], (await id(get('two')))[0] === ctx.id.toString(), (await id(props))[1],
            await get('one').run("return inner.number"), await get('one').large]`),
  ['abc', true, {a: 1}, 1, 'x'.repeat(100)]);
});

test('a facet begins once, and again when it was ended; its storage stays unless it is deleted', async (context) => {
  const {run, hub} = await start(context);
  assert.deepEqual(await run(`
    const asked = [];
    const counted = () => ctx.facets.get('one', () => { asked.push(1); return {class: ctx.exports.Inner}; });
    const one = counted();
    const idle = asked.length;
    await Promise.all([one.increment(), counted().increment()]);
    ctx.facets.abort('one', new TypeError('enough'));
    const said = await one.increment().catch((error) => [error.name, error.message, error.remote]);
    const again = await counted().increment();
    ctx.facets.delete('one');
    ctx.facets.delete('never there');
    return [idle, said, again, await counted().increment(), asked.length]`),
  [0, ['TypeError', 'enough', true], 3, 1, 3]);
  await run("ctx.facets.delete('one'); return 0");
  assert.deepEqual(facets(hub), []);
});

test('what is under way in one that is ended fails, and so does what waits', async (context) => {
  const {run, hub} = await start(context);
  assert.deepEqual(await run(`
    const one = get('one');
    const calls = [one.run('await new Promise(() => {})'), one.run('await ctx.blockConcurrencyWhile(() => new Promise(() => {}))'),
      one.increment()];
    await scheduler.wait(10);
    ctx.facets.abort('one', new Error('enough'));
    return (await Promise.allSettled(calls)).map(({reason}) => reason.message)`), ['enough', 'enough', 'enough']);
  assert.equal(hub().held, false);
  assert.deepEqual(await run(`
    return [await get('one').run("ctx.abort('by itself')").catch((error) => error.message), await get('one').increment()]`),
  ['by itself', 1]);
});

test('errors, and what cannot be passed, are the caller\'s', async (context) => {
  const {run} = await start(context);
  await assert.rejects(run('await get("one").fails()'), {name: 'RangeError', message: /in the facet/});
  await assert.rejects(run('await get("one").nothing()'), /does not implement the method "nothing"/);
  await assert.rejects(run('await get("one").run("", () => 0)'), /functions/);
  await assert.rejects(run('await ctx.facets.get("x", () => ({class: "Inner"})).increment()'), /ctx.exports.NAME/);
  await assert.rejects(run('await ctx.facets.get("x", () => { throw new Error("no options"); }).increment()'), /no options/);
  await assert.rejects(run('ctx.facets.get("x".repeat(257), () => 0)'), /Facet name is too long/);
  await assert.rejects(run('ctx.facets.get("x")'), /a name and a function/);
  await assert.rejects(run('await get("one").run("await storage.setAlarm(Date.now() + 1000)")'), /cannot set alarms/);
  await assert.rejects(run('await get("one").run("ctx.dormouse.timers.set(\'a\', 1)")'), /no timers/);
  assert.deepEqual(await run('return [await get("one").run("return storage.getAlarm()"), await get("one").increment()]'), [null, 1]);
});

test('within each other they reach three deep, and go with the one that they are in', async (context) => {
  const {run, hub} = await start(context);
  const deep = (levels) => `
    const deeper = (left) => left === 0 ? "return inner.increment()" :
      "return ctx.facets.get('in', () => ({class: ctx.exports.Inner})).run(args[0][0], args[0].slice(1))";
    return get('one').run(deeper(${levels}), [...Array.from({length: ${levels}}, (_, at) => deeper(${levels} - 1 - at))])`;
  assert.equal(await run(deep(2)), 1);
  assert.equal(await run(deep(2)), 2);
  await assert.rejects(run(deep(3)), /nesting depth limit exceeded/);
  assert.ok(facets(hub).length > 0);
  await run("ctx.facets.delete('one'); return 0");
  assert.deepEqual(facets(hub), []);
  await run(`await get('one').increment(); await storage.put('a', 1); await storage.deleteAll()`);
  assert.deepEqual([facets(hub), own(hub)], [[], []]);
  assert.equal(await run("return get('one').increment()"), 1);
});

test('SQL and transactions are each one\'s own', async (context) => {
  const {keeper, run, hub} = await start(context);
  const rows = "return storage.sql.exec('SELECT n FROM t').toArray().map(({n}) => n)";
  assert.deepEqual(await run(`
    storage.sql.exec('CREATE TABLE t (n); INSERT INTO t VALUES (1)');
    const one = get('one');
    await one.run("storage.sql.exec('CREATE TABLE t (n); INSERT INTO t VALUES (10)')");
    await storage.transaction(async (transaction) => {
      storage.sql.exec('INSERT INTO t VALUES (2)');
      await storage.put('undone', 1);
      await one.run("storage.sql.exec('INSERT INTO t VALUES (11)'); await storage.put('stays', 1)");
      transaction.rollback();
    });
    await one.run(\`
      try {
        storage.transactionSync(() => { storage.sql.exec('INSERT INTO t VALUES (12)'); storage.kv.put('stays', 2); throw 1; });
      } catch {}\`);
    return [await one.run(\`${rows}\`), storage.sql.exec('SELECT n FROM t').toArray().length, await one.run("return storage.get('stays')"),
      await storage.get('undone') === undefined]`), [[10, 11], 1, 1, true]);
  assert.equal(keeper.sleep(hub()), true);
  assert.deepEqual(await run(`return get('one').run(\`${rows}\`)`), [10, 11]);
});

test('what a facet has written is durable before its object answers', async (context) => {
  const {run, hub} = await start(context);
  await run('return 0');
  hub().pause();
  let answered = false;
  const asking = run("return get('one').increment()").then((value) => {
    answered = true;
    return value;
  });
  while (facets(hub).length === 0) await new Promise((resolve) => setImmediate(resolve));
  await new Promise((resolve) => { setTimeout(resolve, 20); });
  assert.equal(answered, false);
  hub().resume();
  assert.equal(await asking, 1);
});

test('requests, and sockets that the facet listens to itself', async (context) => {
  const {run} = await start(context);
  assert.deepEqual(await run(`
    const one = get('one');
    const response = await one.fetch('/path', {method: 'POST', body: 'body'});
    const upgrade = (path) => one.fetch('http://x/' + path, {headers: {upgrade: 'websocket'}});
    const {webSocket} = await upgrade('');
    webSocket.accept();
    const heard = new Promise((resolve) => webSocket.addEventListener('message', ({data}) => resolve(data)));
    webSocket.send('hello');
    const refused = await upgrade('hibernate').catch((error) => error.message);
    return [await response.text(), await heard, refused]`),
  ['POST /path body', 'inner hello',
    'A facet keeps no WebSockets that outlive it: let the object that it belongs to accept them.']);
});
