// Values as rows: one of the key's own; and, where a row is too small for it, as many as it takes, which the first one
// counts.
import {Effect} from '../wire/from_worker.mjs';
import {chunkKey, chunkPrefix} from './keys.mjs';
import {fromBytes, toBytes} from './structured.mjs';

const MAX_ROW = 128 * 1024;        // bytes
const MAX_VALUE = 2 * 1024 * 1024; // bytes
const IN_CHUNKS = 0x01;            // what clones never begin with

export function bytesOf(value) {
  if (value === undefined) throw new TypeError('put() called with undefined value.');
  const bytes = toBytes(value, 'a value');
  if (bytes.length > MAX_VALUE) {
    throw new RangeError(`Values cannot be larger than ${MAX_VALUE} bytes. A value of size ${bytes.length} was provided.`);
  }
  return bytes;
}

// `name`: of the key's row.
export function writeValue(hub, name, bytes, options) {
  removeChunks(hub, name, options);
  if (bytes.length <= MAX_ROW) {
    hub.write(Effect.PUT, name, bytes, options);
    return;
  }
  const count = Math.ceil(bytes.length / MAX_ROW);
  hub.write(Effect.PUT, name, Buffer.from([IN_CHUNKS, count]), options);
  for (let chunk = 0; chunk < count; chunk++) {
    const part = Buffer.from(bytes.subarray(chunk * MAX_ROW, (chunk + 1) * MAX_ROW));
    hub.write(Effect.PUT, chunkKey(name, chunk), part, options);
  }
}

export function deleteValue(hub, name, options) {
  removeChunks(hub, name, options);
  hub.write(Effect.DELETE, name, undefined, options);
}

// Rows of these keys' values that have to be read first.
export function missingChunks(rows, names) {
  const missing = [];
  for (const name of names) {
    for (let chunk = 0; chunk < chunksOf(rows.get(name)); chunk++) {
      const key = chunkKey(name, chunk);
      if (rows.get(key) === undefined) missing.push(key);
    }
  }
  return missing;
}

// Of rows that are known; undefined: there is no such value.
export function readValue(rows, name) {
  const row = rows.get(name);
  if (!row) return undefined;
  const count = chunksOf(row);
  if (count === 0) return fromBytes(row);
  return fromBytes(Buffer.concat(Array.from({length: count}, (_, chunk) => rows.get(chunkKey(name, chunk)))));
}

function removeChunks(hub, name, options) {
  const row = hub.rows.get(name);
  if (row === undefined) {
    hub.write(Effect.DELETE_PREFIX, chunkPrefix(name), undefined, options);
    return;
  }
  for (let chunk = 0; chunk < chunksOf(row); chunk++) hub.write(Effect.DELETE, chunkKey(name, chunk), undefined, options);
}

function chunksOf(row) { return row && row[0] === IN_CHUNKS ? row[1] : 0; }
