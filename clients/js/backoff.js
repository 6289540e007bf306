// Delays between attempts: 100 ms, 200 ms, 400 ms ... 30 s, each moved by up to a quarter either way.
const FIRST = 100;
const LAST = 30000;

export class Backoff {
  #next = FIRST;
  #random;

  constructor(random = Math.random) { this.#random = random; }

  nextDelay() {
    const delay = this.#next * (0.75 + 0.5 * this.#random());
    this.#next = Math.min(this.#next * 2, LAST);
    return delay;
  }

  reset() { this.#next = FIRST; }
}
