// Tells the application that its messages wait longer than it may expect: once when the oldest has waited for `after`
// ms, again whenever twice as many wait as were told last, and once, with `waiting` 0, when nothing waits any more.

export class Backlog {
  #clock;
  #after;
  #look;
  #tell;
  #told = 0;      // how many waited when it was told last; 0: that nothing does
  #timer = null;

  // `look()` says how things are now: {waiting, delay, reason}. `tell` is given the same.
  constructor({clock, after, look, tell}) {
    this.#clock = clock;
    this.#after = after;
    this.#look = look;
    this.#tell = tell;
  }

  // Something may have changed.
  update() {
    const status = this.#look();
    const {waiting, delay} = status;
    if (this.#told || !waiting || delay >= this.#after) {
      this.#clock.clearTimeout(this.#timer);
      this.#timer = null;
    }
    if (!waiting) {
      if (this.#told) this.#say(status);
    } else if (delay < this.#after) {
      if (!this.#told) this.#timer ??= this.#clock.setTimeout(() => this.#lookAgain(), this.#after - delay);
    } else if (!this.#told || waiting >= 2 * this.#told) {
      this.#say(status);
    }
  }

  #lookAgain() {
    this.#timer = null;
    this.update();
  }

  #say(status) {
    this.#told = status.waiting;
    this.#tell(status);
  }
}
