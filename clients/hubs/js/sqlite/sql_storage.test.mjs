import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';

import {Rows} from './testing/rows.mjs';

let database;
let sql;
beforeEach(() => {
  database = new Rows().open();
  sql = database.sql;
});
const one = (...query) => sql.exec(...query).one();

test('values come back as they are known to Durable Objects', () => {
  sql.exec('CREATE TABLE t(i INTEGER, r REAL, s TEXT, b BLOB, n)');
  sql.exec('INSERT INTO t VALUES(?, ?, ?, ?, ?)', 42, 0.5, 'Grüße\0🐭', new Uint8Array([1, 0, 2]), null);
  const {i, r, s, b, n} = one('SELECT * FROM t');
  assert.deepEqual([i, r, s, n], [42, 0.5, 'Grüße\0🐭', null]);
  assert.ok(b instanceof ArrayBuffer);
  assert.deepEqual([...new Uint8Array(b)], [1, 0, 2]);
  assert.equal(one('SELECT typeof(i) AS t FROM t').t, 'integer');
  assert.equal(one('SELECT 9007199254740993 AS v').v, 9007199254740992);
  assert.equal(one('SELECT -9223372036854775808 AS v').v, -9223372036854775808);
  assert.equal(one("SELECT x'' AS v").v.byteLength, 0);
  assert.equal(one("SELECT '' AS v").v, '');
  assert.equal(one('SELECT 9e999 AS v').v, Infinity);
});

test('bindings', () => {
  const type = (value) => one('SELECT typeof(?) AS type', value).type;
  assert.equal(type(1), 'real');
  assert.equal(type(null), 'null');
  assert.equal(type(undefined), 'null');
  assert.equal(type('x'), 'text');
  for (const bytes of [new ArrayBuffer(2), new Uint16Array(1), new DataView(new ArrayBuffer(2)), Buffer.from('ab')]) {
    assert.equal(type(bytes), 'blob');
    assert.equal(one('SELECT length(?) AS l', bytes).l, 2);
  }
  assert.equal(type(new ArrayBuffer(0)), 'blob');
  // Part of a buffer.
  assert.equal(one('SELECT hex(?) AS h', new Uint8Array([1, 2, 3, 4]).subarray(1, 3)).h, '0203');
  assert.equal(one('SELECT ? AS v', true).v, 'true');
  assert.equal(one('SELECT ? AS v', {}).v, '[object Object]');
  assert.equal(one('SELECT ? AS v', NaN).v, null);
  assert.throws(() => one('SELECT ?', 5n), {name: 'TypeError', message: 'Cannot convert a BigInt value to a number'});
  assert.throws(() => one('SELECT ?', Symbol('x')), TypeError);
  assert.throws(() => one('SELECT ?', {toString() { throw new RangeError('mine'); }}), {message: 'mine'});
  // It can be used after that.
  assert.equal(one('SELECT ? AS v', 'x'.repeat(100000)).v.length, 100000);
  for (const length of [507, 508, 509, 511, 512, 513]) {
    for (const character of ['x', 'ä', '€', '🐭']) {
      const text = character.repeat(length / 2) + 'x'.repeat(length % 4) + character;
      assert.equal(one('SELECT ? AS v', text).v, text);
    }
  }
  assert.deepEqual(sql.exec(`SELECT ${Array(20).fill('?').join()}`, ...Array(20).keys()).raw().toArray(),
                   [[...Array(20).keys()]]);
});

test('as many bindings as parameters', () => {
  const message = 'Wrong number of parameter bindings for SQL query.';
  assert.throws(() => sql.exec('SELECT ?'), {message});
  assert.throws(() => sql.exec('SELECT 1', 1), {message});
  assert.deepEqual(one('SELECT ?2 AS v', 1, 2), {v: 2});
  assert.deepEqual(one('SELECT :a AS v', 1), {v: 1});
});

test('several statements', () => {
  assert.deepEqual(one('CREATE TABLE t(x); INSERT INTO t VALUES(5);\n SELECT x + ? AS y FROM t; -- done\n', 2), {y: 7});
  assert.throws(() => sql.exec('INSERT INTO t VALUES(?); SELECT 2', 1),
                /When executing multiple SQL statements in a single call, only the last statement can have parameters/);
  // Those before the mistake count.
  assert.throws(() => sql.exec('INSERT INTO t VALUES(6); SELEC'), /near "SELEC": syntax error at offset 0/);
  assert.equal(one('SELECT count(*) AS c FROM t').c, 2);
  for (const nothing of ['', ';', ' -- x', '/* x */ ;', '/* x']) {
    assert.throws(() => sql.exec(nothing), {message: 'SQL code did not contain a statement.'});
  }
  assert.equal(one("SELECT ';' AS s; /* SELECT 2 */").s, ';');
  assert.throws(() => sql.exec('SELECT 1\0; nonsense'), {message: 'SQL code did not contain a statement.'});
});

test('errors', () => {
  sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a TEXT UNIQUE, n INT NOT NULL, c INT CHECK(c < 5))');
  sql.exec("INSERT INTO t VALUES(1, 'x', 1, 1)");
  for (const [query, message] of [
    ['SELEC', 'near "SELEC": syntax error at offset 0: SQLITE_ERROR'],
    ['SELECT * FROM nope', 'no such table: nope: SQLITE_ERROR'],
    ["INSERT INTO t VALUES(1, 'y', 1, 1)",
     'UNIQUE constraint failed: t.id: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_PRIMARYKEY)'],
    ["INSERT INTO t VALUES(2, 'x', 1, 1)",
     'UNIQUE constraint failed: t.a: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_UNIQUE)'],
    ["INSERT INTO t VALUES(2, 'z', NULL, 1)",
     'NOT NULL constraint failed: t.n: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_NOTNULL)'],
    ["INSERT INTO t VALUES(2, 'z', 1, 7)",
     'CHECK constraint failed: c < 5: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_CHECK)'],
    ["INSERT INTO t VALUES('q', 'z', 1, 7)", 'datatype mismatch: SQLITE_MISMATCH'],
  ]) {
    assert.throws(() => sql.exec(query), {name: 'Error', message}, query);
  }
  assert.equal(one('SELECT count(*) AS c FROM t').c, 1);
});

test('what is forbidden', () => {
  sql.exec('CREATE TABLE t(a)');
  for (const query of ['BEGIN', 'BEGIN IMMEDIATE', 'COMMIT', 'END', 'ROLLBACK', 'SAVEPOINT x', 'RELEASE x',
                       'ROLLBACK TO x']) {
    assert.throws(() => sql.exec(query), /please use .*transactionSync\(\)/, query);
    assert.throws(() => sql.exec(`SELECT 1; ${query}`), /transactionSync\(\)/, query);
  }
  for (const query of ["ATTACH ':memory:' AS x", 'DETACH main', 'CREATE TEMP TABLE tt(a)', 'CREATE TABLE temp.tt(a)',
                       'CREATE TEMP VIEW tt AS SELECT 1',
                       'CREATE TEMP TRIGGER tt AFTER INSERT ON t BEGIN SELECT 1; END',
                       'CREATE TABLE _cf_x(a)', 'CREATE TABLE _CF_x(a)', 'CREATE TABLE _dormouse_x(a)',
                       'CREATE INDEX _cf_i ON t(a)', 'CREATE VIEW _cf_v AS SELECT 1',
                       'CREATE VIRTUAL TABLE _cf_f USING fts5(a)', 'CREATE VIRTUAL TABLE f USING dbstat',
                       'PRAGMA journal_mode', 'PRAGMA journal_mode = WAL', 'PRAGMA locking_mode = NORMAL',
                       'PRAGMA page_size = 1024', 'PRAGMA cache_size = 4', 'PRAGMA cache_spill = 1',
                       'PRAGMA max_page_count', 'PRAGMA writable_schema = ON', 'PRAGMA auto_vacuum = 0',
                       'PRAGMA schema_version = 7', 'PRAGMA encoding = "UTF-16"', 'PRAGMA secure_delete = 1',
                       'PRAGMA temp_store = 1', 'PRAGMA hard_heap_limit = 1', 'PRAGMA soft_heap_limit = 1',
                       'PRAGMA query_only = 1', 'PRAGMA incremental_vacuum', 'PRAGMA synchronous = 1',
                       'PRAGMA wal_checkpoint', 'PRAGMA no_such_pragma', 'PRAGMA trusted_schema = 1']) {
    assert.throws(() => sql.exec(query), /^Error: not authorized: SQLITE_AUTH$/, query);
  }
  assert.throws(() => sql.exec('VACUUM'), /cannot VACUUM from within a transaction/);
  assert.throws(() => sql.exec("VACUUM INTO '/tmp/x'"), /cannot VACUUM from within a transaction/);
  assert.throws(() => sql.exec("SELECT load_extension('x')"), /not authorized/);
  assert.throws(() => sql.exec('DELETE FROM sqlite_master'), /may not be modified/);
  assert.throws(() => sql.exec('SELECT * FROM pragma_journal_mode'), /not authorized|no such table/);
});

test('pragmas that tell something', () => {
  sql.exec('CREATE TABLE t(a INTEGER PRIMARY KEY, b TEXT); CREATE INDEX i ON t(b)');
  assert.deepEqual(sql.exec('PRAGMA table_info(t)').toArray().map(({name}) => name), ['a', 'b']);
  assert.deepEqual(sql.exec("SELECT name FROM pragma_table_info('t')").toArray(), [{name: 'a'}, {name: 'b'}]);
  assert.ok(sql.exec('PRAGMA table_list').toArray().some(({name}) => name === 't'));
  assert.equal(one('PRAGMA index_list(t)').name, 'i');
  assert.deepEqual(one('PRAGMA quick_check'), {quick_check: 'ok'});
  assert.deepEqual(one('PRAGMA page_size'), {page_size: 4096});
  sql.exec('PRAGMA optimize');
  // They take effect each time.
  for (const like of [1, 0, 1, 0]) {
    sql.exec(`PRAGMA case_sensitive_like = ${like}`);
    assert.equal(one("SELECT 'a' LIKE 'A' AS v").v, 1 - like);
  }
  sql.exec('PRAGMA user_version = 7');
  assert.deepEqual(one('PRAGMA user_version'), {user_version: 7});
});

test('full-text search and JSON', () => {
  sql.exec('CREATE VIRTUAL TABLE notes USING fts5(title, body)');
  sql.exec("INSERT INTO notes VALUES('mice', 'a dormouse sleeps'), ('cats', 'a cat does not')");
  assert.deepEqual(sql.exec('SELECT title FROM notes WHERE notes MATCH ?', 'dormouse').toArray(), [{title: 'mice'}]);
  assert.equal(one("SELECT '{\"a\": [1, 2]}' ->> '$.a[1]' AS v").v, 2);
  assert.deepEqual(sql.exec('SELECT value FROM json_each(?)', '[5, 6]').toArray(), [{value: 5}, {value: 6}]);
  const stored = new Rows();
  const again = stored.open();
  again.sql.exec("CREATE VIRTUAL TABLE n USING fts5(a); INSERT INTO n VALUES('a dormouse')");
  stored.store(again);
  assert.equal(stored.open().sql.exec("SELECT count(*) AS c FROM n('dormouse')").one().c, 1);
});

test('what a cursor has', () => {
  sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a)');
  sql.exec("INSERT INTO t VALUES(1, 'x'), (2, 'y'), (3, 'z')");
  const query = 'SELECT id, a FROM t ORDER BY id';
  assert.deepEqual([...sql.exec(query)].map(({a}) => a), ['x', 'y', 'z']);
  assert.deepEqual(sql.exec(query).toArray()[2], {id: 3, a: 'z'});
  assert.deepEqual([...sql.exec(query).raw()], [[1, 'x'], [2, 'y'], [3, 'z']]);
  assert.deepEqual(sql.exec(query).raw().toArray(), [[1, 'x'], [2, 'y'], [3, 'z']]);
  assert.deepEqual(sql.exec(query).columnNames, ['id', 'a']);
  assert.deepEqual(sql.exec('SELECT 1 AS a, 2 AS a').columnNames, ['a', 'a']);
  assert.deepEqual(one('SELECT 1 AS a, 2 AS a'), {a: 2});
  assert.deepEqual(sql.exec('DELETE FROM t WHERE id > 9').columnNames, []);
  const cursor = sql.exec(query);
  assert.deepEqual(cursor.next(), {done: false, value: {id: 1, a: 'x'}});
  assert.deepEqual(cursor.raw().next(), {done: false, value: [2, 'y']});
  assert.deepEqual(cursor.one(), {id: 3, a: 'z'});
  assert.deepEqual(Object.entries(cursor.next()), [['done', true]]);
  assert.deepEqual(cursor.toArray(), []);
  const row = one('SELECT 5 AS "__proto__"');
  assert.deepEqual(Object.entries(row), [['__proto__', 5]]);
  assert.equal(Object.getPrototypeOf(row), Object.prototype);
  assert.ok(sql.exec('SELECT 1') instanceof sql.Cursor);
});

test('exactly one row', () => {
  assert.throws(() => one('SELECT 1 WHERE 0'),
                {message: 'Expected exactly one result from SQL query, but got no results.'});
  assert.throws(() => one('SELECT 1 UNION SELECT 2'),
                {message: 'Expected exactly one result from SQL query, but got multiple results.'});
});

test('rows read and written', () => {
  sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a)');
  assert.equal(sql.exec('INSERT INTO t VALUES(1, 1), (2, 1), (3, 1), (4, 2)').rowsWritten, 4);
  const cursor = sql.exec('SELECT * FROM t WHERE a = 2');
  cursor.toArray();
  assert.deepEqual([cursor.rowsRead, cursor.rowsWritten], [4, 0]);
  const point = sql.exec('SELECT * FROM t WHERE id = 2');
  point.toArray();
  assert.equal(point.rowsRead, 1);
  const scan = sql.exec('SELECT * FROM t');
  scan.next();
  assert.equal(scan.rowsRead, 2);
  scan.toArray();
  assert.equal(scan.rowsRead, 4);
  // It belongs to its cursor, whoever uses the statement afterwards.
  sql.exec('SELECT * FROM t').next();
  assert.equal(scan.rowsRead, 4);
  assert.equal(sql.exec('UPDATE t SET a = 3 WHERE id > 2').rowsWritten, 2);
});

test('rows that are returned by what writes are all there, and nothing is in the way of storing', () => {
  sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, a)');
  const cursor = sql.exec('INSERT INTO t(a) VALUES(7), (8), (9) RETURNING id, a');
  assert.deepEqual(cursor.next().value, {id: 1, a: 7});
  assert.ok(database.takeChanges().pages.length > 0);
  assert.deepEqual(cursor.raw().next().value, [2, 8]);
  assert.deepEqual(cursor.toArray(), [{id: 3, a: 9}]);
  assert.equal(cursor.rowsWritten, 3);
  assert.deepEqual(one('UPDATE t SET a = 1 WHERE id = 2 RETURNING a'), {a: 1});
});

test('a cursor stays open while the database is written and stored', () => {
  sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY)');
  for (let id = 1; id <= 100; ++id) sql.exec('INSERT INTO t VALUES(?)', id);
  const seen = [];
  for (const {id} of sql.exec('SELECT id FROM t WHERE id <= 100 ORDER BY id')) {
    seen.push(id);
    sql.exec('INSERT INTO t VALUES(?)', id + 1000);
    if (id % 10 === 0) database.takeChanges();
  }
  assert.deepEqual(seen, [...Array(100).keys()].map((i) => i + 1));
  assert.equal(one('SELECT count(*) AS c FROM t').c, 200);
});

test('the same query twice at a time', () => {
  sql.exec('CREATE TABLE t(id)');
  sql.exec('INSERT INTO t VALUES(1), (2), (3)');
  const query = 'SELECT id FROM t';
  const first = sql.exec(query);
  first.next();
  const second = sql.exec(query);
  assert.equal(second.toArray().length, 3);
  assert.equal(first.toArray().length, 2);
  assert.equal(sql.exec(query).toArray().length, 3);
});

test('cursors and what takes their table away', () => {
  sql.exec('CREATE TABLE t(id); INSERT INTO t VALUES(1), (2), (3)');
  const cursor = sql.exec('SELECT id FROM t');
  assert.throws(() => sql.exec('DROP TABLE t'), /database table is locked: SQLITE_LOCKED/);
  assert.equal(cursor.toArray().length, 3);
  sql.exec('DROP TABLE t');

  database.takeChanges();
  sql.exec('CREATE TABLE u(id); INSERT INTO u VALUES(1), (2), (3)');
  let rolledBack;
  assert.throws(() => database.transactionSync(() => {
    rolledBack = sql.exec('SELECT id FROM u');
    sql.exec('INSERT INTO u VALUES(4)');
    throw new Error('no');
  }), /^Error: no$/);
  assert.throws(() => rolledBack.toArray(), /abort due to ROLLBACK: SQLITE_ABORT \(extended: SQLITE_ABORT_ROLLBACK\)/);
  assert.equal(sql.exec('SELECT id FROM u').toArray().length, 3);
});

test('cursors that nobody has read to the end are collected', async () => {
  sql.exec('CREATE TABLE t(id); INSERT INTO t VALUES(1), (2), (3)');
  const {setFlagsFromString} = await import('node:v8');
  const {runInNewContext} = await import('node:vm');
  setFlagsFromString('--expose-gc');
  const gc = runInNewContext('gc');
  for (let i = 0; i < 1000; ++i) sql.exec('SELECT id FROM t WHERE id > ?', 0).next();
  assert.throws(() => sql.exec('DROP TABLE t'), /locked/);
  for (let round = 0; ; ++round) {
    gc();
    await new Promise(setImmediate);
    try {
      sql.exec('DROP TABLE t');
      break;
    } catch (error) {
      if (round === 20) throw error;
    }
  }
});

test('a changed table changes what a query that was made before returns', () => {
  sql.exec('CREATE TABLE t(a); INSERT INTO t VALUES(1)');
  const query = 'SELECT * FROM t';
  assert.deepEqual(one(query), {a: 1});
  sql.exec('ALTER TABLE t ADD COLUMN b DEFAULT 5');
  assert.deepEqual(one(query), {a: 1, b: 5});
  sql.exec('ALTER TABLE t RENAME COLUMN a TO c');
  assert.deepEqual(one(query), {c: 1, b: 5});
  sql.exec('DROP TABLE t');
  assert.throws(() => one(query), /no such table/);
  sql.exec('CREATE TABLE t(d); INSERT INTO t VALUES(2)');
  assert.deepEqual(one(query), {d: 2});
});

test('many different queries', () => {
  for (let round = 0; round < 2; ++round) {
    for (let i = 0; i < 1000; ++i) assert.equal(one(`SELECT ${i} AS v`).v, i);
  }
});

test('a text and a value may be large, but not without bound', () => {
  assert.equal(one('SELECT length(?) AS l', 'x'.repeat(5e6)).l, 5e6);
  assert.throws(() => one('SELECT ?', 'x'.repeat(70e6)), /SQLITE_TOOBIG/);
  assert.throws(() => one('SELECT zeroblob(70000000)'), /SQLITE_TOOBIG/);
  assert.throws(() => one(`SELECT '${'x'.repeat(1.1e6)}'`), /SQLITE_TOOBIG/);
});

test('methods of the addon are for its own objects', async () => {
  const {sqliteAddon} = await import('./addon.mjs');
  for (const name of ['Database', 'SyncChannel']) {
    const {prototype} = sqliteAddon()[name];
    assert.throws(() => prototype.close.call({}), TypeError);
  }
});
