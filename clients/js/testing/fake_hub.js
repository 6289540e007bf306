// The other side of the client's sockets, in memory: says what a test scripts, and remembers what it was told.
import {settled} from './manual_clock.js';

const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 3;

// What a hub answers to each type, where nobody scripts anything else.
const ANSWERS = {
  'hub:connect': (_, hub) => ['hub:connected', {
    sessionId: `session-${hub.sockets.length}`, heartbeatInterval: 30000, maxMessageSize: 1 << 20,
    resumeToken: null, resumed: false,
  }],
  'hub:heartbeat': () => ['hub:heartbeat_ack', {serverTime: 0}],
  'hub:disconnect': () => ['hub:disconnect_ack', {cleanedUp: true}],
  'hub:register': ({payload}, hub) => ['hub:registered', {
    actorAddress: payload.actorAddress, renewalToken: `token-${++hub.tokens}`, expiresAt: hub.time + (payload.ttl ?? 300000),
    version: 1, renewalNeeded: hub.renewalNeeded,
  }],
  'hub:renew': ({payload}, hub) => ['hub:renewed', {
    actorAddress: payload.actorAddress, renewalToken: `token-${++hub.tokens}`, expiresAt: hub.time + (payload.ttl ?? 300000),
  }],
  'hub:unregister': ({payload}) => ['hub:unregistered', payload],
  'hub:subscribe': ({payload}) => ['hub:subscribed', {...payload, subscriptionId: `of-${payload.topic}`}],
  'hub:unsubscribe': ({payload}) => ['hub:unsubscribed', payload],
  'hub:send': (frame) => frame.pattern === 'ask' && ['hub:delivery_ack', {messageId: frame.id, status: 'delivered'}],
  'hub:publish': ({payload}) => ['hub:delivery_ack', {topic: payload.topic, subscriberCount: 1}],
  'hub:list_actors': () => ['hub:actor_list', {actors: [], total: 0, hasMore: false}],
  'hub:queue_stats': () => ['hub:queue_stats_response', {queueDepth: 0}],
  'hub:broadcast': () => ['hub:delivery_ack', {deliveredCount: 2}],
};

export class FakeHub {
  sockets = [];
  frames = [];    // all that came in
  time = 5000000; // the hub's clock, in its frames
  tokens = 0;
  accepts = true; // false: attempts fail
  renewalNeeded;  // what hub:registered says of it
  silent = false; // true: nothing arrives here, and nothing is said
  #answers = new Map();
  #ids = 0;

  constructor() {
    const hub = this;
    this.WebSocket = class {
      readyState = CONNECTING;
      bufferedAmount = 0;
      closedWith = null;  // the client's close code
      constructor(url, protocols) {
        Object.assign(this, {url, protocols});
        hub.sockets.push(this);
        setImmediate(() => hub.accepts ? this.#open() : this.end(1006, ''));
      }
      send(text) { hub.#receive(this, text); }
      close(code) {
        this.closedWith = code;
        setImmediate(() => this.end(code, ''));
      }
      #open() {
        if (this.readyState !== CONNECTING) return;
        this.readyState = OPEN;
        this.onopen?.({});
      }
      // The hub, or the network, closes it.
      end(code, reason) {
        if (this.readyState === CLOSED) return;
        this.readyState = CLOSED;
        this.onclose?.({code, reason});
      }
    };
  }

  get socket() { return this.sockets.at(-1); }

  // What the hub answers to a type from now on: (frame, hub) => [type, payload], or nothing.
  answer(type, how) { this.#answers.set(type, how); }
  // As usual again.
  answerAsUsual(type) { this.#answers.delete(type); }
  refuse(type, code, details = {}) { this.answer(type, () => ['hub:error', {code, message: `${code}!`, details}]); }

  of(type) { return this.frames.filter((frame) => frame.type === type); }

  // Sends a frame without being asked.
  async say(type, payload = {}, fields = {}) {
    const frame = {id: `hub-${++this.#ids}`, type, from: 'cloudflare/signal-hub', to: 'browser/anna', payload,
                   correlationId: null, timestamp: this.time, metadata: {}, ...fields};
    this.socket.onmessage?.({data: JSON.stringify(frame)});
    await settled();
  }

  // Forwards a message of an actor.
  forward(type, data, fields = {}) { return this.say(type, data, {from: 'browser/bert', ...fields}); }

  async cut(code = 1006, reason = '') {
    this.socket.end(code, reason);
    await settled();
  }

  #receive(socket, text) {
    if (this.silent) return;
    const frame = JSON.parse(text);
    this.frames.push(frame);
    const reply = (this.#answers.get(frame.type) ?? ANSWERS[frame.type])?.(frame, this);
    if (!reply) return;
    const [type, payload] = reply;
    const data = JSON.stringify({id: `hub-${++this.#ids}`, type, from: frame.to, to: frame.from, payload,
                                 correlationId: frame.id, timestamp: this.time, metadata: {}});
    setImmediate(() => socket.readyState === OPEN && socket.onmessage?.({data}));
  }
}
