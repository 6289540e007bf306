// ctx.storage.kv: the same keys and values as ctx.storage, at once. Of a hub whose rows have not all come along, only
// those that do not have to be read can be had so.
import {Effect} from '../wire/from_worker.mjs';
import {rowKey, userKey} from './keys.mjs';
import {bytesOf, rangeOf} from './storage.mjs';
import {fromBytes} from './structured.mjs';

export class SyncKeys {
  #hub;

  constructor(hub) { this.#hub = hub; }

  get(key) {
    const row = this.#row(rowKey(String(key)));
    return row === null ? undefined : fromBytes(row);
  }

  put(key, value) { this.#hub.write(Effect.PUT, rowKey(String(key)), bytesOf(value)); }

  delete(key) {
    const name = rowKey(String(key));
    if (this.#row(name) === null) return false;
    this.#hub.write(Effect.DELETE, name);
    return true;
  }

  * list(options = {}) {
    const {start, end, reverse, limit, empty} = rangeOf(options);
    if (empty) return;
    this.#hub.waitForRange(start, end);
    const names = this.#hub.rows.keys(start, end);
    if (reverse) names.reverse();
    for (const name of names.slice(0, limit)) yield [userKey(name), fromBytes(this.#hub.rows.get(name))];
  }

  #row(name) {
    this.#hub.waitForRow(name);
    return this.#hub.rows.get(name);
  }
}
