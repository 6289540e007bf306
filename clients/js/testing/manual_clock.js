// A clock that stands still until a test moves it.
export class ManualClock {
  #now = 1000;
  #asleep = 0;          // ms that only the wall clock counted
  #timers = new Map();  // id -> {callback, due}
  #nextId = 1;

  now() { return this.#now; }
  wall() { return this.#now + this.#asleep; }

  // The machine sleeps: the timers stand still, the wall clock goes on.
  sleep(ms) { this.#asleep += ms; }

  // The program stands still: no timer fires before that time, and then all do that are due.
  async freeze(ms) {
    this.#now += ms;
    await this.advance(0);
  }

  setTimeout(callback, delay) {
    this.#timers.set(this.#nextId, {callback, due: this.#now + delay});
    return this.#nextId++;
  }

  clearTimeout(id) { this.#timers.delete(id); }

  // ms until each timer, soonest first.
  get delays() { return [...this.#timers.values()].map(({due}) => due - this.#now).sort((a, b) => a - b); }

  // Lets time pass; each timer fires at its time, and what it sets off comes to rest before the next one.
  async advance(ms) {
    const end = this.#now + ms;
    await settled();
    for (;;) {
      const [id, timer] = [...this.#timers].reduce((a, b) => b[1].due < a[1].due ? b : a, [0, {due: Infinity}]);
      if (timer.due > end) break;
      this.#now = Math.max(this.#now, timer.due);
      this.#timers.delete(id);
      timer.callback();
      await settled();
    }
    this.#now = end;
  }
}

// Until all that is under way in memory has come to rest. A turn of the event loop runs every promise's callbacks; the
// longest chain here, of a frame, its answer, and what that sets off, takes fewer turns than this.
export async function settled() {
  for (let turn = 0; turn < 8; turn++) await new Promise((resolve) => { setImmediate(resolve); });
}
