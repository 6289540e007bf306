// What the client wants of the hub, from the call to its answer: waiting to be sent, or sent and unanswered.
//
// A connection passes through three gates: shut (nothing goes), restoring (only what is `urgent`: the client's own
// upkeep of its session), open. While the hub says pause, messages wait and everything else goes on.
// When the hub says rate_limited, what it refused goes back to its place in the queue, and all wait as long as the
// hub asks; from then on the connection keeps to the rate that the hub named (Pace). Who has to know is told
// (Backlog).
// Of frames with the same `latest` only the last one waits: it takes the place of the one before.
import {Backlog} from './backlog.js';
import {errorOf, DormouseError} from './errors.js';
import {Outbox} from './outbox.js';
import {checkedCount, checkedTime, checkedTimeout} from './numbers.js';
import {Pace} from './pace.js';

const RATE_RETRIES = 10;   // how often one request is sent again after rate_limited
const WAITED_FOR = {
  connection: 'for a connection', pause: 'for the end of a pause that the hub asked for', rate: 'for its turn at the rate limit',
};
const TELLS_KEPT = 256;    // sent tells that could still be refused

export class Requests {
  #clock;
  #timeout;
  #transmit;
  #failed;
  #outbox;
  #numbers = 0;
  #gate = 'shut';
  #paused = false;
  #inFlight = new Map();   // id -> entry that waits for its answer
  #tells = new Map();      // id -> entry, the last ones sent
  #pace;
  #backlog;
  #timer = null;
  #waiters = [];           // of drained()

  // `transmit(frame)`: false when there is no socket. `failed(error)`: a tell was refused. `backlog`: Backlog's
  // `tell`, of what has waited for `backlogAfter` ms.
  constructor({clock, queueLimit, timeout, transmit, failed, backlog = () => {}, backlogAfter = 500}) {
    checkedCount(queueLimit, 'queueLimit');
    checkedTimeout(timeout, 'requestTimeout');
    checkedTime(backlogAfter, 'backlogAfter');
    this.#clock = clock;
    this.#timeout = timeout;
    this.#transmit = transmit;
    this.#failed = failed;
    this.#outbox = new Outbox(queueLimit);
    this.#pace = new Pace(clock);
    this.#backlog = new Backlog({clock, after: backlogAfter, look: () => this.backlog, tell: backlog});
  }

  get queued() { return this.#outbox.size; }
  get paused() { return this.#paused; }
  // What waits, for how long (ms), and why: connection, pause or rate; null: nothing waits.
  get backlog() {
    const {oldest, size: waiting} = this.#outbox;
    if (!oldest) return {waiting: 0, delay: 0, reason: null};
    return {waiting, delay: this.#clock.now() - oldest.since, reason: this.#hold};
  }

  get #hold() { return this.#gate !== 'open' ? 'connection' : this.#paused ? 'pause' : 'rate'; }

  // When the oldest of those that wait for their answer was sent; null: none does.
  get awaitedSince() {
    let since = null;
    for (const {sentAt} of this.#inFlight.values()) if (since === null || sentAt < since) since = sentAt;
    return since;
  }

  // The hub's answer. `message`: a pause holds it. `idempotent`: may be sent again when the socket breaks before
  // the answer. `urgent`: goes while the session is being restored, however full the queue is, and ends with the
  // connection. `latest`: see above; null: it was superseded by a later one before it was sent.
  ask(frame, {timeout = this.#timeout, message = false, idempotent = false, urgent = false, latest} = {}) {
    return new Promise((resolve, reject) => {
      checkedTimeout(timeout);  // throws: the promise is rejected
      const entry = this.#entry(frame, {message, idempotent, urgent, latest, resolve, reject});
      if (urgent) this.#outbox.putBack(entry);
      else this.#add(entry);  // throws, too
      entry.deadline = this.#clock.now() + timeout;
      entry.timer = this.#clock.setTimeout(() => this.#expire(entry, timeout), timeout);
      this.#pump();
    });
  }

  // True: handed to the socket. False: it waits. Throws queue_full.
  tell(frame, {latest} = {}) {
    const entry = this.#entry(frame, {message: true, latest});
    this.#add(entry);
    this.#pump();
    return this.#tells.get(frame.id) === entry;
  }

  // The error of a request that has waited to be sent for `timeout` ms; undefined: it does not wait.
  unsent(id, timeout) {
    const entry = this.#outbox.of(id);
    return entry && this.#tooLate(entry, timeout);
  }

  // Whether the frame answers one of these.
  answer(frame) {
    const id = frame.correlationId;
    const entry = this.#inFlight.get(id) ?? this.#tells.get(id);
    if (!entry) return false;
    const error = errorOf(frame);
    this.#inFlight.delete(id);
    this.#tells.delete(id);
    if (error?.code === 'rate_limited' && this.#again(entry, error)) return true;
    this.#clock.clearTimeout(entry.timer);
    if (!entry.resolve) {
      if (error) this.#failed(error);
    } else if (error) {
      entry.reject(error);
    } else {
      entry.resolve(frame);
    }
    return true;
  }

  // `gate`: restoring or open.
  open(gate) {
    this.#gate = gate;
    this.#pump();
  }

  pause(paused) {
    this.#paused = paused;
    this.#pump();
  }

  // The socket broke. Only what may be repeated is.
  shut() {
    this.#gate = 'shut';
    this.#paused = false;
    this.#pace.reset();
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    this.#tells.clear();
    const pending = [...this.#inFlight.values(), ...this.#outbox.clear()];
    this.#inFlight.clear();
    for (const entry of pending.sort((a, b) => a.number - b.number)) {
      if (!entry.urgent && (entry.idempotent || !entry.sent)) {
        entry.doubtful ||= entry.sent;
        this.#wait(entry);
        continue;
      }
      this.#reject(entry, new DormouseError(
        'connection_lost', `The connection broke before ${entry.frame.type} was answered.`,
        {resolution: 'The hub may have got it or not; send it again where twice does no harm.'}));
    }
    this.#backlog.update();
  }

  // Nothing will be sent any more.
  end(error) {
    this.shut();
    for (const entry of this.#outbox.clear()) {
      if (entry.reject) this.#reject(entry, error);
    }
    for (const {reject} of this.#waiters.splice(0)) reject(error);
    this.#backlog.update();
  }

  // Until nothing waits to be sent, and a message would go at once.
  drained() {
    if (this.#isDrained()) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiters.push({resolve, reject}));
  }

  #entry(frame, settings) {
    // `doubtful`: the hub may have got it over a socket that broke.
    return {number: this.#numbers++, since: this.#clock.now(), frame, sent: false, doubtful: false, tries: 0, ...settings};
  }

  #add(entry) {
    const old = entry.latest === undefined ? undefined : this.#outbox.supersede(entry);
    if (old) this.#supersede(old);
    else this.#outbox.add(entry);
  }

  // What was sent in vain waits again, unless a later one waits in its place.
  #wait(entry) {
    entry.sent = false;
    if (entry.latest !== undefined && this.#outbox.has(entry.latest)) this.#supersede(entry);
    else this.#outbox.putBack(entry);
  }

  #supersede(entry) {
    this.#clock.clearTimeout(entry.timer);
    entry.resolve?.(null);
  }

  #isDrained() { return this.#gate === 'open' && !this.#paused && !this.#outbox.size; }

  #mayGo(entry) {
    if (this.#gate === 'restoring') return entry.urgent;
    return this.#gate === 'open' && !(this.#paused && entry.message);
  }

  #pump() {
    this.#clock.clearTimeout(this.#timer);
    this.#timer = null;
    let held = this.#pace.wait;
    while (held <= 0) {
      const entry = this.#outbox.take((waiting) => this.#mayGo(waiting));
      if (!entry) break;
      if (!this.#transmit(entry.frame)) {
        this.#outbox.putBack(entry);  // the socket is about to be found broken
        break;
      }
      this.#sent(entry);
      this.#pace.took();
      held = this.#pace.wait;
    }
    if (held > 0 && this.#outbox.size && this.#gate !== 'shut') {
      this.#timer = this.#clock.setTimeout(() => this.#pump(), held);
    }
    this.#backlog.update();
    if (this.#isDrained()) {
      for (const {resolve} of this.#waiters.splice(0)) resolve();
    }
  }

  #sent(entry) {
    entry.sent = true;
    entry.sentAt = this.#clock.now();
    if (entry.resolve) {
      this.#inFlight.set(entry.frame.id, entry);
      return;
    }
    this.#tells.set(entry.frame.id, entry);
    if (this.#tells.size > TELLS_KEPT) this.#tells.delete(this.#tells.keys().next().value);
  }

  // Whether it is worth another try.
  #again(entry, {details}) {
    const wait = details.retryAfterMs ?? (details.retryAfter ?? 1) * 1000;
    if (++entry.tries > RATE_RETRIES || this.#clock.now() + wait > (entry.deadline ?? Infinity)) return false;
    // Other limits, such as that of a mailbox, have nothing to do with how often frames leave.
    if ((details.code ?? 'RATE_LIMIT_EXCEEDED') === 'RATE_LIMIT_EXCEEDED') this.#pace.slowDown(wait, details.limit);
    else this.#pace.hold(wait);
    this.#wait(entry);
    this.#pump();
    return true;
  }

  #expire(entry, timeout) {
    this.#inFlight.delete(entry.frame.id);
    this.#outbox.remove(entry);
    this.#reject(entry, this.#tooLate(entry, timeout));
    this.#pump();
  }

  #tooLate({frame: {type}, sent, doubtful}, timeout) {
    if (sent || doubtful) {
      return new DormouseError('timeout', `No answer to ${type} within ${timeout} ms.`, {
        resolution: 'Send it again where twice does no harm.',
      });
    }
    return new DormouseError('timeout', `Not sent: ${type} waited ${timeout} ms ${WAITED_FOR[this.#hold]}.`, {
      resolution: 'Send it again; the hub has not got it.', details: {sent: false},
    });
  }

  #reject(entry, error) {
    this.#clock.clearTimeout(entry.timer);
    entry.reject(error);
  }
}
