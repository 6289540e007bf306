// A client of hub class `echo`. Events: welcome, echo, pong, reply (anything else), heartbeat, state, reconnecting,
// disconnected, frame, error.
import {defaultClock} from './clock.js';
import {Emitter} from './emitter.js';
import {DormouseError} from './errors.js';
import {Link} from './link.js';
import {checkedUrl} from './names.js';

function asError({code = 'internal_error', message}) { return new DormouseError(code, message); }

export class EchoClient {
  connectionId = null;
  #events = new Emitter();
  #link;
  #clock;
  #awaited = [];  // the times of frames that no answer came to yet, oldest first

  constructor(url, {reconnect = true, clock = defaultClock(), ...options} = {}) {
    const target = {url: checkedUrl(url, 'websocket'), protocols: []};
    this.#clock = clock;
    this.#link = new Link({
      ...options,
      clock,
      target: () => target,
      handlers: {
        opened() {},  // the hub speaks first
        frame: (text) => this.#frame(text),
        heartbeat: () => this.#transmit({type: 'heartbeat', timestamp: new Date().toISOString()}),
        closed: (event) => this.#closed(event),
        state: (state) => this.#events.emit('state', state),
        mayReconnect: () => typeof reconnect === 'function' ? reconnect() : reconnect,
        awaitedSince: () => this.#awaited[0] ?? null,
      },
    });
  }

  get state() { return this.#link.state; }
  get transport() { return this.#link.transport; }
  get heartbeats() { return this.#link.heartbeats; }
  get openFor() { return this.#link.openFor; }

  on(name, handler) { return this.#events.on(name, handler); }
  once(name, handler) { return this.#events.once(name, handler); }
  off(name, handler) { this.#events.off(name, handler); }

  connect() {
    if (this.state === 'disconnected') this.#link.open();
  }
  disconnect() { this.#link.close(); }
  reconnect(reason = 'reconnect() was called') {
    if (this.state === 'connected' || this.state === 'connecting') this.#link.drop(1006, reason);
  }

  // False: there is no connection.
  send(message) { return this.#ask({type: 'message', message}); }
  ping() { return this.#ask({type: 'ping', timestamp: new Date().toISOString()}); }

  // This hub answers each frame.
  #ask(frame) {
    if (!this.#transmit(frame)) return false;
    this.#awaited.push(this.#clock.now());
    return true;
  }

  #transmit(frame) {
    const text = JSON.stringify(frame);
    if (!this.#link.send(text)) return false;
    this.#events.emit('frame', {sent: true, text, frame});
    return true;
  }

  #frame(text) {
    let frame = null;
    try {
      frame = JSON.parse(text);
    } catch {
      // this hub speaks JSON only
    }
    if (frame?.type === 'welcome') {
      this.connectionId = frame.connectionId;
      this.#link.ready(frame.heartbeatInterval);
    }
    this.#events.emit('frame', {sent: false, text, frame});
    if (frame?.type !== 'welcome' && frame?.type !== 'heartbeat_ack') this.#awaited.shift();
    switch (frame?.type) {
      case 'welcome': return this.#events.emit('welcome', frame);
      case 'heartbeat_ack': return this.#acknowledged();
      case 'pong': return this.#events.emit('pong', frame);
      case 'echo': return this.#events.emit('echo', frame);
      case 'error':
      case 'hub:error': return this.#events.emit('error', asError(frame.payload ?? frame));
      default: return this.#events.emit('reply', frame ?? text);
    }
  }

  #acknowledged() {
    const latency = this.#link.heartbeats.acknowledged();
    if (latency !== null) this.#events.emit('heartbeat', {latency});
  }

  #closed(event) {
    this.connectionId = null;
    this.#awaited = [];
    this.#events.emit('disconnected', event);
    if (!event.final) this.#events.emit('reconnecting', {delay: event.delay, code: event.code, reason: event.reason});
  }
}
