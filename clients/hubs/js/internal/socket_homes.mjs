// Where clients' ends of sockets are that a Worker or an object of one process has at an object: what that one says
// comes here and is handed on within the process. When the process dies, this is what notices: such an object is soon
// back, somewhere, and finds in its storage clients of whom its process knows nothing.
import {Ask, farCall} from '../far/calls.mjs';
import {callHub, lineOf} from '../far/homes.mjs';

// ms. A client has to be missing twice: when only this object has moved, its process is about to find another home.
const LOOK_EVERY = 4000;
const TOLD_AT_ONCE = 100;  // objects

export class SocketHomes {
  #state;
  #storage;
  #missing = new Set();  // tokens, at the last look
  #looks = false;        // an alarm is set
  #stay = null;          // ends the wait that keeps this object in its process

  constructor(state) {
    this.#state = state;
    this.#storage = state.storage;
  }

  // `token`: of a socket whose client's end is here. False: this is another process.
  async enter(token, hubClass, hubName) {
    if (!lineOf(token)) return false;
    this.#hold();
    await this.#storage.put(token, {hubClass, hubName});
    await this.#lookLater();
    return true;
  }

  holds(token) { return lineOf(token) !== undefined; }

  take(token, ...said) {
    const line = lineOf(token);
    line?.take(...said);
    return line !== undefined;
  }

  async leave(token) { await this.#storage.delete(token); }

  async alarm() {
    this.#looks = false;
    const clients = await this.#storage.list();
    const lost = [];
    const missing = new Set();
    for (const client of clients) {
      const [token] = client;
      if (lineOf(token)) continue;
      missing.add(token);
      if (this.#missing.has(token)) lost.push(client);
    }
    this.#missing = missing;
    while (lost.length > 0) await Promise.all(lost.splice(0, TOLD_AT_ONCE).map((client) => this.#tell(client)));
    if (clients.size > 0) {
      this.#hold();
      await this.#lookLater();
    } else {
      this.#stay?.();
      this.#stay = null;
    }
  }

  // The object hears that its client is gone. It may have another home by now, and knows.
  async #tell([token, {hubClass, hubName}]) {
    try {
      await callHub(hubClass, hubName, farCall({ask: Ask.LOST, token, home: this.#state.id.name}));
      await this.#storage.delete(token);
    } catch { /* the next look */ }
  }

  // What it has seen is to be known at the next look; and when a newer version is there, it stays with the older process
  // as long as that has clients.
  #hold() {
    if (!this.#stay) this.#state.waitUntil(new Promise((resolve) => { this.#stay = resolve; }));
  }

  async #lookLater() {
    if (this.#looks) return;
    this.#looks = true;
    await this.#storage.setAlarm(Date.now() + LOOK_EVERY);
  }
}
