// Which methods of an object others may call: those of its class, not what an instance carries, and none that the
// runtime calls itself.
import {TIMER_HANDLER} from '../objects/named_timers.mjs';

const RESERVED = new Set([
  'constructor', 'fetch', 'connect', 'alarm', 'webSocketMessage', 'webSocketClose', 'webSocketError', 'dup', 'tail',
  'trace', 'scheduled', 'queue', 'email', TIMER_HANDLER,
]);

// `args` null: a property is read. Returns what comes of it, perhaps a promise.
export function callMethod(instance, name, args) {
  if (RESERVED.has(name)) throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
  const holder = ownerOf(Object.getPrototypeOf(instance), name);
  if (!holder) throw new TypeError(`The RPC receiver does not implement the method "${name}".`);
  const value = instance[name];
  if (args === null) {
    if (typeof value === 'function') throw new TypeError(`"${name}" is a method; functions cannot be passed on.`);
    return value;
  }
  if (typeof value !== 'function') throw new TypeError(`"${name}" is not a function.`);
  return value.apply(instance, args);
}

function ownerOf(prototype, name) {
  for (let one = prototype; one && one !== Object.prototype; one = Object.getPrototypeOf(one)) {
    if (Object.hasOwn(one, name)) return one;
  }
  return null;
}
