// What the language has in workerd and not yet in the Node that runs this: Debian's 18 is years behind. Where Node has
// it, Node's stays.
const ITERATOR = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

export function completeLanguage() {
  for (const [owner, methods] of [
    [Promise, promises], [Array, arrays], [Object, objects], [Map, maps], [Set.prototype, sets], [RegExp, expressions],
    [Error, errors], [Uint8Array, bytes], [Uint8Array.prototype, ofBytes], [Map.prototype, inserting],
    [WeakMap.prototype, inserting], [ITERATOR, iterators], [ArrayBuffer.prototype, buffers], [URL, urls],
    [Array.prototype, ofArrays], [String.prototype, strings], [AbortSignal, signals],
  ]) {
    for (const name of Object.keys(methods)) {
      if (!Object.hasOwn(owner, name)) define(owner, name, methods[name]);
    }
  }
  if (!globalThis.Iterator) define(globalThis, 'Iterator', Iterator);
}

function define(owner, name, value) {
  Object.defineProperty(owner, name, {value, writable: true, configurable: true, enumerable: false});
}

const promises = {
  withResolvers() {
    let resolve;
    let reject;
    const promise = new this((yes, no) => {
      resolve = yes;
      reject = no;
    });
    return {promise, resolve, reject};
  },
  try(callback, ...args) { return new this((resolve) => { resolve(callback(...args)); }); },
};

const arrays = {
  async fromAsync(items, map, self) {
    const all = [];
    const add = async (value) => { all.push(map ? await map.call(self, value, all.length) : value); };
    if (items[Symbol.asyncIterator] || items[Symbol.iterator]) {
      for await (const item of items) await add(item);
    } else {
      for (let i = 0; i < (items.length ?? 0); i++) await add(await items[i]);
    }
    return all;
  },
};

const ofArrays = {
  toSorted(compare) { return Array.from(this).sort(compare); },
  toReversed() { return Array.from(this).reverse(); },
  toSpliced(...args) {
    const copy = Array.from(this);
    copy.splice(...args);
    return copy;
  },
  with(index, value) {
    const at = Math.trunc(index) || 0;
    const from = at < 0 ? this.length + at : at;
    if (from < 0 || from >= this.length) throw new RangeError(`Invalid index : ${index}`);
    const copy = Array.from(this);
    copy[from] = value;
    return copy;
  },
};

const maps = {
  groupBy(items, keyOf) {
    const groups = new Map();
    let index = 0;
    for (const item of items) {
      const key = keyOf(item, index++);
      const group = groups.get(key);
      if (group) group.push(item);
      else groups.set(key, [item]);
    }
    return groups;
  },
};

const objects = {
  groupBy(items, keyOf) {
    const named = (item, index) => {
      const key = keyOf(item, index);
      return typeof key === 'symbol' ? key : String(key);
    };
    const groups = Object.create(null);
    for (const [key, group] of maps.groupBy(items, named)) groups[key] = group;
    return groups;
  },
};

const inserting = {
  getOrInsert(key, value) {
    if (!this.has(key)) this.set(key, value);
    return this.get(key);
  },
  getOrInsertComputed(key, make) {
    if (!this.has(key)) this.set(key, make(key));
    return this.get(key);
  },
};

function keysOf(other) { return {[Symbol.iterator]: () => other.keys()}; }

const sets = {
  union(other) { return new Set([...this, ...keysOf(other)]); },
  intersection(other) {
    return this.size <= other.size ? new Set([...this].filter((value) => other.has(value))) :
      new Set([...keysOf(other)].filter((value) => this.has(value)));
  },
  difference(other) { return new Set([...this].filter((value) => !other.has(value))); },
  symmetricDifference(other) {
    const result = new Set(this);
    for (const value of keysOf(other)) {
      if (this.has(value)) result.delete(value);
      else result.add(value);
    }
    return result;
  },
  isSubsetOf(other) { return this.size <= other.size && [...this].every((value) => other.has(value)); },
  isSupersetOf(other) { return this.size >= other.size && [...keysOf(other)].every((value) => this.has(value)); },
  isDisjointFrom(other) { return ![...this].some((value) => other.has(value)); },
};

const expressions = {
  // A letter or a digit at the beginning could become a part of what stands before it; white space and the rest of
  // punctuation, of flags and of classes.
  escape(text) {
    const hex = (character) => {
      const code = character.charCodeAt(0);
      return code < 256 ? `\\x${code.toString(16).padStart(2, '0')}` : `\\u${code.toString(16).padStart(4, '0')}`;
    };
    const names = {'\t': 't', '\n': 'n', '\v': 'v', '\f': 'f', '\r': 'r'};
    return text.replace(/^[0-9a-zA-Z]|[\^$\\.*+?()[\]{}|/]|[,\-=<>#&!%:;@~'`"]|\s|[\ud800-\udfff]/gu, (found) => {
      if (/[\^$\\.*+?()[\]{}|/]/.test(found)) return `\\${found}`;
      return found in names ? `\\${names[found]}` : hex(found);
    });
  },
};

const errors = {
  isError(value) { return Object.prototype.toString.call(value) === '[object Error]' || value instanceof Error; },
};

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==)?|[A-Za-z0-9+/]{3}=?)?$/;

const bytes = {
  fromBase64(text, {alphabet = 'base64'} = {}) {
    const own = alphabet === 'base64url' ? /[+/]/ : /[-_]/;
    const packed = text.replace(/[\t\n\f\r ]/g, '');
    const usual = packed.replace(/-/g, '+').replace(/_/g, '/');
    if (own.test(packed) || !BASE64.test(usual)) {
      throw new SyntaxError('The string is not correctly encoded in base64.');
    }
    return Uint8Array.from(Buffer.from(usual, 'base64'));
  },
  fromHex(text) {
    if (text.length % 2 || /[^0-9a-fA-F]/.test(text)) throw new SyntaxError('The string is not of hexadecimal digits.');
    return Uint8Array.from(Buffer.from(text, 'hex'));
  },
};

function bufferOf(array) { return Buffer.from(array.buffer, array.byteOffset, array.byteLength); }

function setFrom(target, source, text) {
  const written = source.subarray(0, target.length);
  target.set(written);
  return {read: source.length <= target.length ? text.length : Math.floor(written.length / source.length * text.length),
    written: written.length};
}

const ofBytes = {
  toBase64({alphabet = 'base64', omitPadding = false} = {}) {
    const text = bufferOf(this).toString('base64');
    const padded = alphabet === 'base64url' ? text.replace(/\+/g, '-').replace(/\//g, '_') : text;
    return omitPadding ? padded.replace(/=+$/, '') : padded;
  },
  toHex() { return bufferOf(this).toString('hex'); },
  setFromBase64(text, options) { return setFrom(this, bytes.fromBase64(text, options), text); },
  setFromHex(text) { return setFrom(this, bytes.fromHex(text), text); },
};

// Helpers of iterators: each returns one that closes what it reads when it is closed itself.
export function Iterator() {}
Iterator.prototype = ITERATOR;
Iterator.from = (value) => {
  const iterator = value[Symbol.iterator]?.() ?? value;
  return ITERATOR.isPrototypeOf(iterator) ? iterator : lazily(iterator, (all) => all);
};

function lazily(iterator, steps) {
  return (function* helper() {
    yield* steps({[Symbol.iterator]: () => ({
      next: () => iterator.next(),
      return: (value) => iterator.return?.(value) ?? {done: true, value},
    })});
  })();
}

function countOf(limit) {
  const count = Number(limit);
  if (Number.isNaN(count) || Math.trunc(count) < 0) throw new RangeError(`${limit} must be positive`);
  return Math.trunc(count);
}

const iterators = {
  map(callback) {
    return lazily(this, function* map(all) {
      let index = 0;
      for (const value of all) yield callback(value, index++);
    });
  },
  filter(callback) {
    return lazily(this, function* filter(all) {
      let index = 0;
      for (const value of all) if (callback(value, index++)) yield value;
    });
  },
  take(limit) {
    const count = countOf(limit);
    return lazily(this, function* take(all) {
      let left = count;
      if (left === 0) return;
      for (const value of all) {
        yield value;
        if (--left === 0) return;
      }
    });
  },
  drop(limit) {
    const count = countOf(limit);
    return lazily(this, function* drop(all) {
      let left = count;
      for (const value of all) if (left-- <= 0) yield value;
    });
  },
  flatMap(callback) {
    return lazily(this, function* flatMap(all) {
      let index = 0;
      for (const value of all) yield* Iterator.from(callback(value, index++));
    });
  },
  reduce(callback, ...initial) {
    let empty = initial.length === 0;
    let [result] = initial;
    let index = 0;
    for (const value of this) {
      result = empty ? value : callback(result, value, index);
      empty = false;
      index++;
    }
    if (empty) throw new TypeError('Reduce of a done iterator with no initial value');
    return result;
  },
  toArray() { return [...this]; },
  forEach(callback) {
    let index = 0;
    for (const value of this) callback(value, index++);
  },
  some(callback) {
    let index = 0;
    for (const value of this) if (callback(value, index++)) return true;
    return false;
  },
  every(callback) {
    let index = 0;
    for (const value of this) if (!callback(value, index++)) return false;
    return true;
  },
  find(callback) {
    let index = 0;
    for (const value of this) if (callback(value, index++)) return value;
    return undefined;
  },
};

const buffers = {
  transfer(length = this.byteLength) {
    const whole = structuredClone(this, {transfer: [this]});
    if (length === whole.byteLength) return whole;
    const other = new ArrayBuffer(length);
    new Uint8Array(other).set(new Uint8Array(whole, 0, Math.min(length, whole.byteLength)));
    return other;
  },
};

const strings = {
  isWellFormed() { return !/\p{Surrogate}/u.test(this); },
  toWellFormed() { return this.replace(/\p{Surrogate}/gu, '\ufffd'); },
};

const urls = {
  canParse(url, base) {
    try {
      return Boolean(new URL(url, base));
    } catch {
      return false;
    }
  },
  parse(url, base) {
    try {
      return new URL(url, base);
    } catch {
      return null;
    }
  },
};

const signals = {
  any(several) {
    const controller = new AbortController();
    for (const signal of several) {
      if (signal.aborted) {
        controller.abort(signal.reason);
        break;
      }
      signal.addEventListener('abort', () => controller.abort(signal.reason), {once: true, signal: controller.signal});
    }
    return controller.signal;
  },
};
