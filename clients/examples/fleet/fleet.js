// node fleet.js ws://127.0.0.1:8080/ws/fleet 500      so many devices in one process; prints what they are told
import {createRequire} from 'node:module';
import {DormouseClient} from '../../js/index.js';  // 'dormouse', in a project of one's own

const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('ws');
const [url, count = 500] = process.argv.slice(2);
const TOGETHER = 50;  // connect at a time
let here = 0;

async function device(number) {
  const name = `device/${String(number).padStart(4, '0')}`;
  const client = new DormouseClient(url, {actor: name, WebSocket});
  client.on('error', (error) => console.error(`${name} ${error.code}: ${error.message}`));
  client.handle('temperature', () => ({celsius: 20 + number % 10}));       // answers request() of another client
  client.handle('firmware', ({data}) => console.log(`${name} loads firmware ${data.version}`));
  client.on('disconnected', ({code, reason}) => {
    if (code !== 4001) return;  // anything else: the client comes back by itself
    client.disconnect();
    console.log(`${name} is out: ${reason}; ${--here} left`);
    if (here === 0) process.exit();
  });
  await client.connect();
  await client.register({capabilities: ['firmware'], metadata: {model: number % 2 ? 'odd' : 'even'}});
  here++;
}

for (let first = 0; first < count; first += TOGETHER) {
  await Promise.all(Array.from({length: Math.min(TOGETHER, count - first)}, (_, n) => device(first + n)));
}
console.log(`${here} devices`);
