// Bodies between objects that do not end at once. What is there when a call is made goes along with it; the rest is
// brought or fetched by calls of their own to the same object, one chunk each, as fast as the reader reads.
//
// Such a call begins with a byte that says what it is, which no other payload begins with, and the name of the stream.
// It is no business of the object's code, and does not wait for its input gate: that may wait for the body.
import {randomBytes} from 'node:crypto';
// Not those of objects: a body is none of their timers.
import {clearInterval, setInterval} from 'node:timers';
import {setTimeout as after} from 'node:timers/promises';

import {explain} from '../objects/errors.mjs';

const INLINE = 256 * 1024;       // bytes that go along at most
const CHUNK = 1024 * 1024;       // bytes of a call, about
const NOTHING_AFTER = 5000;      // ms; then the caller asks again, so that its call does not run out of time
const FORGOTTEN_AFTER = 60_000;  // ms without a call
const TOKEN = 12;                // characters

const Ask = {PULL: 1, CANCEL: 2, PUSH: 3, END: 4, ABORT: 5};
const Say = {CHUNK: 1, END: 2, NOTHING: 3, FAILED: 4};

export function isStreamCall(payload) { return payload.length > TOKEN && payload[0] <= Ask.ABORT; }

// Reads what is there of a body: {bytes, reader}; the reader is null where that was all.
export async function beginning(body) {
  if (!body) return {bytes: null, reader: null};
  const reader = body.getReader();
  const chunks = [];
  let size = 0;
  while (size < INLINE) {
    const {item, pending} = await soon(reader.read());
    if (pending) return {bytes: Buffer.concat(chunks), reader: resumed(reader, pending)};
    if (item.done) return {bytes: Buffer.concat(chunks), reader: null};
    chunks.push(toBuffer(item.value));
    size += item.value.length;
  }
  return {bytes: Buffer.concat(chunks), reader};
}

// The caller brings the rest of a request's body.
export async function bring(reader, token, send) {
  try {
    for (;;) {
      const {done, value} = await reader.read();
      if (done) break;
      const [said] = await send(message(Ask.PUSH, token, toBuffer(value)));
      if (said !== Say.CHUNK) {
        await reader.cancel();
        return;
      }
    }
    await send(message(Ask.END, token));
  } catch (error) {
    await send(message(Ask.ABORT, token, Buffer.from(explain(error)))).catch(() => {});
  }
}

// A body of which the caller has the beginning, and fetches the rest.
export function fetched(bytes, token, send) {
  return new ReadableStream({
    type: 'bytes',
    start(controller) { if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes)); },
    async pull(controller) {
      for (;;) {
        const answer = await send(message(Ask.PULL, token));
        const rest = answer.subarray(1);
        if (answer[0] === Say.NOTHING) continue;
        if (answer[0] === Say.FAILED) throw new Error(rest.toString());
        if (answer[0] === Say.END) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else {
          controller.enqueue(new Uint8Array(rest));
        }
        return;
      }
    },
    async cancel() { await send(message(Ask.CANCEL, token)).catch(() => {}); },
  });
}

export function newToken() { return randomBytes(TOKEN / 4 * 3).toString('base64url'); }

// The streams of one object.
export class BodyStreams {
  #hub;
  #awaited = new Map();  // by token: who waits for its request
  #streams = new Map();  // by token: {reader, ...} or {controller, ...}

  constructor(hub) { this.#hub = hub; }

  // A response's body, of which the beginning has gone along. Returns what names it.
  offer(reader) {
    const token = newToken();
    this.#add(token, {reader, reading: null, remove: () => reader.cancel().catch(() => {})});
    return token;
  }

  // A request's body, of which this is the beginning.
  expect(token, bytes) {
    let stream;
    const body = new ReadableStream({
      type: 'bytes',
      start: (controller) => {
        stream = {controller, wanted: null, remove: () => this.#fail(token, 'The body was not sent to its end.')};
        if (bytes.length > 0) controller.enqueue(new Uint8Array(bytes));
      },
      pull: () => { stream.wanted?.(); },
      cancel: () => { this.#remove(token); },
    });
    this.#add(token, stream);
    for (const resolve of this.#awaited.get(token) ?? []) resolve();
    this.#awaited.delete(token);
    return body;
  }

  // Returns the answer.
  async handle(payload) {
    const token = payload.toString('latin1', 1, 1 + TOKEN);
    const rest = payload.subarray(1 + TOKEN);
    const stream = this.#streams.get(token) ?? await this.#expected(token, payload[0]);
    if (!stream) return answer(Say.FAILED, Buffer.from('The object has been reset, or has given up this body.'));
    stream.used = Date.now();
    switch (payload[0]) {
      case Ask.PULL: return this.#pull(token, stream);
      case Ask.PUSH: return this.#push(stream, rest);
      case Ask.END:
        this.#end(token, stream);
        return answer(Say.CHUNK);
      case Ask.ABORT:
        this.#fail(token, rest.toString());
        return answer(Say.CHUNK);
      default:
        this.#remove(token);
        stream.remove();
        return answer(Say.END);
    }
  }

  drop() { for (const token of [...this.#streams.keys()]) this.#give(token); }

  // The request that a body belongs to may still wait for the object's gate.
  async #expected(token, kind) {
    if (kind === Ask.PULL || !this.#hub.hasWaiting) return undefined;
    await new Promise((resolve) => { this.#awaited.set(token, [...this.#awaited.get(token) ?? [], resolve]); });
    return this.#streams.get(token);
  }

  async #pull(token, stream) {
    stream.reading ??= stream.reader.read();
    const nothing = new AbortController();
    let item;
    try {
      item = await Promise.race([stream.reading, after(NOTHING_AFTER, null, {signal: nothing.signal})]);
    } catch (error) {
      this.#remove(token);
      return answer(Say.FAILED, Buffer.from(String(error?.message ?? error)));
    } finally {
      nothing.abort();
    }
    if (item === null) return answer(Say.NOTHING);
    stream.reading = null;
    if (item.done) {
      this.#remove(token);
      return answer(Say.END);
    }
    const chunks = [toBuffer(item.value)];
    for (let size = chunks[0].length; size < CHUNK;) {
      const reading = stream.reader.read();
      reading.catch(() => {});
      const {item: next, pending} = await soon(reading);
      if (pending || next.done) {
        stream.reading = pending ?? Promise.resolve(next);
        break;
      }
      chunks.push(toBuffer(next.value));
      size += next.value.length;
    }
    return answer(Say.CHUNK, ...chunks);
  }

  async #push(stream, bytes) {
    stream.controller.enqueue(new Uint8Array(bytes));
    // The next one comes when there is room for it.
    if (stream.controller.desiredSize <= -CHUNK) {
      await new Promise((resolve) => { stream.wanted = resolve; });
      stream.wanted = null;
    }
    return answer(Say.CHUNK);
  }

  #end(token, stream) {
    this.#remove(token);
    stream.controller.close();
    stream.controller.byobRequest?.respond(0);
  }

  #fail(token, reason) {
    const stream = this.#streams.get(token);
    this.#remove(token);
    try {
      stream?.controller.error(new Error(reason));
    } catch { /* it has ended */ }
  }

  #add(token, stream) {
    stream.used = Date.now();
    stream.timer = setInterval(() => {
      if (Date.now() - stream.used > FORGOTTEN_AFTER) this.#give(token);
    }, FORGOTTEN_AFTER);
    stream.timer.unref();
    this.#streams.set(token, stream);
    this.#hub.hold();
  }

  #give(token) {
    const stream = this.#streams.get(token);
    this.#remove(token);
    stream?.remove();
  }

  #remove(token) {
    const stream = this.#streams.get(token);
    if (!stream) return;
    this.#streams.delete(token);
    clearInterval(stream.timer);
    stream.wanted?.();
    this.#hub.release();
  }
}

// {item}, or {pending} where it takes waiting.
async function soon(reading) {
  const waited = new Promise((resolve) => { setImmediate(resolve, null); });
  const item = await Promise.race([reading, waited]);
  return item === null ? {pending: reading} : {item};
}

// A reader whose next read has begun.
function resumed(reader, pending) {
  let first = pending;
  pending.catch(() => {});
  return {
    read() {
      const reading = first ?? reader.read();
      first = null;
      return reading;
    },
    cancel: (reason) => reader.cancel(reason),
  };
}

function message(kind, token, ...chunks) { return Buffer.concat([Buffer.from([kind]), Buffer.from(token, 'latin1'), ...chunks]); }

function answer(kind, ...chunks) { return Buffer.concat([Buffer.from([kind]), ...chunks]); }

function toBuffer(chunk) { return typeof chunk === 'string' ? Buffer.from(chunk) : chunk; }
