// Notices a path that went silent without saying so, in seconds, while there is something to lose: an answer that is
// awaited, or an event (the machine woke, the network changed) that may have cost the path. Silence alone is no loss:
// the heartbeats look after an idle connection.

const DOUBT_AFTER = 2500;   // ms without a frame while an answer is awaited
const ANSWER_WITHIN = 4000; // ms for any frame after a ping
const LATE = 1000;          // ms behind its time: the program did not run, so nothing could be heard
const JUMP = 3000;          // ms behind its time by the wall clock: the machine slept, or the page was frozen

export class Vigil {
  #clock;
  #since;
  #ping;
  #lost;
  #unsent;
  #alive;
  #timer = null;
  #lookedAt = {now: 0, wall: 0};
  #heardAt = 0;
  #heardWall = -Infinity;
  #startedAt = 0;
  #doubt = null;  // {at, wall, unsent}: a ping that nothing was heard after yet

  // `since()`: when the oldest request that awaits its answer was sent, the clock's time; null: none does. `ping()`
  // sends what is answered at once. `unsent()`: bytes that have not left yet; where they get fewer, `alive()` is told.
  // `lost(reason)`: nothing was heard.
  constructor({clock, since, ping, unsent, alive, lost}) {
    this.#clock = clock;
    this.#since = since;
    this.#ping = ping;
    this.#unsent = unsent;
    this.#alive = alive;
    this.#lost = lost;
  }

  start() {
    this.stop();
    this.#startedAt = this.#heardAt = this.#clock.now();
    this.#note();
    this.#lookIn(DOUBT_AFTER);
  }

  stop() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = this.#doubt = null;
  }

  heard() {
    this.#heardAt = this.#clock.now();
    this.#heardWall = this.#wall();
    this.#doubt = null;
  }

  // Something happened that the path may not have survived.
  suspect() {
    if (this.#timer === null) return;
    // A page that comes back is told so several times, and who was heard just now lives.
    if (this.#wall() - Math.max(this.#doubt?.wall ?? -Infinity, this.#heardWall) < LATE) return;
    this.#clock.clearTimeout(this.#timer);
    this.#doubt = null;
    this.#note();
    this.#ask();
  }

  // What was due at `due` ms. A timer that fires late, or beside a wall clock that went on without it, says that the
  // program stood still: what the peer sent meanwhile may still wait to be read, so it is asked anew.
  #look(due) {
    const {now, wall} = this.#lookedAt;
    const slept = this.#wall() - wall - (due - now) > JUMP;
    const late = this.#clock.now() - due > LATE;
    this.#note();
    if (slept || (late && this.#doubt)) {
      this.#ask();
    } else if (this.#doubt) {
      this.#judge();
    } else {
      const left = this.#leftUntilDoubt();
      if (left <= 0) this.#ask();
      else this.#lookIn(left);
    }
  }

  // ms until silence is odd; while nothing is awaited, until it is time to look again whether something is.
  #leftUntilDoubt() {
    const since = this.#since();
    if (since === null) return DOUBT_AFTER;
    return Math.max(since, this.#heardAt, this.#startedAt) + DOUBT_AFTER - this.#clock.now();
  }

  #ask() {
    this.#doubt = {at: this.#clock.now(), wall: this.#wall(), unsent: this.#unsent()};
    this.#lookIn(ANSWER_WITHIN);
    this.#ping();
  }

  #judge() {
    // A large frame on its way out is a sign of life, too.
    if (this.#unsent() < this.#doubt.unsent) {
      this.#doubt.unsent = this.#unsent();
      this.#alive();
      this.#lookIn(ANSWER_WITHIN);
      return;
    }
    const seconds = (this.#clock.now() - this.#doubt.at) / 1000;
    this.stop();
    this.#lost(`no answer within ${seconds.toFixed(1)} s`);
  }

  #lookIn(delay) {
    const due = this.#clock.now() + delay;
    this.#timer = this.#clock.setTimeout(() => this.#look(due), delay);
  }

  #note() { this.#lookedAt = {now: this.#clock.now(), wall: this.#wall()}; }
  #wall() { return this.#clock.wall ? this.#clock.wall() : Date.now(); }
}
