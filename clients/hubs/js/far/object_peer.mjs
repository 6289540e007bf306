// Who is behind the connection of an object whose client is a Worker or an object: what is said goes to the home for
// sockets in that one's process, one call at a time with all that has come together meanwhile.
import {randomBytes} from 'node:crypto';
import {setTimeout as after} from 'node:timers/promises';

import {runIn} from '../objects/context.mjs';
import {LARGEST, MOST_WAITING, PATIENCE, sizeOf} from './calls.mjs';
import {homeAt} from './homes.mjs';

const BATCH = 4 * 1024 * 1024;  // bytes of a call, about
const FIRST_PAUSE = 50;         // ms
const LONGEST_PAUSE = 1000;

export class ObjectPeer {
  token;
  home;              // the name of the home
  #lost;             // called when nobody is there any more
  #speaker = randomBytes(9).toString('base64url');
  #said = 0;
  #queue = [];       // {item, size, resolve}
  #waiting = 0;      // bytes, from admit() until they are there
  #bringing = false;
  #over = false;

  constructor({token, home, lost}) {
    this.token = token;
    this.home = home;
    this.#lost = lost;
  }

  get isFar() { return true; }

  // Whether that may wait, too; it is counted.
  admit(data) {
    const size = sizeOf(data);
    if (size > LARGEST) throw new RangeError(`A message to another process has at most ${LARGEST} bytes.`);
    if (this.#waiting > 0 && this.#waiting + size > MOST_WAITING) return false;
    this.#waiting += size;
    return true;
  }

  // Each returns a promise that resolves when it is there, or will not be.
  take(data) { return this.#push({data}, sizeOf(data)); }

  takeClose(code, reason) { return this.#push({close: [code, reason]}, 0); }

  end() {
    this.#over = true;
    for (const {resolve} of this.#queue.splice(0)) resolve();
  }

  #push(item, size) {
    if (this.#over) return Promise.resolve();
    return new Promise((resolve) => {
      this.#queue.push({item, size, resolve});
      if (!this.#bringing) runIn(undefined, () => this.#bring());
    });
  }

  async #bring() {
    this.#bringing = true;
    while (this.#queue.length > 0) {
      await new Promise(process.nextTick);  // what the handler says next goes along
      const batch = this.#batch();
      const came = await this.#persist(batch.map(({item}) => item));
      if (this.#over) return;
      if (!came) {
        this.end();
        this.#lost();
        return;
      }
      this.#said += batch.length;
      for (const {size, resolve} of this.#queue.splice(0, batch.length)) {
        this.#waiting -= size;
        resolve();
      }
    }
    this.#bringing = false;
  }

  #batch() {
    let bytes = 0;
    const end = this.#queue.findIndex(({size}, at) => (bytes += size) > BATCH && at > 0);
    return end < 0 ? [...this.#queue] : this.#queue.slice(0, end);
  }

  // The home may be elsewhere now: then the client's process names another one soon.
  async #persist(items) {
    const until = Date.now() + PATIENCE;
    for (let pause = FIRST_PAUSE; !this.#over; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        if (await homeAt(this.home).take(this.token, this.#speaker, this.#said, items)) return true;
      } catch { /* its statekeeper is lost, say */ }
      if (Date.now() > until) return false;
      await after(pause);
    }
    return false;
  }
}
