// The object that sees to it that of all processes that run the project one calls `scheduled` for a cron and a minute.
// Each of them asks it every minute; whoever is first gets the run, says now and then that it goes on, and that it has
// ended. A run whose process says nothing any more is somebody else's, a few times.
const LEASE = 60_000;        // ms; of a run, unless it is said to go on
const MOST_ATTEMPTS = 3;
// ms that a minute may be off the clock here: as long as it takes until a store or a statekeeper is back, and not so
// long that somebody would be surprised.
const MOST_OFF = 5 * 60_000;
const LAST = 'last ';        // keys: of a cron, the last minute that somebody has got
const RUN = 'run ';          // ... and of each run that has not ended

export class CronClaims {
  #storage;
  #now;

  constructor({storage}, env, now = Date.now) {
    this.#storage = storage;
    this.#now = now;
  }

  // `crons`: those that are due in this minute. Returns {runs: [{cron, minute, attempt}], off}: what the caller has to
  // run; how far its clock is off, where that is too far.
  async claim(minute, crons) {
    const now = this.#now();
    if (Math.abs(now - minute) > MOST_OFF) return {runs: [], off: minute - now};
    const runs = await this.#deserted(now);
    for (const cron of crons) {
      const last = await this.#storage.get(LAST + cron) ?? 0;
      // One that is far ahead is of a clock that was wrong.
      if (minute <= last && last <= now + MOST_OFF) continue;
      await this.#storage.put(LAST + cron, minute);
      runs.push({cron, minute, attempt: 0});
    }
    await this.#lease(runs, now);
    return {runs, off: 0};
  }

  // They go on.
  async renew(runs) { await this.#lease(runs, this.#now()); }

  async end({cron, minute}) { await this.#storage.delete(keyOf(cron, minute)); }

  async #deserted(now) {
    const runs = [];
    for (const [key, {cron, minute, attempt, until}] of await this.#storage.list({prefix: RUN})) {
      if (until > now) continue;
      if (attempt + 1 < MOST_ATTEMPTS) runs.push({cron, minute, attempt: attempt + 1});
      else await this.#storage.delete(key);
    }
    return runs;
  }

  async #lease(runs, now) {
    for (const {cron, minute, attempt} of runs) {
      await this.#storage.put(keyOf(cron, minute), {cron, minute, attempt, until: now + LEASE});
    }
  }
}

function keyOf(cron, minute) { return `${RUN}${minute} ${cron}`; }
