// What waits to be sent, first in, first out, and bounded. Entries have a `number` that grows.
import {DormouseError} from './errors.js';

export class Outbox {
  #entries = [];
  #limit;

  constructor(limit) { this.#limit = limit; }

  get size() { return this.#entries.length; }
  // undefined: nothing waits.
  get oldest() { return this.#entries[0]; }

  add(entry) {
    if (this.#entries.length >= this.#limit) {
      throw new DormouseError('queue_full', `${this.#limit} messages wait to be sent already.`, {
        resolution: 'Await drained() before sending more, send what only its latest value counts of with the option ' +
          'latest, or raise the option queueLimit.',
        details: {limit: this.#limit},
      });
    }
    this.#entries.push(entry);
  }

  // One that waits with the same `latest` gives its place to this one. Returns it; undefined: there is none.
  supersede(entry) {
    const at = this.#entries.findIndex(({latest}) => latest === entry.latest);
    if (at < 0) return undefined;
    const [old] = this.#entries.splice(at, 1, entry);
    entry.number = old.number;
    return old;
  }

  // The one with this id; undefined: it does not wait.
  of(id) { return this.#entries.find(({frame}) => frame.id === id); }

  // Whether one waits with this `latest`.
  has(wanted) { return this.#entries.some(({latest}) => latest === wanted); }

  // What was taken goes back to where it was, whatever the limit.
  putBack(entry) {
    const at = this.#entries.findIndex(({number}) => number > entry.number);
    this.#entries.splice(at < 0 ? this.#entries.length : at, 0, entry);
  }

  // The oldest that may go now; undefined: none.
  take(mayGo) {
    const at = this.#entries.findIndex(mayGo);
    return at < 0 ? undefined : this.#entries.splice(at, 1)[0];
  }

  remove(entry) {
    const at = this.#entries.indexOf(entry);
    if (at >= 0) this.#entries.splice(at, 1);
  }

  // Takes all.
  clear() { return this.#entries.splice(0); }
}
