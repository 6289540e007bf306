// ctx.dormouse.timers: for things that are to happen at times of their own, beside the alarm. Cloudflare has none; the name
// is one that it will not give to anything else.
import {Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {currentContext} from './context.mjs';

export const TIMER_HANDLER = 'dormouseTimer';
const MAX_NAME = 64;  // bytes
const RETRIES = 6;    // of one that fails; then the statekeeper drops it

export class NamedTimers {
  #life;
  #hub;

  constructor(life) {
    this.#life = life;
    this.#hub = life.hub;
  }

  // dormouseTimer(name, info) runs then, or as soon after as can be, asleep or awake, at least once.
  set(name, time, options = {}) {
    const {instance} = this.#life;
    if (instance && typeof instance[TIMER_HANDLER] !== 'function') {
      throw new TypeError(`${this.#hub.className} needs a method ${TIMER_HANDLER}(name, info) before timers.set() is called.`);
    }
    const due = time instanceof Date ? time.getTime() : Number(time);
    if (!Number.isFinite(due)) throw new TypeError('timers.set() takes a name, and a Date or milliseconds since 1970.');
    checkName(name);
    const {maxTimers, timers} = this.#hub;
    if (!this.#hub.hasAlarms) throw new Error('A facet has no timers: let the object that it belongs to set them.');
    if (maxTimers === 0) throw new Error('The statekeeper is of a version that has no timers: upgrade it first.');
    if (!timers.has(name) && timers.size >= maxTimers) throw new RangeError(`An object has at most ${maxTimers} timers.`);
    this.#change(name, Math.max(1, Math.floor(due)), options);
  }

  // Milliseconds since 1970, or null.
  get(name) { return this.#hub.timers.get(name) ?? null; }

  delete(name, options = {}) {
    checkName(name);
    // Also where it is not known: one that waits for its next try.
    if (this.#hub.maxTimers > 0) this.#change(name, 0, options);
  }

  // When each is due, by its name.
  list() { return new Map([...this.#hub.timers].sort(([one], [other]) => one < other ? -1 : 1)); }

  // What the running timer's own handler says of it goes with its last turn.
  #change(name, due, options) {
    if (this.#life.over) throw new Error('This object has been reset.');
    this.#hub.keepTimer(name, due);
    const record = currentContext()?.record;
    if (record?.kind === Kind.TIMER && record.body.name === name && record.life === this.#life && !record.done) {
      record.nextMs = due;
    } else {
      this.#hub.write(Effect.TIMER, name, due, options);
    }
  }
}

export async function runTimer(record) {
  const {hub, instance} = record.life;
  const {name, attempt} = record.body;
  record.body.dueMs = hub.timers.get(name) ?? record.nowMs;
  hub.keepTimer(name, 0);
  if (typeof instance[TIMER_HANDLER] !== 'function') throw new Error(`${hub.className} has no handler ${TIMER_HANDLER}.`);
  await instance[TIMER_HANDLER](name, {retryCount: attempt, isRetry: attempt > 0});
}

// It has failed: it is tried again, whatever it has set itself; but not if somebody else has set it meanwhile.
export function timerFailed(record) {
  const {hub} = record.life;
  const {name, attempt, dueMs} = record.body;
  if (dueMs === undefined || hub.timers.get(name) !== (record.nextMs > 0 ? record.nextMs : undefined)) return;
  hub.keepTimer(name, attempt < RETRIES ? dueMs : 0);
}

function checkName(name) {
  if (typeof name !== 'string') throw new TypeError(`A timer's name is a string, not ${name === null ? 'null' : typeof name}.`);
  if (!name.isWellFormed()) throw new TypeError('A timer\'s name has no half of a surrogate pair.');
  const bytes = Buffer.byteLength(name);
  if (bytes === 0 || bytes > MAX_NAME) throw new RangeError(`A timer's name has 1 to ${MAX_NAME} bytes; this one has ${bytes}.`);
}
