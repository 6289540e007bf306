// A client of hub class `echo`. Events: welcome, echo, pong, reply (anything else), heartbeat, state, reconnecting,
// disconnected, frame, error.
import {Emitter} from './emitter.js';
import {DormouseError} from './errors.js';
import {Link} from './link.js';

function asError({code = 'internal_error', message}) { return new DormouseError(code, message); }

export class EchoClient {
  connectionId = null;
  #events = new Emitter();
  #link;

  constructor(url, {reconnect = true, ...options} = {}) {
    this.#link = new Link({
      ...options,
      target: () => ({url: String(url), protocols: []}),
      handlers: {
        opened() {},  // the hub speaks first
        frame: (text) => this.#frame(text),
        heartbeat: () => this.#transmit({type: 'heartbeat', timestamp: new Date().toISOString()}),
        closed: (event) => this.#closed(event),
        state: (state) => this.#events.emit('state', state),
        mayReconnect: () => typeof reconnect === 'function' ? reconnect() : reconnect,
      },
    });
  }

  get state() { return this.#link.state; }
  get heartbeats() { return this.#link.heartbeats; }
  get openFor() { return this.#link.openFor; }

  on(name, handler) { return this.#events.on(name, handler); }
  once(name, handler) { return this.#events.once(name, handler); }
  off(name, handler) { this.#events.off(name, handler); }

  connect() {
    if (this.state === 'disconnected') this.#link.open();
  }
  disconnect() { this.#link.close(); }
  reconnect() {
    if (this.state === 'connected' || this.state === 'connecting') this.#link.drop(1006, 'reconnect() was called');
  }

  // False: there is no connection.
  send(message) { return this.#transmit({type: 'message', message}); }
  ping() { return this.#transmit({type: 'ping', timestamp: new Date().toISOString()}); }

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
    this.#events.emit('disconnected', event);
    if (!event.final) this.#events.emit('reconnecting', {delay: event.delay, code: event.code, reason: event.reason});
  }
}
