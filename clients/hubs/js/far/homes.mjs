// Where sockets of this process hear from objects: at an object of the host's own that lives in this process
// (internal/socket_homes.mjs). Which name leads to one is found out by trying, and now and then whether it still does:
// when a statekeeper gives its shard away, another home is found, and the objects are told.
import {randomBytes} from 'node:crypto';
import {clearInterval, setInterval} from 'node:timers';
import {setTimeout as after} from 'node:timers/promises';

import {runIn} from '../objects/context.mjs';
import {PATIENCE} from './calls.mjs';

const MOST_TRIED = 256;    // names; more than there will be statekeepers
const LOOK_EVERY = 2000;   // ms
const PING_EVERY = 2;      // looks
const TRY_AGAIN = 100;     // ms

const lines = new Map();   // ClientLine by token
let namespace = null;
let call = null;
let name = '';             // of the home that was found last
let looking = null;
let looks = 0;
let moving = false;        // a look is under way

// `homes`: the namespace of their class; null: the project was built before there were any. `calling`: HubHost's call.
export function useHomes(homes, calling) {
  namespace = homes;
  call = calling;
}

// Resolves with its answer.
export async function callHub(hubClass, hubName, payload) {
  const {payload: answer, failure, retryable} = await call(hubClass, hubName, payload);
  if (failure) throw Object.assign(new Error(failure), {retryable});
  return answer;
}

export function areThereHomes() { return namespace !== null; }

export function homeAt(which) { return namespace.getByName(which); }

export function lineOf(token) { return lines.get(token); }

// Until leave().
export function join(line) {
  lines.set(line.token, line);
  if (looking) return;
  looking = runIn(undefined, () => setInterval(look, LOOK_EVERY));
  looking.unref();
}

// Resolves with the name of a home that knows of this line and is here.
export async function enter(line) {
  const until = Date.now() + PATIENCE;
  for (let tried = 0; tried < MOST_TRIED && Date.now() < until && lines.has(line.token); tried++) {
    const candidate = name || randomBytes(9).toString('base64url');
    try {
      if (await homeAt(candidate).enter(line.token, line.hubClass, line.hubName)) {
        name = candidate;
        return candidate;
      }
    } catch {
      await after(TRY_AGAIN);
    }
    if (name === candidate) name = '';
  }
  throw new Error('No way was found for what the object says to come here.');
}

export function leave(line) {
  lines.delete(line.token);
  if (lines.size === 0) {
    clearInterval(looking);
    looking = null;
  }
  // Where this fails, the home finds out by itself.
  if (line.home) homeAt(line.home).leave(line.token).catch(() => {});
}

async function look() {
  if (moving) return;
  moving = true;
  try {
    await lookAtHomes();
  } finally {
    moving = false;
  }
}

async function lookAtHomes() {
  const open = [...lines.values()].filter((line) => line.opened);
  if (++looks % PING_EVERY === 0) for (const line of open) line.ping();
  for (const home of new Set(open.map((line) => line.home))) {
    const there = open.filter((line) => line.home === home);
    try {
      if (await homeAt(home).holds(there[0].token)) continue;
    } catch {
      continue;
    }
    if (name === home) name = '';
    // Where none is found, as when a newer version is there and this process is about to end, one search is enough.
    for (const line of there) if (!await move(line, home)) break;
  }
}

async function move(line, from) {
  try {
    await line.moveTo(await enter(line));
    await homeAt(from).leave(line.token);
    return true;
  } catch {
    return false;  // the next look
  }
}
