// All objects of this process, and what they have in common: the lanes, the classes, `env`.
import path from 'node:path';

import {INTERNAL_CLASSES} from '../internal/classes.mjs';
import {origin} from '../web/console.mjs';
import {Lane} from '../wire/lane.mjs';
import {currentContext, currentLife} from './context.mjs';
import {explain} from './errors.mjs';
import {exportsOf} from './facet_class.mjs';
import {HubObject} from './hub_object.mjs';
import {LeftBehind} from './left_behind.mjs';
import {WaitingReads} from './waiting_reads.mjs';

const ERROR = 3;

// Any that spreads hubs over lanes: the names are random to their last digits.
function laneFor(hubName, lanes) {
  let sum = 0;
  for (let i = Math.max(0, hubName.length - 8); i < hubName.length; ++i) sum = (sum * 31 + hubName.charCodeAt(i)) >>> 0;
  return sum % lanes;
}

export class HubHost {
  env = {};
  exports = {};
  compatibilityDate = '';
  left = new LeftBehind();  // by what is no object
  classes = new Map();  // by the name that the store has for each
  #names = new Map();   // in the code, by that name
  waitingReads = null;
  #lanes = [];
  #objects = [];  // of each lane, by key

  // The classes that the project has bound, out of what its bundle exports; and those of the host's own.
  use(bundle, classes) {
    this.exports = exportsOf(bundle);
    for (const {name, class: inCode = name} of classes) {
      const Class = INTERNAL_CLASSES.get(name) ?? bundle[inCode];
      if (typeof Class === 'function') this.classes.set(name, Class);
      this.#names.set(name, inCode);
    }
  }

  classNameOf(hubClass) { return this.#names.get(hubClass) ?? hubClass; }

  // `endHttp()`: takes no more requests; a promise, resolved when the last one is answered.
  connect({sockets, lanes, version, endHttp, ended}) {
    this.endHttp = endHttp;
    this.waitingReads = new WaitingReads(version);
    for (let index = 0; index < lanes; index++) {
      this.#objects.push(new Map());
      this.#lanes.push(new Lane({path: path.join(sockets, `lane-${index}`), index, version, sink: this, ended}));
    }
  }

  // Before the process ends.
  leave() { for (const objects of this.#objects) for (const object of objects.values()) object.leave(); }

  flush() { for (const lane of this.#lanes) lane.flush(); }

  // What lanes say.
  event(lane, key, record) {
    const objects = this.#objects[lane.index];
    let object = objects.get(key);
    if (!object) {
      if (!record.wake) return;  // it was dropped here already
      object = new HubObject(this, lane, record);
      objects.set(key, object);
      record.wake = null;
    }
    object.deliver(record);
  }

  durable(lane, key, turn) { this.#objects[lane.index].get(key)?.confirm(turn); }

  drop(lane, key) {
    const objects = this.#objects[lane.index];
    objects.get(key)?.drop();
    objects.delete(key);
  }

  // An object calls on its own lane. A Worker has a lane for each hub, so that calls of a hub come in their order.
  call(hubClass, hubName, payload, traceparent) {
    const lane = currentLife()?.hub.lane ?? this.#lanes[laneFor(hubName, this.#lanes.length)];
    return lane.call(hubClass, hubName, payload, traceparent);
  }

  waitUntil(promise) {
    const life = currentLife();
    if (life) life.state.waitUntil(promise);
    else this.left.add(promise, (error) => this.report(null, error));
  }

  log(log) { this.#lanes[0].log(log); }

  // An error that nobody else will hear of.
  report(context, error) { this.log({level: ERROR, ...origin(context ?? currentContext()), text: explain(error)}); }
}
