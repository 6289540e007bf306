// console.log and the others: to the statekeeper's log, with the hub and the connection in whose name they are called.
import {format} from 'node:util';

import {currentContext} from '../objects/context.mjs';

const Level = {debug: 0, trace: 0, log: 1, info: 1, warn: 2, error: 3};
const MAX_TEXT = 16 * 1024;

// `log({level, hub, connection, text})`
export function redirectConsole(log) {
  for (const [name, level] of Object.entries(Level)) {
    console[name] = (...args) => log({level, ...origin(currentContext()), text: format(...args).slice(0, MAX_TEXT)});
  }
}

export function origin(context) {
  const hub = context?.life?.hub;
  return hub ? {hub: hub.title, connection: context.record?.connection ?? ''} : {hub: '', connection: ''};
}
