// From the constructor of a Durable Object's class to the moment when the object is dropped or breaks.
// Not those of objects, which wait for the gate.
import {clearTimeout, setTimeout} from 'node:timers';

import {Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {backendError} from '../namespaces/backend.mjs';
import {errorReply} from '../namespaces/payload.mjs';
import * as timers from '../web/timers.mjs';
import {runIn} from './context.mjs';
import {explain} from './errors.mjs';
import {Facets} from './facets.mjs';
import {handle, prepare} from './handlers.mjs';
import {InputGate} from './input_gate.mjs';
import {timerFailed} from './named_timers.mjs';
import {whenSettled} from './rounds.mjs';
import {DurableObjectState} from './state.mjs';

export class Life {
  hub;
  state;     // the `ctx` of its class
  gate;
  instance = null;
  over = false;
  timers = new Set();
  #running = new Set();  // events that have begun and are not done
  #ends = new AbortController();
  #facets = null;

  constructor(hub) {
    this.hub = hub;
    this.gate = new InputGate(null, this);
    this.state = new DurableObjectState(this);
  }

  get facets() { return this.#facets ??= new Facets(this); }

  // Aborted when it is over.
  get signal() { return this.#ends.signal; }

  get waiting() { return !this.over && this.hub.hasWaiting; }

  // Called by the gate when the next event may get in.
  next() {
    if (!this.waiting) return;
    const {hub} = this;
    if (!this.instance) {
      if (!hub.notesKnown) {
        this.#awaitNotes();
        return;
      }
      this.#construct(hub.nextWaiting);
      if (this.over || this.gate.locked) return;
    }
    this.#start(hub.takeWaiting());
  }

  // Called in rounds, when the handler has ended.
  finish(record) {
    if (record.done) return;
    this.#running.delete(record);
    record.done = true;
    if (record.outgoing) Promise.allSettled(record.outgoing).then(() => this.#sayDone(record));
    else this.#sayDone(record);
  }

  #sayDone(record) {
    const {hub} = this;
    let failure = '';
    if (record.kind === Kind.CALL) {  // whoever has called it hears of an error
      hub.endEvent(record);
      return;
    }
    if (record.kind === Kind.REQUEST) {
      if (record.error) hub.host.report(record, record.error.thrown);
      const failed = record.isOfBackend ? backendError : errorReply;
      hub.effectOf(record.number, Effect.REPLY, record.error ? failed(record.error.thrown, hub) : record.result);
    } else if (record.handled) {
      if (record.error) hub.host.report(record, record.error.thrown);
      hub.effectOf(record.number, Effect.REPLY, record.handled());
    } else if (record.error) {
      failure = explain(record.error.thrown);
      if (record.kind === Kind.OPEN) {  // the client may get to see the failure
        hub.host.report(record, record.error.thrown);
        failure = failure.split('\n', 1)[0];
      }
    }
    if (record.kind === Kind.TIMER && record.error) timerFailed(record);
    if (record.nextMs >= 0) {
      if (record.kind === Kind.TIMER) hub.effectOf(record.number, Effect.TIMER, record.body.name, record.nextMs);
      else hub.effectOf(record.number, Effect.ALARM, record.nextMs);
    }
    hub.endEvent(record, failure);
  }

  // The object starts over with the next event; what is under way fails.
  abort(error) {
    if (this.over) return;
    const running = [...this.#running];
    // The event that has begun this life may still wait for the constructor to end.
    if (this.hub.hasWaiting && this.#running.has(this.hub.nextWaiting)) this.hub.takeWaiting();
    this.end(error);
    this.hub.rollBack();
    // Nobody listens to these any more.
    for (const connection of [...this.hub.sockets.values()]) if (connection.live) connection.giveUp();
    for (const record of running) {
      record.error = {thrown: error};
      this.finish(record);
    }
    this.hub.replaceLife(error);
  }

  end(error) {
    this.over = true;
    this.#facets?.end(error);
    this.#running.clear();
    for (const timer of this.timers) timers.clearTimeout(timer);
    this.#ends.abort(error);
  }

  #awaitNotes() {
    this.gate.lock();
    this.hub.learnNotes().then(() => this.gate.unlock(), (error) => this.abort(error));
  }

  #construct(record) {
    const {hub} = this;
    const {Class} = hub;
    this.#enter(record);
    try {
      if (!Class) throw new Error(`The bundle exports no class ${hub.className}.`);
      this.instance = runIn(record, () => {
        prepare(record);
        return new Class(this.state, hub.host.env);
      });
    } catch (error) {
      this.abort(error);
    }
  }

  #enter(record) {
    record.life = this;
    record.gate = this.gate;
    this.#running.add(record);
  }

  #start(record) {
    if (record.life !== this) this.#enter(record);
    let result;
    try {
      result = runIn(record, handle, record);
    } catch (error) {
      record.error = {thrown: error};
      whenSettled(record);
      return;
    }
    if (result === null || typeof result !== 'object' || typeof result.then !== 'function') {
      record.result = result;
      whenSettled(record);
      return;
    }
    const limit = this.#limit(record);
    result.then(
      (value) => {
        clearTimeout(limit);
        record.result = value;
        whenSettled(record);
      },
      (error) => {
        clearTimeout(limit);
        record.error = {thrown: error};
        whenSettled(record);
      });
  }

  // setHibernatableWebSocketEventTimeout: the handler is given up, the object is not.
  #limit(record) {
    const {eventTimeout} = this.hub;
    if (eventTimeout === null || record.number === 0 || !(record.kind === Kind.MESSAGE || record.kind === Kind.CLOSE)) {
      return undefined;
    }
    const connection = this.hub.sockets.get(record.connection);
    if (!connection || connection.live) return undefined;
    const timer = setTimeout(() => {
      if (record.done || this.over) return;
      record.givenUp = true;
      record.error = {thrown: new Error(`The handler of this event took over ${eventTimeout} ms, and is given up.`)};
      if (record.kind === Kind.CLOSE) connection.gone();
      this.finish(record);
    }, eventTimeout);
    timer.unref();
    return timer;
  }
}
