// What all objects have whose code runs here, a hub of its own (hub_object.mjs) or a facet of one (facet_object.mjs): the
// line of what has come for it and has not begun, its rows, its database, and transactions over both.
import {Effect} from '../wire/from_worker.mjs';
import {SqlPages} from './sql_pages.mjs';

export class StoredObject {
  rows;
  alarmMs = 0;           // 0: none
  timers = new Map();    // ms by name; a Map that is never changed
  life;
  waiting = [];          // events that have not begun
  #begun = 0;            // where in `waiting` the next one is
  #sql = null;           // once it is used
  #transaction = null;   // effects that count when it ends well
  #alarmBefore = 0;      // the transaction
  #timersBefore = null;

  // Of who derives from it:
  //   say(kind, first, second): an effect
  //   wrote(): something that may not be durable yet
  //   usesSql(): the database is about to be used
  //   readRange(range), readNow(read): what of rows the statekeeper has

  // ---- events

  enqueue(record) {
    this.waiting.push(record);
    this.life.gate.arrived();
  }

  get hasWaiting() { return this.#begun < this.waiting.length; }

  get nextWaiting() { return this.waiting[this.#begun]; }

  takeWaiting() {
    const record = this.waiting[this.#begun];
    this.waiting[this.#begun++] = undefined;
    if (this.#begun === this.waiting.length) {
      this.waiting.length = 0;
      this.#begun = 0;
    }
    return record;
  }

  // ---- writing

  // Of rows, the alarm and timers, which wait for the end of a transaction.
  write(kind, first, second, {allowUnconfirmed = false} = {}) {
    if (kind === Effect.PUT) this.rows.set(first, second);
    else if (kind === Effect.DELETE) this.rows.set(first, null);
    if (!allowUnconfirmed) this.wrote();
    if (this.#transaction) this.#transaction.push(kind, first, second, undefined);
    else this.say(kind, first, second);
  }

  // What is known of a timer; 0: it is not set.
  keepTimer(name, due) {
    const timers = new Map(this.timers);
    if (due === 0) timers.delete(name);
    else timers.set(name, due);
    this.timers = timers;
  }

  get inTransaction() { return this.#transaction !== null; }

  begin() {
    this.#transaction = [];
    this.#alarmBefore = this.alarmMs;
    this.#timersBefore = this.timers;
    this.rows.begin();
  }

  commit() {
    const effects = this.#transaction;
    if (!effects) throw new Error('The transaction has ended already.');
    this.#sql?.commit();
    this.#transaction = null;
    this.rows.commit();
    this.wrote();
    for (let at = 0; at < effects.length; at += 4) this.say(effects[at], effects[at + 1], effects[at + 2]);
  }

  rollBack() {
    if (!this.#transaction) return;
    this.#transaction = null;
    this.alarmMs = this.#alarmBefore;
    this.timers = this.#timersBefore;
    this.rows.rollBack();
    this.#sql?.rollBack();
  }

  // ---- the database

  // For code that is about to use it.
  get sql() {
    this.usesSql();
    return this.#sql ??= new SqlPages(this);
  }

  get usedSql() { return this.#sql !== null; }

  get sqlHasChanges() { return this.#sql !== null && this.#sql.hasChanges; }

  get pagesWait() { return this.#transaction === null && this.sqlHasChanges; }

  // Adds what has changed to the effects of a turn.
  collectPages(effects, turn) {
    try {
      this.#sql.collect(effects, turn);
    } catch (error) {  // constraints that are checked at the end, say
      this.closeSql();
      this.life.abort(error);
    }
  }

  confirmPages(turn) { this.#sql?.confirm(turn); }

  closeSql() {
    this.#sql?.close();
    this.#sql = null;
  }

  // ---- reading

  // Makes these known.
  async readRows(keys) {
    const missing = keys.filter((key) => this.rows.get(key) === undefined);
    for (let at = 0; at < missing.length;) {
      const {rows, more} = await this.readRange({keys: missing.slice(at)});
      for (const {key, value} of rows) this.rows.learn(key, value);
      const through = more && rows.length > 0 ? missing.indexOf(rows[rows.length - 1].key) + 1 : missing.length;
      for (; at < through; at++) this.rows.learn(missing[at], null);
    }
  }

  // Makes a row known before it returns.
  waitForRow(key) {
    if (this.rows.get(key) !== undefined) return;
    const {rows} = this.readNow({keys: [key]});
    this.rows.learn(key, rows.length > 0 ? rows[0].value : null);
  }

  waitForRange(start, end) {
    for (let from = start; !this.rows.knows(start, end);) {
      const {rows, more} = this.readNow({start: from, end});
      for (const {key, value} of rows) this.rows.learn(key, value);
      if (!more || rows.length === 0) break;
      from = rows[rows.length - 1].key + '\x01';
    }
  }
}
