// ctx.storage: keys and values in the rows of the hub. What is read once is kept; what is written counts at once here
// and goes with the object's next turn.
import {Effect} from '../wire/from_worker.mjs';
import {Kind} from '../wire/event_record.mjs';
import {currentContext} from './context.mjs';
import {after, boundKey, CHUNK, rowKey, userKey, VALUE} from './keys.mjs';
import {Sql} from './sql.mjs';
import {SyncKeys} from './sync_keys.mjs';
import {bytesOf, deleteValue, missingChunks, readValue, writeValue} from './values.mjs';

const ALARM_GOES_SINCE = '2026-02-24';
const MAX_KEYS = 128;          // of one call
const MIN_KEY = '\x01';        // no key's rest is below

export class Storage {
  #life;
  #hub;
  #kv = null;
  #sql = null;

  constructor(life) {
    this.#life = life;
    this.#hub = life.hub;
  }

  // ---- keys and values

  get(key, options = {}) {
    return this.#attempt(() => Array.isArray(key) ? this.#getMany(key, options) : this.#getOne(key, options));
  }

  put(key, value, options) {
    return this.#attempt(() => {
      if (typeof key === 'string') {
        this.#put([[key, value]], options);
        return undefined;
      }
      if (typeof key !== 'object' || key === null) throw new TypeError('put() takes a key and a value, or an object.');
      const entries = Object.entries(key);
      few(entries.length);
      this.#put(entries, value);
      return undefined;
    });
  }

  delete(key, options = {}) {
    return this.#attempt(() => {
      const keys = Array.isArray(key) ? key : [key];
      few(keys.length);
      const names = keys.map(nameOf);
      return this.#known(names, options, () => {
        let deleted = 0;
        for (const name of names) {
          if (this.#hub.rows.get(name) === null) continue;
          deleteValue(this.#hub, name, options);
          deleted++;
        }
        return Array.isArray(key) ? deleted : deleted > 0;
      });
    });
  }

  list(options = {}) {
    return this.#attempt(() => {
      const range = rangeOf(options);
      if (range.empty) return new Map();
      const {rows} = this.#hub;
      if (rows.knows(range.start, range.end) && missingChunks(rows, this.#namesIn(range)).length === 0) {
        return this.#pick(range);
      }
      return this.#locked(options, () => this.#readRange(range));
    });
  }

  // Keys, values, tables and facets; and, since a compatibility date, the alarm, and timers with it.
  deleteAll(options = {}) {
    return this.#attempt(() => {
      if (this.#hub.inTransaction) throw new Error('Cannot call deleteAll() within a transaction');
      for (const prefix of [VALUE, CHUNK]) {
        this.#hub.rows.erase(prefix);
        this.#hub.write(Effect.DELETE_PREFIX, prefix, undefined, options);
      }
      if (this.#hub.hasTables) this.#hub.sql.clear();
      if (this.#hub.host.compatibilityDate >= ALARM_GOES_SINCE) {
        this.#setAlarm(0, options);
        const {timers} = this.#life.state.dormouse;
        for (const name of timers.list().keys()) timers.delete(name, options);
      }
      this.#life.facets.deleteAll();
      return undefined;
    });
  }

  get sql() { return this.#sql ??= new Sql(this.#life); }

  get kv() { return this.#kv ??= new SyncKeys(this.#hub); }

  // ---- transactions

  // All that is written inside, or nothing. Others wait meanwhile.
  transaction(closure) {
    return this.#life.state.blockConcurrencyWhile(async () => {
      if (this.#hub.inTransaction) throw new Error('A transaction is under way.');
      const transaction = new Transaction(this);
      this.#hub.begin();
      try {
        const value = await closure(transaction);
        if (transaction.rolledBack) this.#hub.rollBack();
        else this.#hub.commit();
        return {value};
      } catch (error) {
        this.#hub.rollBack();
        return {error};
      } finally {
        transaction.over = true;
      }
    }).then((outcome) => {
      if ('error' in outcome) throw outcome.error;
      return outcome.value;
    });
  }

  transactionSync(closure) {
    if (this.#hub.inTransaction) throw new Error('A transaction is under way.');
    this.#hub.begin();
    let value;
    try {
      value = closure();
    } catch (error) {
      this.#hub.rollBack();
      throw error;
    }
    this.#hub.commit();
    return value;
  }

  async sync() { await this.#hub.durable(); }

  // ---- alarms

  getAlarm() { return this.#attempt(() => this.#hub.alarmMs === 0 ? null : this.#hub.alarmMs); }

  setAlarm(time, options = {}) {
    return this.#attempt(() => {
      if (typeof this.#life.instance?.alarm !== 'function' && this.#life.instance) {
        throw new TypeError('Your Durable Object class must have an alarm() handler in order to call setAlarm().');
      }
      const due = time instanceof Date ? time.getTime() : Number(time);
      if (!Number.isFinite(due)) throw new TypeError('setAlarm() takes a Date, or milliseconds since 1970.');
      if (!this.#hub.hasAlarms) throw new Error('Facets currently cannot set alarms.');
      if (due < 0) throw new TypeError('setAlarm() cannot be called with an alarm time <= 0');
      this.#setAlarm(Math.max(1, Math.floor(due)), options);
      return undefined;
    });
  }

  deleteAlarm(options = {}) { return this.#attempt(() => this.#setAlarm(0, options)); }

  #setAlarm(due, options) {
    if (!this.#hub.hasAlarms) return;
    this.#hub.alarmMs = due;
    const record = currentContext()?.record;
    if (record?.kind === Kind.ALARM && record.life === this.#life && !record.done) record.nextMs = due;
    else this.#hub.write(Effect.ALARM, due, undefined, options);
  }

  // ---- inside

  // As an async function, without a microtask more than it needs.
  #attempt(action) {
    try {
      if (this.#life.over) throw new Error('This object has been reset.');
      return Promise.resolve(action());
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #getOne(key, options) {
    const name = nameOf(key);
    return this.#known([name], options, () => readValue(this.#hub.rows, name));
  }

  #getMany(keys, options) {
    few(keys.length);
    const wanted = [...new Set(keys.map(String))].map((key) => [key, rowKey(key)]).sort((one, other) =>
      one[1] < other[1] ? -1 : 1);
    return this.#known(wanted.map(([, name]) => name), options, () => {
      const values = new Map();
      for (const [key, name] of wanted) {
        const value = readValue(this.#hub.rows, name);
        if (value !== undefined) values.set(key, value);
      }
      return values;
    });
  }

  #put(entries, options = {}) {
    const rows = entries.map(([key, value]) => [nameOf(key), bytesOf(value)]);
    for (const [name, bytes] of rows) writeValue(this.#hub, name, bytes, options);
  }

  // `use()` when all these rows are known: at once, or when they have been read.
  #known(names, options, use) {
    const {rows} = this.#hub;
    if (names.every((name) => rows.get(name) !== undefined) && missingChunks(rows, names).length === 0) return use();
    return this.#locked(options, async () => {
      await this.#hub.readRows(names);
      await this.#hub.readRows(missingChunks(rows, names));
      return use();
    });
  }

  // Nobody gets in while `read` reads.
  async #locked({allowConcurrency = false} = {}, read) {
    if (allowConcurrency) return read();
    const context = currentContext();
    const gate = (context?.life === this.#life ? context.gate : this.#life.gate).standing;
    gate.lock();
    try {
      return await read();
    } finally {
      gate.unlock();
    }
  }

  #namesIn({start, end, reverse, limit}) {
    const names = this.#hub.rows.keys(start, end);
    if (reverse) names.reverse();
    if (limit < names.length) names.length = limit;
    return names;
  }

  #pick(range) {
    const {rows} = this.#hub;
    return new Map(this.#namesIn(range).map((name) => [userKey(name), readValue(rows, name)]));
  }

  async #readRange(range) {
    await this.#readNames(range);
    await this.#hub.readRows(missingChunks(this.#hub.rows, this.#namesIn(range)));
    return this.#pick(range);
  }

  // Makes rows known until there are `limit` of the range, or all.
  async #readNames({start, end, reverse, limit}) {
    const {rows} = this.#hub;
    let from = start;
    let to = end;
    const names = new Set();
    for (;;) {
      // Some of those that come may be gone here already.
      const answer = await this.#hub.readRange({start: from, end: to, reverse, limit: 0});
      for (const {key, value} of answer.rows) {
        rows.learn(key, value);
        if (!rows.gone(key)) names.add(key);
      }
      if (!answer.more || answer.rows.length === 0 || names.size >= limit) break;
      const last = answer.rows[answer.rows.length - 1].key;
      if (reverse) to = last;
      else from = last + MIN_KEY;
    }
  }
}

// What transaction() gives its closure.
class Transaction {
  over = false;
  rolledBack = false;
  #storage;

  constructor(storage) { this.#storage = storage; }

  get(...args) { return this.#use().get(...args); }
  put(...args) { return this.#use().put(...args); }
  delete(...args) { return this.#use().delete(...args); }
  list(...args) { return this.#use().list(...args); }
  deleteAll() { throw new Error('Cannot call deleteAll() within a transaction'); }
  getAlarm(...args) { return this.#use().getAlarm(...args); }
  setAlarm(...args) { return this.#use().setAlarm(...args); }
  deleteAlarm(...args) { return this.#use().deleteAlarm(...args); }

  rollback() {
    if (this.rolledBack) return;
    this.#use();
    this.rolledBack = true;
  }

  #use() {
    if (this.over) throw new Error('Cannot use a transaction that has ended.');
    if (this.rolledBack) throw new Error('Cannot use a transaction after rollback().');
    return this.#storage;
  }
}

function nameOf(key) {
  if (typeof key !== 'string') throw new TypeError(`A key is a string, not ${key === null ? 'null' : typeof key}.`);
  return rowKey(key);
}

function few(count) {
  if (count > MAX_KEYS) throw new RangeError(`Maximum number of keys is ${MAX_KEYS}.`);
}

// Names of rows from `start` to before `end`.
export function rangeOf({start, startAfter, end, prefix, reverse = false, limit} = {}) {
  if (start !== undefined && startAfter !== undefined) {
    throw new TypeError('list() cannot be called with both start and startAfter values.');
  }
  if (limit !== undefined && !(Number(limit) > 0)) throw new TypeError('List limit must be positive.');
  let from = boundKey(prefix ?? '');
  let to = after(from);
  if (start !== undefined) from = later(from, boundKey(start));
  if (startAfter !== undefined) from = later(from, boundKey(startAfter) + MIN_KEY);
  if (end !== undefined && boundKey(end) < to) to = boundKey(end);
  return {start: from, end: to, reverse: Boolean(reverse), limit: limit === undefined ? Infinity : Number(limit),
    empty: from >= to};
}

function later(one, other) { return one > other ? one : other; }
