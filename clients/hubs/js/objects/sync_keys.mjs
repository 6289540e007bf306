// ctx.storage.kv: the same keys and values as ctx.storage, at once. Of a hub whose rows have not all come along, only
// those that do not have to be read can be had so.
import {rowKey, userKey} from './keys.mjs';
import {rangeOf} from './storage.mjs';
import {bytesOf, deleteValue, missingChunks, readValue, writeValue} from './values.mjs';

export class SyncKeys {
  #hub;

  constructor(hub) { this.#hub = hub; }

  get(key) {
    return this.#value(rowKey(String(key)));
  }

  put(key, value) { writeValue(this.#hub, rowKey(String(key)), bytesOf(value)); }

  delete(key) {
    const name = rowKey(String(key));
    this.#hub.waitForRow(name);
    if (this.#hub.rows.get(name) === null) return false;
    deleteValue(this.#hub, name);
    return true;
  }

  * list(options = {}) {
    const {start, end, reverse, limit, empty} = rangeOf(options);
    if (empty) return;
    this.#hub.waitForRange(start, end);
    const names = this.#hub.rows.keys(start, end);
    if (reverse) names.reverse();
    for (const name of names.slice(0, limit)) yield [userKey(name), this.#value(name)];
  }

  #value(name) {
    this.#hub.waitForRow(name);
    for (const key of missingChunks(this.#hub.rows, [name])) this.#hub.waitForRow(key);
    return readValue(this.#hub.rows, name);
  }
}
