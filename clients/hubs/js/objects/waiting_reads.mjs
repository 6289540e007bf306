// Reads of rows for code that has to wait where it stands (storage.sql, storage.kv): over a connection of their own to
// each lane, and the whole process waits.
import {writeHello, writeRead} from '../wire/from_worker.mjs';
import {readToWorker} from '../wire/to_worker.mjs';
import {Writer} from '../wire/writer.mjs';
import {openSyncChannel} from './sqlite_addon.mjs';

export class WaitingReads {
  #version;
  #channels = [];  // of each lane; made when first wanted
  #numbers = 0;
  #writer = new Writer();

  constructor(version) { this.#version = version; }

  // Returns {rows, more}.
  read(lane, read) {
    this.#channels[lane.index] ??= this.#open(lane);
    const number = ++this.#numbers;
    this.#writer.at = 0;
    writeRead(this.#writer, {...read, number});
    let bytes;
    try {
      bytes = this.#channels[lane.index].request(this.#message());
    } catch (error) {
      this.#channels[lane.index] = undefined;  // it is closed
      throw error;
    }
    let found = null;
    readToWorker(bytes, 0, bytes.length, {read: (answer) => { found = answer; }});
    if (!found || found.failure) throw new Error(`Storage could not be read: ${found?.failure ?? 'no answer'}`);
    return found;
  }

  #open(lane) {
    const channel = openSyncChannel(lane.path);
    this.#writer.at = 0;
    writeHello(this.#writer, {lane: lane.index, version: this.#version, readsOnly: true});
    channel.send(this.#message());
    return channel;
  }

  #message() { return this.#writer.buffer.subarray(0, this.#writer.at); }
}
