// Calls `scheduled` when one of the project's crons is due. Each process that runs the project does: with several
// statekeepers, they are called several times.
import {setTimeout} from 'node:timers';

import {Cron} from './cron.mjs';

const MINUTE = 60_000;

export function startCrons(expressions, entry, report) {
  if (expressions.length === 0 || !entry.hasScheduled) return;
  const crons = expressions.map((expression) => new Cron(expression));
  const next = () => {
    const due = Math.floor(Date.now() / MINUTE) * MINUTE + MINUTE;
    setTimeout(() => {
      for (const cron of crons) {
        if (cron.matches(new Date(due))) entry.scheduled(cron.expression, due).catch((error) => report(null, error));
      }
      next();
    }, due - Date.now()).unref();
  };
  next();
}
