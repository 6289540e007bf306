// storage.sql of objects, whose pages are rows. Skipped where the addon has not been built.
import assert from 'node:assert/strict';
import test from 'node:test';

import {openSyncChannel} from './objects/sqlite_addon.mjs';
import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Box extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
  }
  run(source, ...args) {
    return new Function('box', 'storage', 'sql', 'ctx', 'args', 'return (async () => {' + source + '})()')(
      this, this.ctx.storage, this.sql, this.ctx, args);
  }
}

export default {
  async fetch(request, env) {
    const {source, args} = await request.json();
    try {
      return Response.json({value: await env.BOXES.getByName('a').run(source, ...args)});
    } catch (error) {
      return Response.json({error: error.message});
    }
  },
};
`;

function missing() {
  try {
    openSyncChannel('/nonexistent/lane');
  } catch (error) {
    return /addon|DORMOUSE_SQLITE_ADDON/.test(error.message) ? error.message : false;
  }
  return false;
}
const options = {skip: missing()};

async function start(context, more = {}) {
  const keeper = await FakeStatekeeper.start({
    source: SOURCE, manifest: {bindings: {durable_objects: [{name: 'BOXES', class_name: 'Box'}]}}, ...more,
  });
  context.after(() => keeper.stop());
  const run = async (source, ...args) => {
    const {value, error} = JSON.parse(
      (await keeper.http('/', {method: 'POST', body: JSON.stringify({source, args})})).text);
    if (error !== undefined) throw new Error(error);
    return value;
  };
  return {keeper, run, hub: () => keeper.hubs('Box')[0]};
}

const CREATE = "sql.exec('CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, name TEXT)');";

test('tables outlive the object, and go with keys in one turn', options, async (context) => {
  const {keeper, run, hub} = await start(context);
  await run('return 0');
  const before = hub().turns.length;
  await run(`${CREATE} storage.put('k', 1); sql.exec('INSERT INTO t VALUES(1, ?)', 'one'); return 0`);
  const [turn, ...others] = hub().turns.slice(before);
  assert.equal(others.length, 0);
  assert.ok(turn.done && turn.effects.some(({put}) => put?.key === 'k:k') &&
            turn.effects.some(({put}) => put?.key === 's:00000001'));
  assert.ok(keeper.sleep(hub()));
  assert.deepEqual(await run("return [sql.exec('SELECT * FROM t').toArray(), sql.databaseSize % 4096]"),
    [[{id: 1, name: 'one'}], 0]);
});

test('pages that did not come with the wake are read when they are needed', options, async (context) => {
  const {keeper, run, hub} = await start(context, {largestWake: 2});
  await run(`${CREATE}
    for (let i = 0; i < 20000; i++) sql.exec('INSERT INTO t VALUES(?, ?)', i, 'name ' + i);
    await storage.sync();
    await storage.put('z', 1);`);
  assert.ok(hub().rows.size > 50);
  assert.ok(keeper.sleep(hub()));
  const before = keeper.reads;
  assert.equal(await run("return sql.exec('SELECT name FROM t WHERE id = 12345').one().name"), 'name 12345');
  assert.ok(keeper.reads - before < 10, `${keeper.reads - before} reads`);
  assert.deepEqual(await run(`
    sql.exec('UPDATE t SET name = ? WHERE id = 5', 'new');
    return [storage.kv.get('z'), sql.exec('SELECT count(*) AS n FROM t').one().n]`), [1, 20000]);
  keeper.sleep(hub());
  assert.equal(await run("return sql.exec('SELECT name FROM t WHERE id = 5').one().name"), 'new');
});

test('what a crash takes away is wholly gone', options, async (context) => {
  const {keeper, run, hub} = await start(context);
  await run(`${CREATE} sql.exec('INSERT INTO t VALUES(1, ?)', 'kept')`);
  assert.equal(await run(`
    try {
      storage.transactionSync(() => {
        sql.exec('INSERT INTO t VALUES(2, ?)', 'undone');
        storage.kv.put('k', 1);
        throw new Error('no');
      });
    } catch {}
    await storage.transaction(async (txn) => {
      sql.exec('INSERT INTO t VALUES(3, ?)', 'undone');
      await scheduler.wait(1);
      txn.rollback();
    });
    storage.transactionSync(() => sql.exec('INSERT INTO t VALUES(4, ?)', 'kept'));
    return storage.kv.get('k') ?? 'none'`), 'none');
  keeper.drop(hub());
  assert.deepEqual(await run("return sql.exec('SELECT id FROM t').toArray()"), [{id: 1}, {id: 4}]);
  await run('await storage.deleteAll()');
  keeper.sleep(hub());
  assert.deepEqual(await run("return sql.exec('SELECT name FROM sqlite_master').toArray()"), []);
  assert.ok(![...hub().rows.keys()].some((key) => key.startsWith('s:')), [...hub().rows.keys()].join());
});

test('sync waits for pages, too', options, async (context) => {
  const {run, hub} = await start(context);
  await run(CREATE);
  hub().pause();
  const before = hub().turns.length;
  const waiting = run("sql.exec('INSERT INTO t VALUES(1, ?)', 'x'); await storage.sync(); return 'durable'");
  let settled = false;
  waiting.then(() => { settled = true; });
  while (!settled && !(hub().turns.length > before && hub().turns.at(-1).number)) await new Promise(setImmediate);
  await new Promise(setImmediate);
  assert.equal(settled, false);
  hub().resume();
  assert.equal(await waiting, 'durable');
});
