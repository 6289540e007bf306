// Reads of rows, and what else is asked, for code that has to wait where it stands (storage.sql, storage.kv): over a connection of their own to
// each lane, and the whole process waits.
import {writeAskAnswerTimes, writeHello, writeRead} from '../wire/from_worker.mjs';
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
    let found = null;
    this.#ask(lane, (number) => writeRead(this.#writer, {...read, number}), {read: (answer) => { found = answer; }});
    if (!found || found.failure) throw new Error(`Storage could not be read: ${found?.failure ?? 'no answer'}`);
    return found;
  }

  // When these connections were last answered by their gateways: ms each, 0 where nobody knows of an answer.
  answerTimes(lane, question) {
    let found = null;
    this.#ask(lane, (number) => writeAskAnswerTimes(this.#writer, {...question, number}),
      {answerTimes: (answer) => { found = answer; }});
    if (!found || found.failure) throw new Error(`The gateways could not be asked: ${found?.failure ?? 'no answer'}`);
    return found.atMs;
  }

  #ask(lane, write, sink) {
    this.#channels[lane.index] ??= this.#open(lane);
    this.#writer.at = 0;
    write(++this.#numbers);
    let bytes;
    try {
      bytes = this.#channels[lane.index].request(this.#message());
    } catch (error) {
      this.#channels[lane.index] = undefined;  // it is closed
      throw error;
    }
    readToWorker(bytes, 0, bytes.length, sink);
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
