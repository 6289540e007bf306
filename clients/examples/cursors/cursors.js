// node cursors.js ws://127.0.0.1:8080/ws/board 5 3      5 clients move their cursors 30 times a second for 3 seconds, and see
// those of all. The hub has to allow that: deploy/local up --set rate-limit=40
import {createRequire} from 'node:module';
import {DormouseClient} from '../../js/index.js';  // 'dormouse', in a project of one's own

const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('ws');
const [url, count = 5, duration = 3] = process.argv.slice(2);
const HERTZ = 30;
const delays = [];  // ms, from the publisher to each reader
let sent = 0, superseded = 0, mostWaiting = 0;

async function person(number) {
  const client = new DormouseClient(url, {actor: `browser/person-${number}`, WebSocket});
  client.on('error', (error) => console.error(`${error.code}: ${error.message}`));
  const cursors = new Map();  // of the others: actor -> its latest place, for whoever draws
  await client.connect();
  await client.register();    // for those who want to know who is there
  await client.subscribe('cursors', ({from, data}) => {
    if (from === client.actor) return;
    cursors.set(from, data);
    delays.push(performance.now() - data.at);  // all are in this process, and have one clock
  });
  await client.subscribe('hub/presence', ({data: {actorAddress, event}}) => {
    if (event === 'lost' || event === 'left') cursors.delete(actorAddress);
  });
  return {client, cursors};
}

// Nobody waits for an answer before the next move. What the hub has not taken yet gives way to a later place.
function move(client, at) {
  sent++;
  client.publish('cursors', 'cursor', {x: Math.sin(at), y: Math.cos(at), at: performance.now()}, {latest: true}).then(
    (answer) => { superseded += answer.superseded ? 1 : 0; }, () => {});
  mostWaiting = Math.max(mostWaiting, client.backlog.waiting);
}

const people = await Promise.all(Array.from({length: Number(count)}, (_, number) => person(number)));
const timers = people.map(({client}) => {
  let at = Math.random();
  return setInterval(() => move(client, at += 0.1), 1000 / HERTZ);
});
await new Promise((resolve) => setTimeout(resolve, duration * 1000));
timers.forEach(clearInterval);
await Promise.all(people.map(({client}) => client.drained()));
const [first, ...others] = people;
await Promise.all(others.map(({client}) => client.disconnect()));
while (first.cursors.size > 0) await new Promise((resolve) => setTimeout(resolve, 10));  // presence says so
await first.client.disconnect();

delays.sort((a, b) => a - b);
const percentile = (p) => Number(delays[Math.floor(p * (delays.length - 1))]?.toFixed(2));
console.log(JSON.stringify({
  moves: sent, superseded, seen: delays.length, most_waiting: mostWaiting, p50_ms: percentile(0.5), p99_ms: percentile(0.99),
}));
