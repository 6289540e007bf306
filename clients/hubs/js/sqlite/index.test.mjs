import assert from 'node:assert/strict';
import {test} from 'node:test';

import {HubDatabase, PAGE_SIZE} from './index.mjs';
import {Rows} from './testing/rows.mjs';

function fill(database, count) {
  database.sql.exec('CREATE TABLE numbers(id INTEGER PRIMARY KEY, word TEXT)');
  database.sql.exec('WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) ' +
                    "INSERT INTO numbers SELECT i, 'word ' || i FROM n", count);
}
const all = (database) => database.sql.exec('SELECT * FROM numbers ORDER BY id').toArray();
const count = (database) => database.sql.exec('SELECT count(*) AS count FROM numbers').one().count;

test('an empty database has nothing to store', () => {
  const rows = new Rows();
  const database = rows.open();
  assert.equal(rows.store(database), 0);
  assert.equal(database.hasChanges, false);
  assert.equal(rows.pageCount, 0);
});

test('what was stored is there in a database that is opened on the rows', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 1000);
  assert.equal(database.hasChanges, true);
  rows.store(database);
  assert.equal(database.hasChanges, false);
  const expected = all(database);
  assert.equal(expected.length, 1000);
  const again = rows.open();
  assert.deepEqual(all(again), expected);
  assert.deepEqual(again.sql.exec('PRAGMA integrity_check').toArray(), [{integrity_check: 'ok'}]);
  assert.equal(again.hasChanges, false);
});

test('what was not taken is gone with the database, and only that', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 500);
  rows.store(database);
  database.sql.exec('DELETE FROM numbers WHERE id % 2');
  database.sql.exec('CREATE TABLE other(x)');
  assert.equal(count(database), 250);
  const again = rows.open();
  assert.equal(count(again), 500);
  assert.throws(() => again.sql.exec('SELECT * FROM other'), /no such table: other/);
});

test('a turn stores the pages that have changed, each once', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 10000);
  const first = rows.store(database);
  assert.ok(first > 30, `${first}`);
  for (let i = 0; i < 50; ++i) database.sql.exec("UPDATE numbers SET word = 'other' WHERE id = ?", 5000 + i % 3);
  const {pages} = database.takeChanges();
  // The leaf, and the first page with its counter.
  assert.ok(pages.length <= 3, `${pages.length}`);
  assert.deepEqual(pages.map(([number]) => number), [...new Set(pages.map(([number]) => number))].sort((a, b) => a - b));
  assert.deepEqual(database.takeChanges().pages, []);
});

test('pages stay in memory until they are confirmed', () => {
  const stored = new Map();
  let reads = 0;
  const readPage = (number) => (++reads, stored.get(number) ?? null);
  // A small cache, so that SQLite has to ask again.
  const database = new HubDatabase({readPage, cacheBytes: 65536});
  fill(database, 20000);
  const first = database.takeChanges();
  assert.equal(count(database), 20000);
  assert.equal(reads, 0);
  assert.equal(database.keptPages, first.pages.length);

  database.sql.exec("UPDATE numbers SET word = 'new' WHERE id = 1");
  const second = database.takeChanges();
  for (const [number, bytes] of [...first.pages, ...second.pages]) stored.set(number, bytes);
  database.confirmChanges(first.number);
  assert.equal(database.keptPages, second.pages.length);
  database.confirmChanges(second.number);
  assert.equal(database.keptPages, 0);
  assert.equal(count(database), 20000);
  assert.ok(reads > 50, `${reads}`);
  assert.equal(database.sql.exec('SELECT word FROM numbers WHERE id = 1').one().word, 'new');
});

test('opening a large database and reading one of its rows touches few pages', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 100000);
  rows.store(database);
  database.close();
  assert.ok(rows.pageCount > 400, `${rows.pageCount}`);
  const again = rows.open();
  assert.ok(rows.reads <= 1, `${rows.reads}`);
  assert.equal(again.sql.exec('SELECT word FROM numbers WHERE id = ?', 77777).one().word, 'word 77777');
  assert.ok(rows.reads <= 5, `${rows.reads}`);
  again.sql.exec('INSERT INTO numbers VALUES(?, ?)', 200000, 'one more');
  assert.ok(rows.reads <= 10, `${rows.reads}`);
  const read = rows.reads;
  again.sql.exec('SELECT word FROM numbers WHERE id = ?', 77777).one();
  assert.equal(rows.reads, read);
});

test('a cache of a few pages is enough, and is kept to', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 100000);
  rows.store(database);
  const again = rows.open({cacheBytes: 65536});
  for (let round = 0; round < 2; ++round) {
    const before = rows.reads;
    assert.equal(again.sql.exec('SELECT sum(length(word)) AS sum FROM numbers').one().sum, 988895);
    assert.ok(rows.reads - before > 400, `${rows.reads - before}`);
  }
});

test('going through a table reads many pages at a time, and a single row few', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 100000);
  rows.store(database);
  const again = rows.openAhead();
  assert.equal(again.sql.exec('SELECT sum(length(word)) AS sum FROM numbers').one().sum, 988895);
  assert.ok(rows.reads < rows.pageCount / 20, `${rows.reads} of ${rows.pageCount}`);
  const point = rows.openAhead();
  assert.equal(point.sql.exec('SELECT word FROM numbers WHERE id = ?', 77777).one().word, 'word 77777');
  assert.ok(rows.reads <= 5, `${rows.reads}`);
});

test('what was read ahead is not taken for what has changed since', () => {
  const stored = new Map();
  const keep = ({pages}) => pages.forEach(([number, bytes]) => stored.set(number, bytes));
  const first = new HubDatabase({readPage: () => null});
  fill(first, 30000);
  const changes = first.takeChanges();
  keep(changes);
  const readPages = (from, count) => Array.from({length: count}, (_, i) => stored.get(from + i) ?? null);
  // A cache that holds a few pages.
  const database = new HubDatabase({pageCount: changes.pageCount, readPages, cacheBytes: 65536});
  const word = () => database.sql.exec('SELECT word FROM numbers WHERE id = 16000').one().word;
  database.sql.exec("UPDATE numbers SET word = 'new' WHERE id = 16000");
  const taken = database.takeChanges();
  // Its page comes along, as it was, and then goes out of the cache.
  const cursor = database.sql.exec('SELECT id FROM numbers');
  while (cursor.next().value.id < 19000);
  assert.equal(word(), 'new');
  for (let i = 0; i < 6000; ++i) cursor.next();
  keep(taken);
  database.confirmChanges(taken.number);
  assert.equal(word(), 'new');
});

test('a transaction that throws leaves no changes', () => {
  const rows = new Rows();
  // A cache that the change does not fit into.
  const database = rows.open({cacheBytes: 65536});
  fill(database, 30000);
  rows.store(database);
  assert.throws(() => database.transactionSync(() => {
    database.sql.exec("UPDATE numbers SET word = 'no'");
    database.sql.exec('CREATE TABLE other(x)');
    throw new RangeError('no');
  }), RangeError);
  assert.equal(database.hasChanges, false);
  assert.equal(rows.store(database), 0);
  assert.equal(database.sql.exec("SELECT count(*) AS c FROM numbers WHERE word = 'no'").one().c, 0);
});

test('transactions within one another', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 3);
  const ids = () => database.sql.exec('SELECT id FROM numbers ORDER BY id').toArray().map(({id}) => id);
  const insert = (id) => database.sql.exec('INSERT INTO numbers(id) VALUES(?)', id);
  const result = database.transactionSync(() => {
    insert(4);
    assert.throws(() => database.transactionSync(() => {
      insert(5);
      database.transactionSync(() => insert(6));
      throw new Error('no');
    }), /^Error: no$/);
    assert.throws(() => database.takeChanges(), /within a transaction/);
    assert.equal(database.transactionDepth, 1);
    insert(7);
    return 'result';
  });
  assert.equal(result, 'result');
  assert.deepEqual(ids(), [1, 2, 3, 4, 7]);
  assert.throws(() => database.commit(), /no transaction to commit/);
  assert.throws(() => database.rollback(), /no transaction to roll back/);
  rows.store(database);
  assert.deepEqual(rows.open().sql.exec('SELECT id FROM numbers ORDER BY id').toArray().map(({id}) => id), ids());
});

test('a file gets smaller when much of it is free', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 100000);
  rows.store(database);
  const before = rows.pageCount;
  database.sql.exec('DELETE FROM numbers WHERE id > 1000');
  // A part of it at a time.
  for (let turn = 0; turn < 5; ++turn) {
    rows.store(database);
    database.sql.exec("UPDATE numbers SET word = 'x' WHERE id = 1");
  }
  rows.store(database);
  assert.ok(rows.pageCount < before / 1.5, `${before}, ${rows.pageCount}`);
  assert.equal([...rows.pages.keys()].filter((number) => number > rows.pageCount).length, 0);
  const again = rows.open();
  assert.equal(count(again), 1000);
  assert.deepEqual(again.sql.exec('PRAGMA integrity_check').toArray(), [{integrity_check: 'ok'}]);
  // And grows again.
  again.sql.exec('INSERT INTO numbers SELECT id + 1000, word FROM numbers');
  rows.store(again);
  assert.equal(count(rows.open()), 2000);
});

test('clear removes all rows, and the database can be used again', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 10000);
  rows.store(database);
  const cursor = database.sql.exec('SELECT * FROM numbers');
  const held = database.sql;
  database.clear();
  assert.throws(() => cursor.toArray(), /database is closed/);
  assert.equal(database.hasChanges, true);
  rows.store(database);
  assert.equal(rows.pages.size, 0);
  assert.equal(rows.pageCount, 0);
  // The object has kept what ctx.storage.sql was.
  for (const sql of [held, database.sql]) assert.throws(() => sql.exec('SELECT * FROM numbers'), /no such table/);
  fill(database, 10);
  rows.store(database);
  assert.equal(count(rows.open()), 10);
});

test('foreign keys are checked; where that is put off, when the changes are taken', () => {
  const rows = new Rows();
  const database = rows.open();
  database.sql.exec('CREATE TABLE parent(id INTEGER PRIMARY KEY); CREATE TABLE child(parent REFERENCES parent(id))');
  assert.throws(() => database.sql.exec('INSERT INTO child VALUES(1)'),
                {message: 'FOREIGN KEY constraint failed: SQLITE_CONSTRAINT (extended: SQLITE_CONSTRAINT_FOREIGNKEY)'});
  rows.store(database);
  database.sql.exec('PRAGMA foreign_keys = OFF');
  assert.deepEqual(database.sql.exec('PRAGMA foreign_keys').one(), {foreign_keys: 1});
  assert.throws(() => database.sql.exec('INSERT INTO child VALUES(1)'), /FOREIGN KEY/);
  rows.store(database);

  database.sql.exec('PRAGMA defer_foreign_keys = ON');
  database.sql.exec('SELECT count(*) FROM parent').one();
  database.sql.exec('INSERT INTO child VALUES(2)');
  database.sql.exec('INSERT INTO parent VALUES(2)');
  rows.store(database);

  // It was for one turn.
  assert.throws(() => database.sql.exec('INSERT INTO child VALUES(3)'), /FOREIGN KEY/);
  rows.store(database);
  database.sql.exec('PRAGMA defer_foreign_keys = ON');
  database.sql.exec('SELECT count(*) FROM parent').one();
  database.sql.exec('INSERT INTO child VALUES(3)');
  assert.throws(() => database.takeChanges(), /reset and rolled back .* FOREIGN KEY constraint failed/);
  // Nothing of it may be used any more.
  assert.throws(() => database.sql.exec('SELECT 1'), /reset and rolled back/);
  assert.throws(() => database.takeChanges(), /reset and rolled back/);
  assert.deepEqual(rows.open().sql.exec('SELECT * FROM child').toArray(), [{parent: 2}]);
});

test('when SQLite undoes what was written before, the database is of no use any more', () => {
  const rows = new Rows();
  const database = rows.open();
  database.sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY ON CONFLICT ROLLBACK)');
  rows.store(database);
  database.sql.exec('INSERT INTO t VALUES(1)');
  assert.throws(() => database.transactionSync(() => database.sql.exec('INSERT INTO t VALUES(1)')),
                /^Error: UNIQUE/);
  assert.throws(() => database.sql.exec('SELECT 1'), /has been rolled back.*UNIQUE/);
  assert.throws(() => database.takeChanges(), /has been rolled back/);
});

test('what readPage throws comes out of the query, which can be made again', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 10000);
  rows.store(database);
  const trouble = new Error('the store is away');
  let away = false;
  const again = new HubDatabase({
    pageCount: rows.pageCount,
    readPage: (number) => {
      if (away) throw trouble;
      return rows.pages.get(number);
    },
  });
  away = true;
  assert.throws(() => count(again), (error) => error === trouble);
  away = false;
  assert.equal(count(again), 10000);
  assert.throws(() => new HubDatabase({pageCount: 5, readPage() { throw trouble; }}), (error) => error === trouble);
});

test('pages that are none, or damaged', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 10000);
  rows.store(database);
  assert.throws(() => new HubDatabase({pageCount: 2, readPage: () => new Uint8Array(100)}), /SQLITE_IOERR/);
  assert.throws(() => new HubDatabase({pageCount: 2, readPage: () => 'page'}), /SQLITE_IOERR/);
  for (let number = 2; number <= rows.pageCount; ++number) rows.pages.set(number, new Uint8Array(PAGE_SIZE).fill(7));
  assert.throws(() => count(rows.open()), /database disk image is malformed: SQLITE_CORRUPT/);
  assert.throws(() => new HubDatabase({pageCount: 2}), TypeError);
  assert.throws(() => new HubDatabase({pageCount: 'x', readPage() {}}), TypeError);
});

test('what reads pages cannot use the database', () => {
  const rows = new Rows();
  const database = rows.open();
  fill(database, 1000);
  rows.store(database);
  let errors = 0;
  let again = null;
  again = new HubDatabase({
    pageCount: rows.pageCount,
    readPage: (number) => {
      if (again) {
        for (const use of [() => again.sql.exec('SELECT 1'), () => again.takeChanges(), () => again.close()]) {
          assert.throws(use, /is in use/);
          ++errors;
        }
      }
      return rows.pages.get(number);
    },
  });
  assert.equal(count(again), 1000);
  assert.ok(errors > 3);
});

test('a closed database says so', () => {
  const database = new Rows().open();
  fill(database, 10);
  const cursor = database.sql.exec('SELECT * FROM numbers');
  cursor.next();
  database.close();
  database.close();
  assert.throws(() => cursor.next(), /closed/);
  assert.throws(() => database.sql.exec('SELECT * FROM numbers'), /closed/);
  assert.throws(() => database.takeChanges(), /closed/);
  assert.throws(() => database.clear(), /closed/);
  assert.throws(() => database.sql.databaseSize, /closed/);
});

test('the size of the database', () => {
  const database = new Rows().open();
  assert.equal(database.sql.databaseSize, 0);
  fill(database, 1000);
  const full = database.sql.databaseSize;
  assert.ok(full >= 5 * PAGE_SIZE && full % PAGE_SIZE === 0, `${full}`);
  database.sql.exec('DELETE FROM numbers');
  assert.ok(database.sql.databaseSize < full);
});
