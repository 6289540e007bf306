// The last few hundred names, to notice what comes twice.
export class RecentIds {
  #ids = new Set();  // in the order they came
  #limit;

  constructor(limit = 500) { this.#limit = limit; }

  // False: it was there already.
  add(id) {
    if (this.#ids.has(id)) return false;
    this.#ids.add(id);
    if (this.#ids.size > this.#limit) this.#ids.delete(this.#ids.values().next().value);
    return true;
  }
}
