// The page's conversation with a hub of any other class: frames as they are, in both directions. Nothing is known of
// such a class, not even whether it answers: no heartbeats, no ping.
import {Link} from './dormouse/link.js';
import {Waiting} from './waiting.js';

export class PlainTalk {
  static identityLabel = 'Path';
  identity = null;
  #page;
  #waiting;
  #link;

  // `page`: sent(text, raw) and received(kind, text, raw) show rows.
  constructor(url, page, {reconnect}) {
    this.#page = page;
    this.#waiting = new Waiting(page, (text) => this.#send(text));
    const listeners = new Map();  // event -> function
    this.client = {
      on: (name, listener) => listeners.set(name, listener),
      reconnect: (reason) => this.#link.drop(1006, reason),
      get state() { return this.link.state; },
      get openFor() { return this.link.openFor; },
      get heartbeats() { return this.link.heartbeats; },
    };
    this.#link = this.client.link = new Link({
      target: () => ({url, protocols: []}),
      handlers: {
        opened: () => {
          this.identity = new URL(url).pathname;
          this.#link.ready(null);
          this.#waiting.flush();
        },
        frame: (text) => page.received('message', text),
        heartbeat() {},
        closed: (event) => {
          this.identity = null;
          listeners.get('disconnected')?.(event);
          if (!event.final) listeners.get('reconnecting')?.(event);
        },
        state: (state) => listeners.get('state')?.(state),
        mayReconnect: reconnect,
        awaitedSince: () => null,
      },
    });
  }

  get queued() { return this.#waiting.size; }

  connect() { this.#link.open(); }
  leave() { this.#link.close(); }
  ping() {}
  compose({message}) { this.#waiting.say(message); }

  #send(text) {
    if (!this.#link.send(text)) return false;
    this.#page.sent(text);
    return true;
  }
}
