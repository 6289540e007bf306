// One socket at a time, opened again when it is lost, with heartbeats on it: what clients of all hub classes share.
//
// State: disconnected -> connecting -> connected (the hub has let us in) -> waiting (for the next attempt) -> ...
import {Backoff} from './backoff.js';
import {defaultClock} from './clock.js';
import {DormouseError} from './errors.js';
import {Heartbeats} from './heartbeats.js';
import {checkedTime} from './numbers.js';
import {Transports} from './transports.js';
import {Vigil} from './vigil.js';
import {pageWakings} from './wakings.js';

const STABLE_AFTER = 5000;    // ms that a connection must last for the back-off to start over
const WELCOME_WITHIN = 10000; // ms from the attempt until the hub has let us in
const DEFAULT_INTERVAL = 20000; // ms between heartbeats, where neither hub nor user says
const COMING_BACK = 4000;     // close code; to a hub, 1000 means that the session is over
const OPEN = 1;               // WebSocket.readyState

export class Link {
  state = 'disconnected';
  readyAt = null;  // the clock's time
  heartbeats;
  #options;
  #transports;
  #clock;
  #backoff;
  #vigil;
  #unwatch = null;  // no more of the wakings
  #socket = null;
  #opened = false;
  #timer = null;  // until the hub has let us in, or until the next attempt
  #attempt = 0;

  // `target()`: {url, protocols}, may be a promise; asked for each attempt. `handlers`, all needed:
  //   opened()                           the socket is open: introduce yourself, then call ready()
  //   frame(text)
  //   heartbeat()                        send one
  //   closed({code, reason, opened, final, delay})   the socket is gone; not final: the next attempt is in `delay` ms
  //   state(state)
  //   mayReconnect()                     asked before closed()
  //   awaitedSince()                     when the oldest request that awaits an answer was sent; null: none does
  // `wakings(callback)`: calls it when the path may have died unnoticed; returns a function that ends that.
  constructor({WebSocket = globalThis.WebSocket, transport, fetch, clock = defaultClock(), random, heartbeatInterval = 0,
               target, wakings = pageWakings, handlers}) {
    this.#transports = new Transports({transport, WebSocket, clock, fetch});
    if (this.#transports.needsWebSocket) {
      throw new DormouseError('no_websocket', 'This runtime has no WebSocket.', {
        resolution: 'Pass one as the option WebSocket, such as that of the package ws.',
      });
    }
    checkedTime(heartbeatInterval, 'heartbeatInterval');  // 0: the hub's wish
    this.#options = {heartbeatInterval, target, wakings, handlers};
    this.#clock = clock;
    this.#backoff = new Backoff(random);
    this.heartbeats = new Heartbeats({
      clock, send: handlers.heartbeat, lost: (reason) => this.drop(1006, reason),
    });
    this.#vigil = new Vigil({
      clock, since: handlers.awaitedSince, ping: () => this.heartbeats.beat(),
      unsent: () => this.#socket?.bufferedAmount ?? 0, alive: () => this.heartbeats.heard(),
      lost: (reason) => this.drop(1006, reason),
    });
  }

  // How the last connection came about: 'websocket', 'sse' or 'poll'; null: none has.
  get transport() { return this.#transports.current; }

  get openFor() { return this.readyAt === null ? null : this.#clock.now() - this.readyAt; }

  open() {
    this.#backoff.reset();
    this.heartbeats.clear();
    this.#unwatch ??= this.#options.wakings(() => this.#woken());
    this.#open();
  }

  // The hub has let us in, and asks for a heartbeat each `interval` ms; null: its class knows none.
  ready(interval) {
    this.#clock.clearTimeout(this.#timer);
    this.readyAt = this.#clock.now();
    this.#enter('connected');
    if (interval === null) return;
    this.#vigil.start();
    this.heartbeats.start(this.#options.heartbeatInterval || interval || DEFAULT_INTERVAL);
  }

  // False: there is no open socket.
  send(text) {
    if (this.#socket?.readyState !== OPEN) return false;
    this.#socket.send(text);
    return true;
  }

  // For good: no further attempt.
  close(reason = 'by this client') {
    if (this.state !== 'disconnected') this.drop(1000, reason, true);
  }

  // Gives the socket up without waiting for its peer, which may be gone.
  drop(code, reason, final = false) {
    const socket = this.#socket;
    if (socket) {
      socket.onopen = socket.onmessage = socket.onclose = null;
      socket.onerror = () => {};  // that it was closed before it was open is no news
      // A peer that is gone would keep the socket, and in Node the process, for half a minute.
      if (!final && socket.terminate) socket.terminate();
      else socket.close(final ? 1000 : COMING_BACK);
    }
    this.#lost(code, reason, final);
  }

  // The path may be gone, or be back.
  #woken() {
    if (this.state === 'connected') {
      this.#vigil.suspect();
    } else if (this.state === 'waiting') {
      this.#clock.clearTimeout(this.#timer);
      this.#open();
    }
  }

  async #open() {
    const attempt = ++this.#attempt;
    this.#enter('connecting');
    this.#timer = this.#clock.setTimeout(() => this.drop(1006, 'no answer in time'), WELCOME_WITHIN);
    try {
      const {url, protocols} = await this.#options.target();
      if (attempt === this.#attempt) this.#listen(this.#transports.open(url, protocols));
    } catch (error) {
      if (attempt === this.#attempt) this.#lost(1006, error.message, false);
    }
  }

  #listen(socket) {
    const {handlers} = this.#options;
    let problem = '';
    this.#socket = socket;
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.#opened = true;
      handlers.opened();
    };
    socket.onmessage = ({data}) => {
      this.heartbeats.heard();
      this.#vigil.heard();
      handlers.frame(typeof data === 'string' ? data : new TextDecoder().decode(data));
    };
    // Node's implementations say what was wrong, such as an answer of 401; browsers do not.
    socket.onerror = ({message}) => { problem = message ?? ''; };
    socket.onclose = ({code, reason}) => this.#lost(code, reason || problem, false);
  }

  #lost(code, reason, final) {
    const {handlers} = this.#options;
    this.#clock.clearTimeout(this.#timer);
    this.heartbeats.stop();
    this.#vigil.stop();
    if (this.openFor >= STABLE_AFTER) this.#backoff.reset();
    const opened = this.#opened;
    const attempt = ++this.#attempt;  // what an earlier one is still waiting for does not matter any more
    this.#socket = null;
    this.#opened = false;
    this.readyAt = null;
    final ||= !handlers.mayReconnect({code, reason, opened});
    const delay = final ? null : this.#backoff.nextDelay();
    if (final) {
      this.#unwatch?.();
      this.#unwatch = null;
    }
    this.#enter(final ? 'disconnected' : 'waiting');
    handlers.closed({code, reason, opened, final, delay});
    // A handler may have closed it for good.
    if (!final && attempt === this.#attempt) this.#timer = this.#clock.setTimeout(() => this.#open(), delay);
  }

  #enter(state) {
    this.state = state;
    this.#options.handlers.state(state);
  }
}
