// node office.js list                          node office.js firmware 1.2              all devices
// node office.js firmware 1.2 device/0007      node office.js temperature device/0007   (needs the address of the hub: HUB)
// node office.js disconnect device/0007        node office.js disconnect
import {createRequire} from 'node:module';
import {DormouseClient} from '../../js/index.js';
import {ask} from '../backend.js';

const [what, ...words] = process.argv.slice(2);
const FLEET = 'signal/fleet';

async function list() {
  let after, connected = 0;
  do {
    const page = await ask(FLEET, 'connections', {limit: 200, after});
    connected += page.connections.length;  // each has id, actor, connectedAt, lastSeenAt
    after = page.next;
  } while (after);
  const query = {pattern: 'device/*', metadata: {model: 'odd'}, online: true, limit: 1};
  const odd = await ask(FLEET, 'call', {type: 'hub:discover', payload: query});
  console.log(`${connected} connected, ${odd.result.payload.totalMatches} of model odd`);
}

// A backend tells. Who wants a device's own answer asks it as a client does.
async function temperature(device) {
  const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('ws');
  const client = new DormouseClient(process.env.HUB ?? 'ws://127.0.0.1:8080/ws/fleet', {actor: 'office/thermometer', WebSocket});
  await client.connect();
  await client.register();
  console.log(JSON.stringify(await client.request(device, 'temperature')));
  await client.disconnect();
}

async function disconnect(device) {
  const whom = device ? {actor: device} : {all: true};
  console.log(JSON.stringify(await ask(FLEET, 'disconnect', {...whom, code: 4001, reason: 'scrapped'})));
}

async function firmware(version, device) {
  const message = {type: 'firmware', data: {version}};
  const answer = device ? ask(FLEET, 'send', {...message, actor: device}) : ask(FLEET, 'broadcast', message);
  console.log(JSON.stringify(await answer));
}

await {list, temperature, disconnect, firmware}[what](...words);
