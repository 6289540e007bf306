// The input gate of an object: while it is locked, for a read of storage or a blockConcurrencyWhile, nobody gets in.
// Those outside are new events, and code of the object that comes back from elsewhere: a fetch, a timer. One gets in at
// a time: it may lock the gate behind itself.
//
// blockConcurrencyWhile gives its callback a gate of its own inside the one that it locks.
import {whenReady} from './rounds.mjs';

export class InputGate {
  listed = false;  // for the next round
  #outer;
  #locks = 0;
  #closed = false;
  #waiting = [];
  #events;  // who lets events in

  // `events`: {waiting, next()}, of the outermost gate.
  constructor(outer, events = null) {
    this.#outer = outer;
    this.#events = events;
  }

  get locked() { return this.#locks > 0; }

  // The gate that now stands for this one.
  get standing() {
    let gate = this;
    while (gate.#closed) gate = gate.#outer;
    return gate;
  }

  lock() { this.#locks++; }

  unlock() {
    if (--this.#locks === 0) this.#wake();
  }

  // Resolves when whoever waits has got in.
  enter() {
    if (!this.locked) return Promise.resolve();
    return new Promise((resolve) => { this.#waiting.push(resolve); });
  }

  // What is inside goes on outside.
  close() {
    this.#closed = true;
    for (const resolve of this.#waiting.splice(0)) this.standing.#waiting.push(resolve);
    this.standing.#wake();
  }

  // Called in rounds.
  admit() {
    if (this.locked) return;
    if (this.#waiting.length > 0) this.#waiting.shift()();
    else this.#events?.next();
    this.#wake();
  }

  arrived() { whenReady(this); }

  #wake() {
    if (!this.locked && (this.#waiting.length > 0 || this.#events?.waiting)) whenReady(this);
  }
}
