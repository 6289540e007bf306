// Values as bytes, by structured clone. What cannot be cloned is refused as browsers and Workers do.
import {deserialize, serialize} from 'node:v8';

const REFUSED = 'could not be cloned';

// `what`: how the value is called where it is refused.
export function toBytes(value, what) {
  try {
    return serialize(value);
  } catch (error) {
    if (!error?.message?.includes(REFUSED)) throw error;
    throw new DOMException(`${error.message} (${what}: functions, and what holds on to something outside, cannot be ` +
                           'copied)', 'DataCloneError');
  }
}

export function fromBytes(bytes) { return deserialize(bytes); }
