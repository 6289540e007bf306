// What storage.sql costs in the worker: node bench.mjs. Microseconds for one of each.
import {Rows} from './testing/rows.mjs';

const ROWS = 10000;
const rows = new Rows();
const database = rows.open();
const {sql} = database;
sql.exec('CREATE TABLE t(id INTEGER PRIMARY KEY, word TEXT, n INTEGER)');
for (let id = 1; id <= ROWS; ++id) sql.exec('INSERT INTO t VALUES(?, ?, ?)', id, `word ${id}`, id * 7);
rows.store(database);

let next = 0;
const id = () => 1 + (next = (next * 1103515245 + 12345) & 0x7fffffff) % ROWS;

function measure(what, times, run) {
  for (let i = 0; i < times / 10; ++i) run();
  const rounds = [];
  for (let round = 0; round < 5; ++round) {
    const begin = process.hrtime.bigint();
    for (let i = 0; i < times; ++i) run();
    rounds.push(Number(process.hrtime.bigint() - begin) / 1000 / times);
  }
  rounds.sort((one, other) => one - other);
  console.log(`${what.padEnd(44)} ${rounds[2].toFixed(2).padStart(10)} us`);
}

measure('a read by primary key: exec().one()', 50000,
        () => sql.exec('SELECT id, word, n FROM t WHERE id = ?', id()).one());
measure('an update by primary key', 20000, () => sql.exec('UPDATE t SET n = n + 1 WHERE id = ?', id()));
measure('an update, and taking the changes', 5000, () => {
  sql.exec('UPDATE t SET n = n + 1 WHERE id = ?', id());
  database.confirmChanges(database.takeChanges().number);
});
measure('100 rows: exec().toArray()', 2000,
        () => sql.exec('SELECT id, word, n FROM t WHERE id BETWEEN ?1 AND ?1 + 99', 1 + id() % 9000).toArray());
measure('opening, and a read by primary key', 2000, () => {
  const opened = rows.open();
  opened.sql.exec('SELECT word FROM t WHERE id = ?', id()).one();
  opened.close();
});
