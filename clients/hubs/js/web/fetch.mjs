// fetch as objects have it: it leaves when all that the object has written is durable, the object does not sleep
// meanwhile, and its answer comes in through the input gate.
import {currentContext} from '../objects/context.mjs';

const native = globalThis.fetch;

export async function fetch(input, init) {
  const context = currentContext();
  const life = context?.life;
  if (!life) return native(input, init);
  life.hub.hold();
  try {
    await life.hub.durable();
    const response = await native(input, init);
    await context.gate.standing.enter();
    return response;
  } finally {
    life.hub.release();
  }
}
