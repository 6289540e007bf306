// node chat.js ws://127.0.0.1:8080/chat/lobby anna      says the lines that you type, prints what is said
import {createRequire} from 'node:module';
import readline from 'node:readline';

const WebSocket = globalThis.WebSocket ?? createRequire(import.meta.url)('ws');
const [url, name] = process.argv.slice(2);
let socket, tries = 0;

function connect() {
  socket = new WebSocket(`${url}?as=${encodeURIComponent(name)}`);
  socket.onmessage = ({data}) => {
    tries = 0;
    show(JSON.parse(data));
  };
  socket.onerror = () => {};  // a close follows
  socket.onclose = ({code, reason}) => {
    console.log(`closed: ${code} ${reason}`);
    // 4000 and above is what hub and backend close with on purpose. All else comes back.
    if (code >= 4000) process.exit();
    setTimeout(connect, Math.min(30_000, 100 * 2 ** tries++) * (0.75 + Math.random() / 2));
  };
}

function show({history, present, joins, leaves, from, text}) {
  for (const each of history ?? []) console.log(`${each.from}: ${each.text}`);
  if (present) console.log(`here: ${present.join(', ')}`);
  if (joins) console.log(`${joins} joins`);
  if (leaves) console.log(`${leaves} leaves`);
  if (from) console.log(`${from}: ${text}`);
}

readline.createInterface({input: process.stdin}).on('line', (line) => socket.send(line)).on('close', () => process.exit());
connect();
