// The `ctx` of a Durable Object's class (DurableObjectState).
// Not those of objects: they would wait for the gate.
import {clearTimeout, setTimeout} from 'node:timers';

import {acceptFor} from '../web/upgrades.mjs';
import {WebSocketRequestResponsePair} from '../web/web_socket.mjs';
import {currentContext, runIn} from './context.mjs';
import {InputGate} from './input_gate.mjs';
import {NamedTimers} from './named_timers.mjs';
import {Storage} from './storage.mjs';

const MAX_TAGS = 10;
const MAX_TAG = 256;             // bytes
const MAX_AUTO_RESPONSE = 2048;  // bytes
const CONCURRENCY_BLOCKED_FOR = 30_000;  // ms, at most
const MAX_EVENT_TIMEOUT = 7 * 24 * 3600 * 1000;

export class DurableObjectState {
  #life;
  #hub;
  #storage = null;
  #id = null;
  #dormouse = null;

  constructor(life) {
    this.#life = life;
    this.#hub = life.hub;
  }

  get id() { return this.#id ??= this.#hub.id; }

  get storage() { return this.#storage ??= new Storage(this.#life); }

  get props() { return this.#hub.props; }

  get facets() { return this.#life.facets; }

  // What Cloudflare does not have.
  get dormouse() { return this.#dormouse ??= Object.freeze({timers: new NamedTimers(this.#life)}); }

  get exports() { return this.#hub.host.exports; }

  // Others get in when the callback has ended; if it fails, the object starts over.
  async blockConcurrencyWhile(callback) {
    const context = currentContext();
    const outer = (context?.life === this.#life ? context.gate : this.#life.gate).standing;
    if (outer.locked) await outer.enter();
    outer.lock();  // at once; the callback begins when the code that asks for it has gone on
    await null;
    const gate = new InputGate(outer);
    const timer = setTimeout(() => this.#life.abort(new Error(
        'A call to blockConcurrencyWhile() waited for too long. It is reset after 30 seconds.')),
    CONCURRENCY_BLOCKED_FOR);
    try {
      return await runIn({record: context?.record ?? null, life: this.#life, gate}, callback);
    } catch (error) {
      this.#life.abort(error);
      throw error;
    } finally {
      clearTimeout(timer);
      outer.unlock();
      gate.close();
    }
  }

  waitUntil(promise) {
    this.#hub.hold();
    Promise.resolve(promise)
      .catch((error) => this.#hub.host.report(currentContext(), error))
      .finally(() => this.#hub.release());
  }

  abort(reason) {
    const error = reason instanceof Error ? reason :
      new Error(reason === undefined ? 'Application called abort() to reset Durable Object.' : String(reason));
    this.#life.abort(error);
    throw error;
  }

  acceptWebSocket(webSocket, tags = []) {
    if (!Array.isArray(tags)) throw new TypeError('Tags are an array of strings.');
    const distinct = [...new Set(tags.map(String))];
    if (distinct.length > MAX_TAGS) throw new Error(`A Hibernatable WebSocket cannot have more than ${MAX_TAGS} tags.`);
    for (const tag of distinct) {
      if (tag === '' || Buffer.byteLength(tag) > MAX_TAG) {
        throw new Error(`"${tag.slice(0, 40)}" is no tag: they have 1 to ${MAX_TAG} bytes.`);
      }
    }
    this.#hub.accepted.add(acceptFor(this.#hub, webSocket, distinct));
  }

  getWebSockets(tag) {
    const found = [];
    for (const connection of this.#hub.hibernatable()) {
      if (tag === undefined || connection.tags.includes(tag)) found.push(connection.webSocket);
    }
    return found;
  }

  getTags(webSocket) {
    const connection = webSocket.behind;
    if (connection?.hub !== this.#hub || connection.live) {
      throw new Error('Tags are only there of WebSockets that acceptWebSocket() has taken.');
    }
    return [...connection.tags];
  }

  setWebSocketAutoResponse(pair) {
    if (pair === undefined || pair === null) {
      this.#hub.setAutoResponse(null);
      return;
    }
    if (!(pair instanceof WebSocketRequestResponsePair)) {
      throw new TypeError('setWebSocketAutoResponse() takes a WebSocketRequestResponsePair.');
    }
    for (const text of [pair.request, pair.response]) {
      if (Buffer.byteLength(text) > MAX_AUTO_RESPONSE) {
        throw new RangeError(`Request and response can have ${MAX_AUTO_RESPONSE} bytes each.`);
      }
    }
    this.#hub.setAutoResponse({request: pair.request, reply: pair.response});
  }

  getWebSocketAutoResponse() {
    const pair = this.#hub.autoResponse;
    return pair ? new WebSocketRequestResponsePair(pair.request, pair.reply) : null;
  }

  getWebSocketAutoResponseTimestamp(webSocket) {
    const connection = webSocket.behind;
    if (connection?.hub !== this.#hub || connection.live) return null;
    const atMs = connection.answeredMs;
    return atMs > 0 ? new Date(atMs) : null;
  }

  setHibernatableWebSocketEventTimeout(timeout) {
    const given = Math.trunc(Number(timeout ?? 0));
    if (!(given >= 0 && given < 2 ** 32)) throw new TypeError('The timeout is a number of milliseconds, not below 0.');
    if (given > MAX_EVENT_TIMEOUT) throw new Error(`The timeout is at most ${MAX_EVENT_TIMEOUT} milliseconds.`);
    this.#hub.setEventTimeout(given === 0 ? null : given);
  }

  getHibernatableWebSocketEventTimeout() { return this.#hub.eventTimeout; }
}
