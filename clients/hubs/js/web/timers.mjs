// Timers as objects have them: the object does not sleep while one is set, they come in through the input gate, and go
// with the object, and with an event whose handler is given up. In a Worker's own code they are Node's.
import {currentContext} from '../objects/context.mjs';

const native = {
  setTimeout: globalThis.setTimeout, setInterval: globalThis.setInterval,
  clearTimeout: globalThis.clearTimeout, clearInterval: globalThis.clearInterval,
};
const lives = new WeakMap();  // of timers that are set

export function setTimeout(callback, delay, ...args) {
  const context = currentContext();
  if (!context?.life) return native.setTimeout(callback, delay, ...args);
  const timer = native.setTimeout(() => {
    enter(context, () => {
      if (forget(timer) && !context.record?.givenUp) callback(...args);
    });
  }, delay);
  return remember(timer, context.life);
}

export function setInterval(callback, delay, ...args) {
  const context = currentContext();
  if (!context?.life) return native.setInterval(callback, delay, ...args);
  let waiting = false;  // for the gate; then the next one adds nothing
  const timer = native.setInterval(() => {
    if (waiting) return;
    waiting = true;
    enter(context, () => {
      waiting = false;
      if (context.record?.givenUp) clearInterval(timer);
      else if (lives.has(timer)) callback(...args);
    });
  }, delay);
  return remember(timer, context.life);
}

export function clearTimeout(timer) {
  forget(timer);
  native.clearTimeout(timer);
}

export const clearInterval = clearTimeout;

function enter({life, gate}, call) {
  const standing = gate.standing;
  if (!standing.locked) call();
  else standing.enter().then(() => { if (!life.over) call(); });
}

function remember(timer, life) {
  if (life.over) {
    native.clearTimeout(timer);
    return timer;
  }
  life.hub.hold();
  lives.set(timer, life);
  life.timers.add(timer);
  return timer;
}

// Whether it was set.
function forget(timer) {
  if (typeof timer !== 'object' || timer === null) return false;
  const life = lives.get(timer);
  if (!life) return false;
  lives.delete(timer);
  life.timers.delete(timer);
  life.hub.release();
  return true;
}
