// Errors on their way to somebody else: what was thrown by a method, or passed on. What of them arrives depends on the
// project's compatibility date, as it does for Workers.
import {deserialize, serialize} from 'node:v8';

import {explain} from '../objects/errors.mjs';

const FIELDS_SINCE = '2026-04-21';
const STANDARD = {Error, AggregateError, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError};
const NO_FIELDS = new Set(['message', 'stack']);

let withFields = false;

// For this process.
export function setCompatibility(date, flags) {
  withFields = flags.includes('enhanced_error_serialization') ||
      (date >= FIELDS_SINCE && !flags.includes('legacy_error_serialization'));
}

// Whether errors that are passed on keep their fields, which a clone does not.
export function errorsHaveFields() { return withFields; }

export function describe(thrown) {
  if (!(thrown instanceof Error)) {
    return passable(thrown) ?? {name: 'Error', message: explain(thrown), stack: '', fields: {}};
  }
  const fields = {};
  for (const name of withFields ? Object.getOwnPropertyNames(thrown) : []) {
    const copy = NO_FIELDS.has(name) ? null : passable(thrown[name]);
    if (copy) fields[name] = copy.thrown;
  }
  const name = String(thrown.name);
  return {
    name, message: String(thrown.message), stack: String(thrown.stack ?? ''), fields,
    dom: thrown instanceof DOMException,
  };
}

// Of the language's own errors the classes stay; of others the name, which without fields becomes part of the message.
// `remote`: fields that say where it was thrown.
export function revive(described, remote = {remote: true}) {
  if ('thrown' in described) return described.thrown;
  const {name, message, stack, fields, dom} = described;
  if (dom) return Object.assign(new DOMException(message, name), remote);
  const Class = Object.hasOwn(STANDARD, name) ? STANDARD[name] : Error;
  const words = Class === Error && name !== 'Error' && !withFields ? `${name}: ${message}` : message;
  const error = Class === AggregateError ? new AggregateError([], words) : new Class(words);
  for (const [key, value] of Object.entries({...fields, ...remote})) {  // Node hides some, of errors of its own making
    Object.defineProperty(error, key, {value, writable: true, enumerable: true, configurable: true});
  }
  if (stack) error.stack = stack;
  return error;
}

function passable(value) {
  try {
    return {thrown: deserialize(serialize(value))};
  } catch {
    return null;
  }
}
