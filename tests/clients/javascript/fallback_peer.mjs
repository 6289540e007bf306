// A client in a process of its own: node fallback_peer.mjs URL ACTOR OPTIONS. Orders come on standard input, a JSON a line;
// what happens goes to standard output.
import {createRequire} from 'node:module';
import {createInterface} from 'node:readline';
import {DormouseClient} from '../../../clients/js/index.js';

const ws = createRequire(import.meta.url)('ws');
const [url, actor, options] = process.argv.slice(2);
const say = (what) => process.stdout.write(`${JSON.stringify(what)}\n`);
let lost = 0;

const client = new DormouseClient(url, {actor, WebSocket: ws, capabilities: ['chat'], ...JSON.parse(options)});
client.on('error', ({code, message}) => say({error: code, message}));
client.on('resumed', ({missed = 0}) => say({resumed: true, missed}));
client.on('disconnected', ({code, reason, opened}) => {
  if (opened && client.heartbeats) lost++;
  say({disconnected: code, reason});
});
client.on('connected', () => { lost = 0; });
client.on('message', ({data}) => say({message: data}));
await client.connect();
await client.register();
say({registered: true});

for await (const line of createInterface({input: process.stdin})) {
  const order = JSON.parse(line);
  if (order.send) for (let number = 0; number < order.send; number++) client.send(order.to, 'up', number);
  if (order.say) say({transport: client.transport, lost});
}
await client.disconnect();
