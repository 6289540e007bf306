// Calls `scheduled` when one of the project's crons is due. All processes that run the project ask CronClaims for it:
// one of them gets a cron's minute.
import {clearInterval, clearTimeout, setInterval, setTimeout} from 'node:timers';
import {setTimeout as after} from 'node:timers/promises';

import {Cron} from './cron.mjs';

const MINUTE = 60_000;
const RENEW_EVERY = 20_000;       // ms
const ASK_AGAIN_AFTER = 1000;     // ms, when nobody could be asked
const ASK_FOR = 5 * MINUTE;

export class Crons {
  #crons;
  #entry;
  #claims;
  #report;
  #timer = null;
  #stopped = false;
  #running = new Set();  // promises

  // `claims`: a stub of CronClaims; null: there is nobody else.
  constructor(expressions, {entry, claims, report}) {
    this.#crons = entry.hasScheduled ? expressions.map((expression) => new Cron(expression)) : [];
    this.#entry = entry;
    this.#claims = claims;
    this.#report = report;
  }

  start() { if (this.#crons.length > 0) this.#waitFor(Math.floor(Date.now() / MINUTE) * MINUTE + MINUTE); }

  // Resolves when what runs has ended.
  async stop() {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await Promise.all(this.#running);
  }

  // Resolves when this minute's runs have ended.
  async minute(minute) {
    const due = this.#crons.filter((cron) => cron.matches(new Date(minute))).map(({expression}) => expression);
    const runs = this.#claims ? await this.#claim(minute, due) : due.map((cron) => ({cron, minute}));
    await Promise.all(runs.map((run) => this.#run(run)));
  }

  #waitFor(minute) {
    this.#timer = setTimeout(() => {
      if (Date.now() < minute) {  // timers can be early
        this.#waitFor(minute);
        return;
      }
      this.minute(minute).catch((error) => this.#report(null, error));
      this.#waitFor(Math.max(minute, Math.floor(Date.now() / MINUTE) * MINUTE) + MINUTE);
    }, Math.max(1, minute - Date.now()));
    this.#timer.unref();
  }

  // The store or the statekeeper of CronClaims may be away for a while.
  async #claim(minute, due) {
    for (let wait = ASK_AGAIN_AFTER; !this.#stopped; wait *= 2) {
      try {
        const {runs, off} = await this.#claims.claim(minute, due);
        if (off) {
          this.#report(null, new Error(`The clock of this machine is ${Math.round(off / 1000)} s off that of the ` +
                                       'statekeeper that decides who calls scheduled(); it does not call it.'));
        }
        return runs;
      } catch (error) {
        if (Date.now() + wait - minute < ASK_FOR) {
          await after(wait);
          continue;
        }
        this.#report(null, error);
        return [];
      }
    }
    return [];
  }

  #run(run) {
    const running = this.#call(run);
    this.#running.add(running);
    return running.finally(() => this.#running.delete(running));
  }

  // One that throws is not called again.
  async #call(run) {
    const tell = (call) => this.#claims && call().catch((error) => this.#report(null, error));
    const timer = setInterval(() => tell(() => this.#claims.renew([run])), RENEW_EVERY);
    timer.unref();
    try {
      await this.#entry.scheduled(run.cron, run.minute);
    } catch (error) {
      this.#report(null, error);
    } finally {
      clearInterval(timer);
      await tell(() => this.#claims.end(run));
    }
  }
}
