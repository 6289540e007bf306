// Sends a heartbeat each interval, keeps the books on the acknowledgements, and says when the connection is dead.

const ACK_WITHIN = 5000;  // ms after which a heartbeat counts as missed; less where the interval is short
const STOOD_STILL = 1000; // ms that a check comes late
const MISSED_LIMIT = 2;   // missed in a row, with nothing else heard: the connection is dead

export class Heartbeats {
  state = 'idle';  // idle, waiting (none acknowledged yet), alive, missed
  acks = 0;
  missed = 0;
  latency = null;  // ms, of the last one
  lastAck = null;  // the clock's time
  #clock;
  #send;
  #lost;
  #interval = 0;
  #latencies = 0;  // sum
  #pending = [];   // times of those sent and not yet acknowledged
  #late = 0;       // how many of the pending ones count as missed already
  #heardAt = 0;
  #beat = null;    // timer of the next heartbeat
  #check = null;   // timer of the next that could be missed

  // `send()` sends one; `lost(reason)` is told of a dead connection, once.
  constructor({clock, send, lost}) {
    this.#clock = clock;
    this.#send = send;
    this.#lost = lost;
  }

  get average() { return this.acks ? this.#latencies / this.acks : null; }
  get interval() { return this.#interval; }

  start(interval) {
    this.stop();
    this.#interval = interval;
    this.state = 'waiting';
    this.#next();
  }

  stop() {
    this.#clock.clearTimeout(this.#beat);
    this.#clock.clearTimeout(this.#check);
    this.state = 'idle';
    this.#pending = [];
    this.#late = 0;
    this.#check = null;
  }

  // Forgets the figures of earlier connections.
  clear() {
    this.stop();
    this.acks = this.missed = this.#latencies = 0;
    this.latency = this.lastAck = null;
  }

  // Something came in: whatever it is, the peer lives.
  heard() { this.#heardAt = this.#clock.now(); }

  // Returns its latency.
  acknowledged() {
    const sent = this.#pending.shift();
    if (sent === undefined) return null;  // nobody asked
    this.#late = Math.max(0, this.#late - 1);
    this.lastAck = this.#clock.now();
    this.latency = this.lastAck - sent;
    this.#latencies += this.latency;
    this.acks++;
    if (!this.#late) this.state = 'alive';
    return this.latency;
  }

  // One more, out of turn: somebody wants to know whether the peer is there.
  beat() {
    this.#pending.push(this.#clock.now());
    this.#watch();
    this.#send();
  }

  #next() {
    this.#beat = this.#clock.setTimeout(() => this.#next(), this.#interval);
    this.beat();
  }

  #ackWithin() { return Math.min(ACK_WITHIN, this.#interval * 0.9); }

  #watch() {
    if (this.#check !== null || this.#late >= this.#pending.length) return;
    const due = this.#pending[this.#late] + this.#ackWithin();
    this.#check = this.#clock.setTimeout(() => this.#judge(due), Math.max(0, due - this.#clock.now()));
  }

  #judge(due) {
    this.#check = null;
    // The program stood still, as a frozen page does: what came meanwhile has not been read yet. Those that were under
    // way count from now on.
    if (this.#clock.now() - due > STOOD_STILL) {
      this.#pending.fill(this.#clock.now(), this.#late);
      this.#watch();
      return;
    }
    // Timers may be a fraction of a millisecond early.
    const before = this.#clock.now() - this.#ackWithin() + 1;
    while (this.#late < this.#pending.length && this.#pending[this.#late] < before) {
      this.#late++;
      this.missed++;
      this.state = 'missed';
    }
    if (this.#late >= MISSED_LIMIT) {
      if (this.#heardAt <= this.#pending[0]) {
        this.stop();
        this.#lost(`no answer to ${MISSED_LIMIT} heartbeats`);
        return;
      }
      this.#pending.splice(0, this.#late);
      this.#late = 0;
    }
    this.#watch();
  }
}
