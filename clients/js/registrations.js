// The addresses that this client keeps registered: registered again by a fresh session, and renewed half-way unless
// the hub says that the connection alone keeps them (renewalNeeded: false).

const RETRY_AFTER = 5000;  // ms, when neither renewing nor registering again worked

export class Registrations {
  #clock;
  #ask;
  #failed;
  #kept = new Map();  // bare address -> {bare, payload, renewalToken, renewAt, timer}

  // `ask(type, payload, settings)`: a request to the hub. `failed(error)`: one that nobody awaits.
  constructor({clock, ask, failed}) {
    this.#clock = clock;
    this.#ask = ask;
    this.#failed = failed;
  }

  get addresses() { return [...this.#kept.keys()]; }

  // `payload`: of hub:register. Kept from the hub's answer on, which is returned.
  async add(bare, payload) {
    const answer = await this.#ask('hub:register', payload, {idempotent: true});
    this.#drop(bare);
    const kept = {bare, payload, timer: null};
    this.#kept.set(bare, kept);
    this.#keep(kept, answer);
    return answer.payload;
  }

  async remove(bare, payload) {
    this.#drop(bare);
    return (await this.#ask('hub:unregister', payload, {idempotent: true})).payload;
  }

  // A fresh session knows nothing of them.
  restore() { return [...this.#kept.values()].map((kept) => this.#register(kept)); }

  // The session is the one of before: go on where it stopped.
  resume() {
    for (const kept of this.#kept.values()) this.#schedule(kept, kept.renewAt - this.#clock.now());
  }

  // Until restore() or resume().
  suspend() {
    for (const kept of this.#kept.values()) this.#clock.clearTimeout(kept.timer);
  }

  clear() {
    this.suspend();
    this.#kept.clear();
  }

  #drop(bare) {
    this.#clock.clearTimeout(this.#kept.get(bare)?.timer);
    this.#kept.delete(bare);
  }

  #holds(kept) { return this.#kept.get(kept.bare) === kept; }

  // After an error: a lost connection is the next session's business.
  #wanted(kept, {code}) { return this.#holds(kept) && code !== 'connection_lost'; }

  #keep(kept, {payload, timestamp}) {
    if (!this.#holds(kept)) return;
    kept.renewalToken = payload.renewalToken;
    // Both are the hub's time, so that this clock may be wrong.
    const wait = payload.renewalNeeded === false ? Infinity : Math.max(0, (payload.expiresAt - timestamp) / 2);
    kept.renewAt = this.#clock.now() + wait;
    this.#schedule(kept, wait);
  }

  #schedule(kept, wait) {
    this.#clock.clearTimeout(kept.timer);
    if (wait === Infinity) return;
    kept.timer = this.#clock.setTimeout(() => this.#renew(kept), Math.max(0, wait));
  }

  async #register(kept) { this.#keep(kept, await this.#ask('hub:register', kept.payload, {urgent: true})); }

  async #renew(kept) {
    const {payload: {actorAddress, ttl}, renewalToken} = kept;
    try {
      this.#keep(kept, await this.#ask('hub:renew', {actorAddress, ttl, renewalToken}, {urgent: true}));
    } catch (error) {
      if (!this.#wanted(kept, error)) return;
      // Too late, or the answer to an earlier renewal was lost and its token with it.
      await this.#register(kept).catch((second) => {
        if (!this.#wanted(kept, second)) return;
        this.#failed(second);
        this.#schedule(kept, RETRY_AFTER);
      });
    }
  }
}
