// In whose name code runs: of an event (its EventRecord), or of a part of one that keeps all others out (see
// InputGate). It follows promises, timers and callbacks by itself; undefined in a Worker's own code.
import {AsyncLocalStorage} from 'node:async_hooks';

const contexts = new AsyncLocalStorage();

// `call(argument)` runs in the context.
export function runIn(context, call, argument) { return contexts.run(context, call, argument); }

export function currentContext() { return contexts.getStore(); }

// The life of the object that runs; null: none does.
export function currentLife() { return contexts.getStore()?.life ?? null; }
