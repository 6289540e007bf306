// Storage, alarms, timers and gates of objects.
import assert from 'node:assert/strict';
import http from 'node:http';
import test from 'node:test';
import {deserialize, serialize} from 'node:v8';

import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Box extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.order = ['constructor'];
    ctx.blockConcurrencyWhile(async () => {
      this.order.push('block');
      this.start = await ctx.storage.get('start');
      await new Promise((resolve) => setTimeout(resolve, 5));
      this.order.push('blocked');
    });
  }
  run(source, ...args) {
    return new Function('box', 'storage', 'ctx', 'env', 'args', 'return (async () => {' + source + '})()')(
      this, this.ctx.storage, this.ctx, this.env, args);
  }
  async whoAmI() { return [this.ctx.id.toString(), this.ctx.id.name]; }
  dormouseTimer(name, info) {
    return this.onTimer ? this.onTimer(name, info) : this.ctx.storage.put('rang ' + name, info);
  }
  alarm(info) { return this.onAlarm ? this.onAlarm(info) : this.ctx.storage.put('alarmed', info); }
}

export class Broken extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.blockConcurrencyWhile(async () => {
      await null;
      if (!await ctx.storage.get('well')) {
        await ctx.storage.put('well', true);
        throw new Error('not yet');
      }
    });
  }
  async hello() { return 'hello'; }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const namespace = env[url.pathname.split('/')[1]];
    const {method, args} = await request.json();
    try {
      return Response.json({value: await namespace.getByName(url.pathname.split('/')[2])[method](...args)});
    } catch (error) {
      return Response.json({name: error.name, error: error.message, remote: error.remote, code: error.code});
    }
  },
};
`;
const MANIFEST = {bindings: {durable_objects: [
  {name: 'BOXES', class_name: 'Box'}, {name: 'BROKEN', class_name: 'Broken'},
]}};

async function start(context, options = {}) {
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: MANIFEST, ...options});
  context.after(() => keeper.stop());
  const call = async (place, method, ...args) => {
    const answer = await keeper.http(`/${place}`, {method: 'POST', body: JSON.stringify({method, args})});
    const {value, error, ...rest} = JSON.parse(answer.text);
    if (error !== undefined) throw Object.assign(new Error(error), rest);
    return value;
  };
  const run = (source, ...args) => call('BOXES/a', 'run', source, ...args);
  return {keeper, call, run, hub: () => keeper.hubs('Box')[0]};
}

test('values are cloned by structure, and outlive the object', async (context) => {
  const {keeper, run, hub} = await start(context);
  await run(`
    const cycle = {list: [1, 2]};
    cycle.self = cycle;
    await storage.put({map: new Map([[1, new Set(['a'])]]), date: new Date(7), big: 2n ** 70n, bytes: new Uint8Array([1]),
                       cycle, error: new RangeError('out')});
    const one = await storage.get('map');
    one.clear();
    return 0;`);
  keeper.sleep(hub());
  assert.deepEqual(await run(`
    const all = await storage.get(['map', 'date', 'big', 'bytes', 'cycle', 'error', 'nothing']);
    const cycle = all.get('cycle');
    return [[...all.keys()], [...all.get('map').get(1)], all.get('date').getTime(), String(all.get('big')),
            all.get('bytes')[0], cycle.self === cycle, all.get('error') instanceof RangeError,
            await storage.get('nothing') === undefined];`),
  [['big', 'bytes', 'cycle', 'date', 'error', 'map'], ['a'], 7, String(2n ** 70n), 1, true, true, true]);
});

const FRUIT = `
  for (const key of ['a', 'a1', 'a2', 'b', 'b\\u0000', 'b\\u0001x', 'c', '\\uFFFD', '\\u{1F600}', 'é']) {
    storage.put(key, key);
  }`;
const LISTS = `
  const keys = async (options) => [...(await storage.list(options)).keys()];
  return [
    await keys(), await keys({prefix: 'a'}), await keys({start: 'a1', end: 'c'}), await keys({startAfter: 'a1', limit: 2}),
    await keys({reverse: true, limit: 3}), await keys({prefix: 'a', reverse: true, limit: 2}),
    await keys({prefix: 'a', start: 'b'}), await keys({end: 'a'}), await keys({start: 'b', end: 'a'}),
    await keys({prefix: 'b', startAfter: 'b'}),
  ];`;
const LISTED = [
  ['a', 'a1', 'a2', 'b', 'b\0', 'b\x01x', 'c', 'é', '\uFFFD', '\u{1F600}'], ['a', 'a1', 'a2'],
  ['a1', 'a2', 'b', 'b\0', 'b\x01x'], ['a2', 'b'], ['\u{1F600}', '\uFFFD', 'é'], ['a2', 'a1'], [], [], [],
  ['b\0', 'b\x01x'],
];

test('lists are in the order of bytes', async (context) => {
  const {run} = await start(context);
  assert.deepEqual(await run(FRUIT + LISTS), LISTED);
});

for (const [largestWake, largestRead] of [[0, 1], [2, 2], [5, 3], [0, 100]]) {
  test(`lists when ${largestWake} rows come with the wake and ${largestRead} with a read`, async (context) => {
    const {keeper, run, hub} = await start(context, {largestWake, largestRead});
    await run(FRUIT);
    assert.ok(keeper.sleep(hub()));
    assert.deepEqual(await run(LISTS), LISTED);
    keeper.sleep(hub());
    assert.deepEqual(await run(`
      storage.delete('a1');
      storage.put('a11', 1);
      const all = [...(await storage.list({limit: 4})).keys()];
      return [all, (await storage.get(['a', 'a1', 'c'])).size, await storage.delete(['a', 'zz', 'c']),
              (await storage.list()).size];`), [['a', 'a11', 'a2', 'b'], 2, 2, 8]);
    await run('await storage.deleteAll(); return 0');
    keeper.sleep(hub());
    assert.equal(await run('return (await storage.list()).size'), 0);
  });
}

test('values that are larger than a row take several', async (context) => {
  const {keeper, run, hub} = await start(context, {largestWake: 2});
  await run(`
    await storage.put({small: 1, large: 'x'.repeat(400000), view: Buffer.from([1, 2]).subarray(1)});
    await storage.put('gone', 'y'.repeat(300000));
    await storage.delete('gone');`);
  assert.equal([...hub().rows.keys()].filter((key) => key.startsWith('c:')).length, 4);
  assert.ok([...hub().rows.values()].every((value) => value.length <= 128 * 1024));
  keeper.sleep(hub());
  assert.deepEqual(await run(`
    const all = await storage.list();
    return [(await storage.get('large')).length, [...all.keys()], all.get('large').length, all.get('view').buffer.byteLength]`),
  [400000, ['large', 'small', 'view'], 400000, 1]);
  keeper.sleep(hub());
  await run("await storage.put('large', 2)");
  assert.ok(![...hub().rows.keys()].some((key) => key.startsWith('c:')));
});

test('keys have up to 2,048 bytes, whatever they are', async (context) => {
  const {keeper, run, hub} = await start(context, {largestWake: 0});
  const keys = "['k'.repeat(2048), '\\0'.repeat(2048), 'ä'.repeat(1024)]";
  await run(`for (const key of ${keys}) await storage.put(key, key[0] + 'x'.repeat(300000)); return 0`);
  assert.ok([...hub().rows.keys()].every((key) => key.length <= 4608));
  keeper.sleep(hub());
  assert.deepEqual(await run(`
    const all = await storage.list();
    const same = [];
    for (const key of ${keys}) same.push((await storage.get(key))[0] === key[0] && all.get(key).length);
    return same`), [300001, 300001, 300001]);
  await assert.rejects(run("await storage.get('ä'.repeat(1024) + 'x')"),
    /Keys cannot be larger than 2048 bytes. A key of size 2049 was provided/);
});

test('what cannot be stored is refused with a sentence', async (context) => {
  const {run} = await start(context);
  await assert.rejects(run("await storage.put('a', 'x'.repeat(2.2e6))"), /Values cannot be larger than 2097152 bytes/);
  await assert.rejects(run("await storage.put('a', () => 0)"), /could not be cloned/);
  await assert.rejects(run("await storage.put('a', undefined)"), /undefined/);
  await assert.rejects(run("await storage.put('k'.repeat(3000), 1)"), /Keys cannot be larger/);
  await assert.rejects(run('await storage.list({limit: 0})'), /limit must be positive/);
  await assert.rejects(run("await storage.list({start: 'a', startAfter: 'a'})"), /both start and startAfter/);
  await assert.rejects(run('await storage.get(Array(129).fill("a"))'), /128/);
});

test('increments of concurrent events count behind the gate, read from afar', async (context) => {
  const {keeper, run, hub} = await start(context, {largestWake: 0});
  await run("await storage.put('count', 0)");
  keeper.sleep(hub());
  await Promise.all(Array.from({length: 20}, () => run(`
    const count = await storage.get('count');
    await storage.put('count', count + 1);`)));
  assert.equal(await run("return await storage.get('count')"), 20);
});

test('work that nobody awaits keeps others out while it awaits storage', async (context) => {
  const {run} = await start(context);
  await run(`
    await storage.put('count', 0);
    box.increment = async () => {
      for (let i = 0; i < 5; i++) await storage.get('count');
      storage.put('count', await storage.get('count') + 1);
    };`);
  await Promise.all(Array.from({length: 20}, () => run('box.increment(); return 0')));
  assert.equal(await run("return await storage.get('count')"), 20);
});

test('events get in while another one awaits what is no storage', async (context) => {
  const {run} = await start(context);
  const first = run('return await new Promise((resolve) => { box.resolve = resolve; })');
  const second = run("while (!box.resolve) await scheduler.wait(1); box.resolve('let go'); return 'second'");
  assert.equal(await second, 'second');
  assert.equal(await first, 'let go');
});

test('blockConcurrencyWhile keeps events and timers out, from the constructor on', async (context) => {
  const {run} = await start(context);
  assert.deepEqual(await run('return box.order'), ['constructor', 'block', 'blocked']);
  await run('box.order.length = 0; setTimeout(() => box.order.push("timer"), 1); return 0');
  const blocking = run(`
    return await ctx.blockConcurrencyWhile(async () => {
      box.order.push('in');
      await scheduler.wait(20);
      await ctx.blockConcurrencyWhile(async () => { await scheduler.wait(5); box.order.push('inner'); });
      box.order.push('out');
      return 'value';
    });`);
  const other = run('box.order.push("event"); return 0');
  assert.equal(await blocking, 'value');
  await other;
  const order = await run('return box.order');
  const inside = order.slice(order.indexOf('in'), order.indexOf('out') + 1);
  assert.deepEqual(inside, ['in', 'inner', 'out']);
  assert.ok(order.includes('timer') && order.includes('event'));
});

test('a constructor that fails is run again for the next event', async (context) => {
  const {call} = await start(context);
  await assert.rejects(call('BROKEN/a', 'hello'), /not yet/);
  assert.equal(await call('BROKEN/a', 'hello'), 'hello');
});

test('abort ends what is under way and begins anew', async (context) => {
  const {run} = await start(context);
  await run("box.mark = 1; await storage.put('kept', 1)");
  const waiting = assert.rejects(run('await new Promise(() => {})'), /enough/);
  await assert.rejects(run("ctx.abort(new Error('enough'))"), /enough/);
  await waiting;
  assert.deepEqual(await run("return [box.mark === undefined, await storage.get('kept')]"), [true, 1]);
});

test('writes without an await in between are one turn', async (context) => {
  const {run, hub} = await start(context);
  await run('return 0');
  const before = hub().turns.length;
  await run(`
    storage.put('a', 1);
    storage.put('b', 2);
    storage.delete('a');
    await scheduler.wait(1);
    storage.put('c', 3);`);
  const writes = hub().turns.slice(before).map((turn) => turn.effects.filter(({put, delete: key}) => put || key).length);
  assert.deepEqual(writes.filter((count) => count > 0), [3, 1]);
});

test('a transaction counts wholly or not', async (context) => {
  const {keeper, run, hub} = await start(context);
  assert.deepEqual(await run(`
    await storage.put({a: 1, b: 1});
    const failed = await storage.transaction(async (txn) => {
      await txn.put('a', 2);
      await scheduler.wait(2);
      await txn.delete('b');
      throw new Error('no');
    }).catch((error) => error.message);
    await storage.transaction(async (txn) => { txn.put('c', 1); txn.rollback(); });
    const value = await storage.transaction(async (txn) => {
      await txn.put('d', 1);
      return await txn.get('d');
    });
    try {
      storage.transactionSync(() => { storage.kv.put('e', 1); throw 1; });
    } catch {}
    storage.transactionSync(() => storage.kv.put('f', 1));
    return [failed, value, [...await storage.list()]];`), ['no', 1, [['a', 1], ['b', 1], ['d', 1], ['f', 1]]]);
  keeper.sleep(hub());
  assert.equal(await run('return (await storage.list()).size'), 4);
});

test('storage.kv is the same rows at once', async (context) => {
  const {keeper, run, hub} = await start(context);
  await run("await storage.put('a', {x: 1}); storage.kv.put('b', 2)");
  keeper.sleep(hub());
  assert.deepEqual(await run(`
    return [storage.kv.get('a'), storage.kv.get('none') === undefined, [...storage.kv.list({prefix: 'b'})],
            storage.kv.delete('b'), storage.kv.delete('b'), await storage.get('b') === undefined];`),
  [{x: 1}, true, [['b', 2]], true, false, true]);
});

test('sync, fetch and calls wait for what was written', async (context) => {
  const {run, hub} = await start(context);
  let fetched = 0;
  const server = http.createServer((request, response) => {
    fetched++;
    response.end('there');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  context.after(() => server.close());
  const url = `http://127.0.0.1:${server.address().port}/`;
  await run('return 0');
  hub().pause();
  const waiting = run("storage.put('a', 1); return await (await fetch(args[0])).text()", url);
  const calls = hub().turns.length;
  await waitFor(() => fetched > 0 || (hub().turns.length > calls && hub().turns.at(-1).number));
  assert.equal(fetched, 0);
  hub().resume();
  assert.equal(await waiting, 'there');
  assert.equal(fetched, 1);
  assert.equal(await run("storage.put('a', 2, {allowUnconfirmed: true}); await storage.sync(); return 7"), 7);

  async function waitFor(condition) {
    while (!condition()) await new Promise((resolve) => setImmediate(resolve));
  }
});

test('alarms are set, fire and are tried again', async (context) => {
  const {run, hub} = await start(context);
  const due = Date.now() + 60_000;
  assert.deepEqual(await run('await storage.setAlarm(new Date(args[0])); return await storage.getAlarm()', due), due);
  assert.equal(hub().alarmMs, due);
  await run('await storage.deleteAlarm()');
  assert.equal(hub().alarmMs, 0);
  await run('await storage.setAlarm(args[0])', due);
  assert.equal(await hub().alarm(2), '');
  assert.deepEqual(await run("return [await storage.get('alarmed'), await storage.getAlarm()]"),
    [{retryCount: 2, isRetry: true}, null]);
  await run(`
    box.onAlarm = async () => {
      await storage.setAlarm(args[0]);
      await scheduler.wait(2);
      await storage.put('x', 1);
    };`, due + 5);
  const before = hub().turns.length;
  assert.equal(await hub().alarm(0), '');
  const alarmed = hub().turns.slice(before).filter((turn) => turn.effects.some(({alarmMs}) => alarmMs !== undefined));
  assert.deepEqual(alarmed.map((turn) => [turn.done, hub().alarmMs]), [[true, due + 5]]);
  await run("box.onAlarm = () => { throw new Error('again'); }");
  assert.match(await hub().alarm(0), /again/);
});

test('named timers are set, fire and are tried again, each by itself', async (context) => {
  const {keeper, run, hub} = await start(context);
  const due = Date.now() + 60_000;
  const timers = () => Object.fromEntries(hub().timers);
  await run(`
    const {timers} = ctx.dormouse;
    timers.set('one', new Date(args[0]));
    timers.set('two ä', args[0] + 1);
    timers.set('three', args[0] + 2);
    timers.delete('three');
    timers.delete('never set');
    return 0`, due);
  assert.deepEqual(timers(), {one: due, 'two ä': due + 1});
  keeper.drop(hub());
  const list = 'return [[...ctx.dormouse.timers.list()], ctx.dormouse.timers.get("one"), ctx.dormouse.timers.get("x")]';
  assert.deepEqual(await run(list), [[['one', due], ['two ä', due + 1]], due, null]);
  assert.equal(await hub().timer('two ä', 2), '');
  assert.deepEqual(await run("return [await storage.get('rang two ä'), [...ctx.dormouse.timers.list().keys()]]"),
    [{retryCount: 2, isRetry: true}, ['one']]);
  // What its own handler sets goes with the last turn; what it sets of others as all it does.
  await run(`
    box.onTimer = async (name) => {
      ctx.dormouse.timers.set(name, args[0]);
      ctx.dormouse.timers.set('other', args[0] + 1);
      await scheduler.wait(2);
      await storage.put('x', 1);
    }; return 0`, due + 5);
  const before = hub().turns.length;
  assert.equal(await hub().timer('one'), '');
  const said = hub().turns.slice(before).map((turn) => [turn.done ?? false, turn.effects.flatMap(({timer}) => timer?.name ?? [])]);
  assert.deepEqual(said.filter(([, names]) => names.length > 0), [[false, ['other']], [true, ['one']]]);
  assert.deepEqual(timers(), {one: due + 5, other: due + 6});
  // One that fails is set until it is given up.
  await run("box.onTimer = () => { throw new Error('again'); }; return 0");
  assert.match(await hub().timer('one'), /again/);
  assert.deepEqual((await run(list))[1], due + 5);
  assert.match(await hub().timer('one', 6), /again/);
  assert.deepEqual((await run(list))[1], null);
});

test('a transaction that is rolled back, and deleteAll, take timers with them', async (context) => {
  const {keeper, run, hub} = await start(context, {manifest: {...MANIFEST, compatibility_date: '2026-02-24'}});
  await run(`
    ctx.dormouse.timers.set('kept', 1e12);
    await storage.transaction(async (transaction) => {
      ctx.dormouse.timers.set('undone', 1e12);
      ctx.dormouse.timers.delete('kept');
      transaction.rollback();
    });
    return 0`);
  assert.deepEqual([...hub().timers], [['kept', 1e12]]);
  assert.deepEqual(await run('return [...ctx.dormouse.timers.list()]'), [['kept', 1e12]]);
  await run('await storage.deleteAll()');
  assert.deepEqual([...hub().timers], []);
  assert.equal(keeper.logs.length, 0);
});

test('timers that cannot be say why', async (context) => {
  const {keeper, run, hub} = await start(context);
  const wrong = async (call, error) => assert.rejects(run(`ctx.dormouse.timers.${call}; return 0`), error);
  await wrong('set("", 1)', /1 to 64 bytes; this one has 0/);
  await wrong('set("ä".repeat(33), 1)', /1 to 64 bytes; this one has 66/);
  await wrong('set(1, 1)', /a string, not number/);
  await wrong('set("a", "soon")', /milliseconds since 1970/);
  await wrong('set("\\ud800", 1)', /surrogate/);
  await run('for (let at = 0; at < 100; at++) ctx.dormouse.timers.set("t" + at, 1e12); return 0');
  await wrong('set("one more", 1)', /at most 100 timers/);
  await run('ctx.dormouse.timers.set("t7", 2e12); return 0');
  assert.equal(hub().timers.get('t7'), 2e12);
  keeper.maxTimers = 0;
  hub().timers.clear();
  keeper.drop(hub());
  await wrong('set("a", 1)', /upgrade it first/);
  await wrong('delete("")', /1 to 64 bytes/);
});

test('timers and waitUntil keep the object awake', async (context) => {
  const {keeper, run, hub} = await start(context);
  await run('box.timer = setTimeout(() => {}, 1e6); return 0');
  assert.equal(keeper.sleep(hub()), false);
  await run('clearTimeout(box.timer); return 0');
  assert.equal(hub().held, false);
  await run('ctx.waitUntil(new Promise((resolve) => { box.resolve = resolve; })); return 0');
  assert.equal(keeper.sleep(hub()), false);
  await run("box.resolve(); ctx.waitUntil(Promise.reject(new Error('in the background'))); return 0");
  await keeper.until(() => !hub().held);
  assert.equal(keeper.sleep(hub()), true);
  assert.ok(keeper.logs.some(({level, text}) => level === 3 && text.includes('in the background')));
});

test('what an object did when it was dropped in an event is not heard of, and the event comes again', async (context) => {
  const {keeper, run, hub} = await start(context);
  await run('return 0');
  const client = hub().open({});
  await assert.rejects(client.opened, /fetch/);
  const due = hub().alarm(0);
  await due;
  await run('box.onAlarm = () => new Promise((resolve) => { box.late = resolve; }); return 0');
  const alarm = hub().alarm(0);
  await keeper.settled();
  keeper.drop(hub(), {replay: true});
  assert.equal(await alarm, '');  // of the next object, which has the ordinary handler
  assert.deepEqual(await run("return await storage.get('alarmed')"), {retryCount: 0, isRetry: false});
});

test('RPC passes clones, and errors with where they come from', async (context) => {
  const {call, run} = await start(context);
  const [id, name] = await call('BOXES/a', 'whoAmI');
  assert.match(id, /^01[0-9a-f]{62}$/);
  assert.equal(name, 'a');
  await assert.rejects(run("throw new TypeError('mine')"), (error) => error.name === 'TypeError' &&
                       error.message === 'mine' && error.remote === true);
  await assert.rejects(run("throw Object.assign(new Error('mine'), {code: 7})"), (error) =>
    error.message === 'mine' && !('code' in error));
  await assert.rejects(call('BOXES/a', 'nothing'), /does not implement the method "nothing"/);
  await assert.rejects(call('BOXES/a', 'alarm'), /reserved/);
  await assert.rejects(run('return () => 0'), {name: 'DataCloneError', message: /functions/});
  assert.deepEqual(await run(`
    const other = env.BOXES.getByName('b');
    const map = await other.run('return new Map([[1, args[0]]])', new Date(3));
    return [map instanceof Map, map.get(1).getTime(), other.id.equals(env.BOXES.idFromName('b')), other.name];`),
  [true, 3, true, 'b']);
});

test('ids belong to their class', async (context) => {
  const {run} = await start(context);
  assert.deepEqual(await run(`
    const id = env.BOXES.newUniqueId();
    const same = env.BOXES.idFromString(id.toString());
    const refused = [];
    for (const text of ['abc', env.BROKEN.idFromName('x').toString()]) {
      try { env.BOXES.idFromString(text); } catch (error) { refused.push(error.name); }
    }
    return [id.equals(same), id.name === undefined, id.toString().length, refused];`),
  [true, true, 64, ['TypeError', 'TypeError']]);
});

test('rows of the host are not among the values', async (context) => {
  const {keeper, run, hub} = await start(context);
  await run("await storage.put('a', 1)");
  assert.deepEqual([...hub().rows.keys()].sort(), ['k:a', 'm:name']);
  assert.equal(deserialize(hub().rows.get('k:a')), 1);
  hub().rows.set('k:a', serialize(5));
  keeper.sleep(hub());
  assert.equal(await run("return await storage.get('a')"), 5);
});
