// The rows of an object, as far as it knows them: all that it has written, and what it has read. What is here is never
// older than what the statekeeper has.
import {after} from './keys.mjs';

export class Rows {
  #values = new Map();  // bytes, or null: there is none
  #complete;
  #knownBelow = '';     // all rows before this key are here
  #sorted = null;       // keys of those that there are; null: to be made
  #erased = [];         // all rows whose keys begin so, but those here, are gone
  #undo = null;         // what keys had before a transaction

  constructor(rows, complete) {
    for (const {key, value} of rows) this.#values.set(key, value);
    this.#complete = complete;
    if (!complete && rows.length > 0) this.#knownBelow = rows[rows.length - 1].key + '\0';
    if (complete || rows.length > 0) this.#sorted = rows.map(({key}) => key);
  }

  get complete() { return this.#complete; }

  // Bytes; null: there is no such row; undefined: not known.
  get(key) {
    const value = this.#values.get(key);
    if (value !== undefined) return value;
    return this.#complete || key < this.#knownBelow || this.#isErased(key) ? null : undefined;
  }

  set(key, value) {
    const before = this.#values.get(key);
    if (this.#undo && !this.#undo.has(key)) this.#undo.set(key, before);
    this.#values.set(key, value);
    if (this.#sorted && (before ?? null) === null !== (value === null)) this.#resort(key, value !== null);
  }

  // What the statekeeper says of rows that are not known.
  learn(key, value) {
    if (this.#values.has(key) || this.#isErased(key)) return;
    this.#values.set(key, value);
    if (this.#sorted && value !== null) this.#resort(key, true);
  }

  erase(prefix) {
    for (const key of this.#values.keys()) if (key.startsWith(prefix)) this.#values.delete(key);
    this.#sorted = null;
    if (!this.#isErased(prefix)) this.#erased.push(prefix);
  }

  // All from `start` to before `end`.
  knows(start, end) {
    return this.#complete || (end !== '' && end <= this.#knownBelow) ||
        (end !== '' && this.#erased.some((prefix) => start.startsWith(prefix) && end <= after(prefix)));
  }

  // Keys from `start` to before `end` (empty: to the last) of rows that are known, in order.
  keys(start, end) {
    this.#sorted ??= [...this.#values.keys()].filter((key) => this.#values.get(key) !== null).sort(byteOrder);
    const from = place(this.#sorted, start);
    return this.#sorted.slice(from, end === '' ? undefined : place(this.#sorted, end));
  }

  // Whether a key is known not to be there.
  gone(key) { return this.get(key) === null; }

  begin() { this.#undo = new Map(); }

  commit() { this.#undo = null; }

  rollBack() {
    const undo = this.#undo;
    this.#undo = null;
    for (const [key, value] of undo) {
      if (value === undefined) this.#values.delete(key);
      else this.#values.set(key, value);
    }
    this.#sorted = null;
  }

  #isErased(key) { return this.#erased.length > 0 && this.#erased.some((prefix) => key.startsWith(prefix)); }

  #resort(key, present) {
    const at = place(this.#sorted, key);
    if (present) this.#sorted.splice(at, 0, key);
    else this.#sorted.splice(at, 1);
  }
}

function byteOrder(one, other) { return one < other ? -1 : one > other ? 1 : 0; }

// Of the first that is not below.
function place(sorted, key) {
  let low = 0;
  let high = sorted.length;
  if (high === 0 || sorted[high - 1] < key) return high;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
