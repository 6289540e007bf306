// The connection to one lane of the statekeeper. What is said in one turn of the event loop leaves in one write.
import net from 'node:net';

import {FRAME_HEAD, Frames} from './frames.mjs';
import {writeCall, writeHello, writeHttpEnded, writeLog, writePong, writeRead, writeTurn} from './from_worker.mjs';
import {readToWorker} from './to_worker.mjs';
import {Writer} from './writer.mjs';

const READ_BUFFER = 256 * 1024;
const FULL_FRAME = 1024 * 1024;  // a frame this long is closed, and the next begun
const LARGEST_KEPT = 1024 * 1024;
const SPARE_WRITERS = 4;

export class Lane {
  index;
  path;
  #socket;
  #writer = null;
  #spare = [];
  #waiting = false;  // for the end of the loop's turn
  #reads = new Map();
  #calls = new Map();
  #numbers = 0;
  #speakers = [];    // who has something to say at the end of the loop's turn

  // `sink`: event(lane, key, record), durable(lane, key, turn), drop(lane, key), endHttp(): a promise;
  // `ended(error)`: once.
  constructor({path, index, version, sink, ended}) {
    this.index = index;
    this.path = path;
    const received = {
      event: (key, record) => sink.event(this, key, record),
      durable: (key, turn) => sink.durable(this, key, turn),
      drop: (key) => sink.drop(this, key),
      read: (answer) => settle(this.#reads, answer),
      call: (answer) => settle(this.#calls, answer),
      endHttp: () => sink.endHttp().then(() => {
        writeHttpEnded(this.#message());
        this.flush();
      }),
      ping: (number) => {
        writePong(this.#message(), number);
        this.flush();
      },
    };
    const frames = new Frames((buffer, start, end) => readToWorker(buffer, start, end, received));
    this.#socket = net.connect({
      path,
      onread: {
        buffer: Buffer.allocUnsafeSlow(READ_BUFFER),
        callback: (length, buffer) => {
          try {
            frames.take(buffer.subarray(0, length));
          } catch (error) {
            this.#socket.destroy(error);
          }
          return true;
        },
      },
    });
    let failure = null;
    this.#socket.on('error', (error) => { failure = error; });
    this.#socket.on('end', () => this.#socket.destroy());
    this.#socket.on('close', () => ended(failure));
    writeHello(this.#message(), {lane: index, version});
    this.flush();
  }

  turn(turn) { writeTurn(this.#message(), turn); }

  log(log) { writeLog(this.#message(), log); }

  // Resolves with a ReadAnswer, which may be a failure.
  read(read) {
    const number = ++this.#numbers;
    return new Promise((resolve) => {
      this.#reads.set(number, resolve);
      writeRead(this.#message(), {...read, number});
    });
  }

  // `traceparent`: what it is done for, if that is traced.
  call(hubClass, hubName, payload, traceparent) {
    const number = ++this.#numbers;
    return new Promise((resolve) => {
      this.#calls.set(number, resolve);
      writeCall(this.#message(), {number, hubClass, hubName, payload, traceparent});
    });
  }

  // Calls its `endOfTurn()` before this turn of the loop is over.
  atEndOfTurn(speaker) {
    this.#speakers.push(speaker);
    this.#wait();
  }

  flush() {
    const writer = this.#writer;
    if (!writer) return;
    this.#writer = null;
    writer.buffer.writeUInt32LE(writer.at - FRAME_HEAD, 0);
    this.#socket.write(writer.buffer.subarray(0, writer.at), () => this.#written(writer));
  }

  end() { this.#socket.destroy(); }

  #endOfTurn = () => {
    this.#waiting = false;
    const speakers = this.#speakers;
    this.#speakers = [];
    for (let i = 0; i < speakers.length; i++) speakers[i].endOfTurn();
    this.flush();
  };

  #wait() {
    if (this.#waiting) return;
    this.#waiting = true;
    setImmediate(this.#endOfTurn);
  }

  #message() {
    if (this.#writer && this.#writer.at > FULL_FRAME) this.flush();
    if (!this.#writer) {
      this.#writer = this.#spare.pop() ?? new Writer();
      this.#writer.at = FRAME_HEAD;
      this.#wait();
    }
    return this.#writer;
  }

  #written(writer) {
    if (this.#spare.length < SPARE_WRITERS && writer.buffer.length <= LARGEST_KEPT) this.#spare.push(writer);
  }
}

function settle(waiting, answer) {
  const resolve = waiting.get(answer.number);
  waiting.delete(answer.number);
  resolve?.(answer);
}
