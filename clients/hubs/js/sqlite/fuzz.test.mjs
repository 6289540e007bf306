// Random SQL, on a database that is stored, dropped and opened again as it comes, and in an SQLite of Python's, in
// memory, that commits and rolls back instead: both must say the same all along.
import assert from 'node:assert/strict';
import {spawnSync} from 'node:child_process';
import {fileURLToPath} from 'node:url';
import {test} from 'node:test';

import {Rows} from './testing/rows.mjs';

const ROUNDS = Number(process.env.ROUNDS ?? 12);
const SEED = Number(process.env.SEED ?? 1);
const STEPS = 400;
const ORACLE = fileURLToPath(new URL('testing/oracle.py', import.meta.url));

// Numbers below `n`, the same for the same seed.
function random(seed) {
  let state = seed * 0x9e3779b9 >>> 0;
  return (n) => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) % n;
  };
}

function makeSteps(below) {
  const pick = (list) => list[below(list.length)];
  const table = () => pick(['a', 'b', 'c']);
  const value = () => pick([
    () => null,
    () => below(50),
    () => below(1e6) / 8 - 1000,
    () => 'text ' + below(100),
    () => 'ä€🐭'.repeat(below(5)),
    () => 'long '.repeat(below(4000)),
    () => ({hex: 'ab01'.repeat(below(below(20) === 0 ? 4000 : 20))}),
  ])();
  const step = () => pick([
    // Often, as otherwise the rest has nothing to work on.
    ...Array(8).fill(() => [`INSERT INTO ${table()} VALUES(?, ?, ?)`, below(300), value(), value()]),
    ...Array(3).fill(() => [`INSERT OR REPLACE INTO ${table()} VALUES(?, ?, ?)`, below(300), value(), value()]),
    ...Array(3).fill(() => [`UPDATE ${table()} SET x = ?, y = ? WHERE id = ?`, value(), value(), below(300)]),
    ...Array(3).fill(() => [`SELECT * FROM ${table()} WHERE id BETWEEN ? AND ? ORDER BY id`, below(300), below(300)]),
    () => [`SELECT count(*), sum(length(x)), max(id) FROM ${table()}`],
    () => [`SELECT id FROM ${table()} WHERE x = ? ORDER BY id`, value()],
    () => [`INSERT INTO ${table()} SELECT id + 300, y, x FROM ${table()} WHERE id < 300`],
    () => [`DELETE FROM ${table()} WHERE id % ? = 0`, 1 + below(5)],
    () => [`DELETE FROM ${table()} WHERE id = ? RETURNING *`, below(300)],
    () => [`CREATE TABLE ${table()}(id INTEGER PRIMARY KEY, x, y TEXT)`],
    () => [`CREATE UNIQUE INDEX ${table()}_x ON ${table()}(x)`],
    () => [`CREATE INDEX IF NOT EXISTS ${table()}_y ON ${table()}(y, x)`],
    () => [`DROP INDEX ${table()}_${pick(['x', 'y'])}`],
    () => below(4) ? [`SELECT 1`] : [`DROP TABLE ${table()}`],
    () => [`ALTER TABLE ${table()} RENAME TO ${table()}`],
    () => ['SELECT nonsense'],
    () => ['@begin'], () => ['@begin'], () => ['@commit'], () => ['@commit'], () => ['@rollback'],
    () => ['@take'], () => ['@take'], () => ['@crash'],
  ])();
  return [['CREATE TABLE a(id INTEGER PRIMARY KEY, x, y TEXT)'], ...Array.from({length: STEPS}, step)];
}

const hex = (bytes) => ({hex: Buffer.from(bytes).toString('hex')});

class Subject {
  rows = new Rows();

  constructor(cacheBytes, ahead) {
    this.cacheBytes = cacheBytes;
    this.ahead = ahead;
    this.open();
  }
  open() {
    const options = {cacheBytes: this.cacheBytes};
    this.database = this.ahead ? this.rows.openAhead(options) : this.rows.open(options);
  }

  do([query, ...bindings]) {
    const {database} = this;
    try {
      switch (query) {
        case '@begin': return database.begin() ?? null;
        case '@commit': return database.transactionDepth ? database.commit() ?? null : null;
        case '@rollback': return database.transactionDepth ? database.rollback() ?? null : null;
        case '@take':
          while (database.transactionDepth) database.commit();
          this.rows.store(database);
          return null;
        case '@crash':
          this.open();
          return null;
      }
      const given = bindings.map((value) => value?.hex === undefined ? value : Buffer.from(value.hex, 'hex'));
      return database.sql.exec(query, ...given).raw().toArray()
        .map((row) => row.map((value) => value instanceof ArrayBuffer ? hex(value) : value));
    } catch (error) {
      return {error: error.message};
    }
  }
}

function play(seed) {
  const steps = makeSteps(random(seed));
  const oracle = spawnSync('python3', [ORACLE], {input: JSON.stringify(steps), maxBuffer: 1 << 30, encoding: 'utf8'});
  assert.equal(oracle.status, 0, oracle.stderr);
  const expected = JSON.parse(oracle.stdout);
  const subject = new Subject(seed % 2 ? 65536 : 1 << 24, seed % 3 === 0);
  for (const [i, step] of steps.entries()) {
    const said = subject.do(step);
    const context = `seed ${seed}, step ${i}: ${JSON.stringify(step).slice(0, 200)}`;
    if (expected[i]?.error !== undefined) {
      assert.ok(said?.error?.startsWith(expected[i].error), `${context}: ${JSON.stringify([said, expected[i]])}`);
    } else {
      assert.deepEqual(said, expected[i], context);
    }
  }
  while (subject.database.transactionDepth) subject.database.rollback();
  subject.rows.store(subject.database);
  subject.open();
  assert.deepEqual(subject.do(['PRAGMA integrity_check']), [['ok']], `seed ${seed}`);
}

for (let round = 0; round < ROUNDS; ++round) {
  test(`seed ${SEED + round}`, () => play(SEED + round));
}
