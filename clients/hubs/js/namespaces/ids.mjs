// Names of objects: 64 hexadecimal digits. The first byte says which kind of id it is, the last eight are a checksum
// of the others and the class, so that an id of another class is not taken for one of this.
import {createHash, randomBytes} from 'node:crypto';

const NAMED = 0x01;
const UNIQUE = 0x02;
const BODY = 24;  // bytes before the checksum
const CHECK = 8;

export class DurableObjectId {
  #hex;
  name;

  constructor(hex, name) {
    this.#hex = hex;
    if (name === undefined) delete this.name;
    else this.name = name;
  }

  toString() { return this.#hex; }
  toJSON() { return this.#hex; }
  equals(other) { return other instanceof DurableObjectId && other.#hex === this.#hex; }
}

// A name is text, whatever is given: a header that is not there, say, is "null".
export function idFromName(hubClass, given) {
  const name = `${given}`;
  const body = Buffer.alloc(BODY);
  digest('name', hubClass, name).copy(body, 1, 0, BODY - 1);
  body[0] = NAMED;
  return new DurableObjectId(withCheck(hubClass, body), name);
}

export function newUniqueId(hubClass) {
  const body = randomBytes(BODY);
  body[0] = UNIQUE;
  return new DurableObjectId(withCheck(hubClass, body));
}

export function idFromString(hubClass, hex) {
  if (typeof hex !== 'string' || !/^[0-9a-fA-F]{64}$/.test(hex)) {
    throw new TypeError('Invalid Durable Object ID: must be 64 hex digits');
  }
  const lower = hex.toLowerCase();
  if (withCheck(hubClass, Buffer.from(lower, 'hex').subarray(0, BODY)) !== lower) {
    throw new TypeError('Durable Object ID is not valid for this namespace.');
  }
  return new DurableObjectId(lower);
}

export function isId(hubClass, text) {
  try {
    return idFromString(hubClass, text).toString() === text;
  } catch {
    return false;
  }
}

// Of a hub that is there.
export function idOf(hubName, name) { return new DurableObjectId(hubName, name); }

function withCheck(hubClass, body) {
  return Buffer.concat([body, digest('check', hubClass, body).subarray(0, CHECK)]).toString('hex');
}

function digest(purpose, hubClass, rest) {
  return createHash('sha256').update(`dormouse ${purpose}\0${hubClass}\0`).update(rest).digest();
}
