// When frames may leave, once the hub has refused one: not before the time that it names, and from then on at the rate
// of its limit, by a token bucket like its own. That lasts as long as the connection, so that an application that goes
// on sending too much is slowed down here, and not refused by the hub again and again.

const UNKNOWN_RATE = 10;  // frames a second, where the hub does not say

export class Pace {
  #clock;
  #until = 0;     // the clock's time; nothing goes before
  #rate = 0;      // frames a second; 0: as many as one likes
  #room = 0;      // frames that may go at once after a silence
  #credit = 0;    // as of #at
  #at = 0;

  constructor(clock) { this.#clock = clock; }

  // Nothing goes for `wait` ms.
  hold(wait) { this.#until = Math.max(this.#until, this.#clock.now() + wait); }

  // A frame was one too many. Nothing goes for `wait` ms, then one, and so on at `rate` a second.
  slowDown(wait, rate) {
    const known = rate > 0 ? rate : UNKNOWN_RATE;
    // Two refusals of one moment count once. Refused although it kept the pace: the hub takes fewer at once.
    if (this.#rate === 0) this.#room = Math.max(1, known);
    else if (this.#until <= this.#clock.now()) this.#room = Math.max(1, this.#room / 2);
    this.hold(wait);
    this.#rate = known;
    this.#credit = 1;
    this.#at = this.#until;
  }

  // A new connection.
  reset() { this.#rate = this.#until = 0; }

  // ms until a frame may go; 0: now.
  get wait() {
    const held = this.#until - this.#clock.now();
    if (held > 0 || this.#rate === 0) return Math.max(0, held);
    const missing = 1 - this.#credit - (this.#clock.now() - this.#at) * this.#rate / 1000;
    return missing > 1e-9 ? missing * 1000 / this.#rate : 0;  // what rounding leaves is not worth a timer
  }

  // One went.
  took() {
    const now = this.#clock.now();
    this.#credit = Math.min(this.#room, this.#credit + (now - this.#at) * this.#rate / 1000) - 1;
    this.#at = now;
  }
}
