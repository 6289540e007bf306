// A client that is connected to a fake hub, on a clock that stands still.
import {DormouseClient} from '../client.js';
import {FakeHub} from './fake_hub.js';
import {ManualClock, settled} from './manual_clock.js';

const EVENTS = ['connected', 'resumed', 'disconnected', 'reconnecting', 'paused', 'unpaused', 'backlog', 'error',
                'message'];

export function unconnected(options = {}) {
  const hub = new FakeHub();
  const clock = new ManualClock();
  const client = new DormouseClient('ws://hub/ws/room', {
    actor: 'browser/anna', WebSocket: hub.WebSocket, transport: 'websocket', clock, random: () => 0.5, ...options,
  });
  const events = [];  // [name, value]
  for (const name of EVENTS) client.on(name, (value) => events.push([name, value]));
  const of = (name) => events.filter(([event]) => event === name).map(([, value]) => value);
  return {hub, clock, client, events, of};
}

export async function connected(options) {
  const all = unconnected(options);
  await all.client.connect();
  return all;
}

// Time passes until the client is back.
export async function back({clock, client}) {
  for (let tries = 0; client.state !== 'connected' && tries < 100; tries++) await clock.advance(100);
  await settled();
}
