// What the host costs: CPU-seconds of its process for a million echoes, with a statekeeper that is made up in this one.
//   node clients/hubs/js/testing/echo_bench.mjs [--hubs 64] [--connections 64] [--window 4] [--messages 500000]
//                                               [--handler plain|async|storage] [--profile]
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';
import {parseArgs} from 'node:util';

import {Frames} from '../wire/frames.mjs';
import {objectKey, Reader} from '../wire/reader.mjs';
import {Writer} from '../wire/writer.mjs';
import {writeEvent} from './link_messages.mjs';

const HANDLERS = {
  plain: 'webSocketMessage(ws, message) { ws.send(message); }',
  async: 'async webSocketMessage(ws, message) { ws.send(message); }',
  storage: `async webSocketMessage(ws, message) {
    const count = (await this.ctx.storage.get('count')) ?? 0;
    await this.ctx.storage.put('count', count + 1);
    ws.send(message);
  }`,
};

const {values} = parseArgs({options: {
  hubs: {type: 'string', default: '64'}, connections: {type: 'string', default: '64'},
  window: {type: 'string', default: '4'}, messages: {type: 'string', default: '500000'},
  handler: {type: 'string', default: 'async'}, profile: {type: 'boolean', default: false},
}});
const hubs = Number(values.hubs);
const connections = Number(values.connections);
const perHub = Math.max(1, Math.floor(connections / hubs));
const messages = Number(values.messages);
const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dormouse-bench-'));
fs.writeFileSync(path.join(directory, 'worker.mjs'), `
import {DurableObject} from 'cloudflare:workers';
export class Echo extends DurableObject { ${HANDLERS[values.handler]} }
export default {};
`);
fs.writeFileSync(path.join(directory, 'workers.json'), JSON.stringify({
  version: '1', classes: [{name: 'Echo'}], bindings: {durable_objects: [{name: 'ECHO', class_name: 'Echo'}]},
}));

const numbers = new Array(hubs + 1).fill(0);
let answered = 0;
let sent = 0;
let warm = 0;
let started = 0;
let cpuAtStart = 0;
let socket = null;
let writer = new Writer();
let bytesIn = 0;
const host = {pid: 0};

function connectionOf(hub, number) { return `${hub}-${number}`.padEnd(16, '.'); }

function send(hub, number, wake) {
  sent++;
  writeEvent(writer, {
    object: hub, number: ++numbers[hub], nowMs: 1_700_000_000_000, wake,
    message: {connection: connectionOf(hub, number), data: `a message of about 40 bytes, ${number}`},
  });
}

function flush() {
  if (writer.at === 4) return;
  writer.buffer.writeUInt32LE(writer.at - 4, 0);
  const out = writer;
  writer = new Writer();
  writer.at = 4;
  socket.write(out.buffer.subarray(0, out.at));
}

function cpuSeconds() {
  const fields = fs.readFileSync(`/proc/${host.pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return [Number(fields[11]) / 100, Number(fields[12]) / 100];
}

// Only what is needed here is read: which objects have done an event.
function take(buffer, start, end) {
  const reader = new Reader(buffer, start, end);
  while (reader.at < end) {
    const tag = reader.varint();
    if (tag !== 0x12) {
      reader.skip(tag & 7);
      continue;
    }
    const limit = reader.limit();
    let hub = 0;
    let done = false;
    while (reader.at < limit) {
      const field = reader.varint();
      if (field === 0x09) hub = objectKey(reader.word(), reader.word());
      else if (field === 0x18) done = reader.varint() !== 0;
      else reader.skip(field & 7);
    }
    if (done && hub > 0) onDone(hub);
  }
}

function onDone(hub) {
  answered++;
  if (answered === warm) {
    started = performance.now();
    cpuAtStart = cpuSeconds();
  }
  if (answered === warm + messages) finish();
  if (sent < warm + messages) send(hub, answered % perHub);
}

async function finish() {
  const [user, system] = cpuSeconds().map((now, at) => now - cpuAtStart[at]);
  const seconds = (performance.now() - started) / 1000;
  const million = 1e6 / messages;
  console.log(`${values.handler}, ${hubs} hubs, ${connections} connections, window ${values.window}: ` +
              `${((user + system) * million).toFixed(2)} CPU-s/M (user ${(user * million).toFixed(2)}, system ` +
              `${(system * million).toFixed(2)}), ${Math.round(messages / seconds)} messages/s, ` +
              `${(bytesIn / answered).toFixed(0)} bytes out of each`);
  host.process.kill('SIGTERM');
  await new Promise((resolve) => host.process.once('exit', resolve));
  server.close();
  socket.destroy();
  if (!values.profile) fs.rmSync(directory, {recursive: true});
  else console.log(`profile in ${directory}`);
}

const server = net.createServer((accepted) => {
  socket = accepted;
  const frames = new Frames(take);
  writer.at = 4;
  socket.on('data', (chunk) => {
    bytesIn += chunk.length;
    frames.take(chunk);
    flush();
  });
  socket.on('error', () => {});
  warm = Math.min(100_000, messages);
  for (let hub = 1; hub <= hubs; hub++) {
    const sockets = Array.from({length: perHub}, (_, number) => ({connection: connectionOf(hub, number), tags: []}));
    let wake = {hubClass: 'Echo', hubName: String(hub).padStart(64, '0'), sockets, rows: [], complete: true, alarmMs: 0};
    for (let number = 0; number < perHub * Number(values.window) && numbers[hub] < 64; number++) {
      send(hub, number % perHub, wake);
      wake = undefined;
    }
  }
  flush();
});
server.listen(path.join(directory, 'lane-0'), () => {
  host.process = spawn(process.execPath, [
    ...values.profile ? ['--cpu-prof'] : [], fileURLToPath(new URL('../host.mjs', import.meta.url)),
  ], {
    cwd: directory, stdio: ['ignore', 'inherit', 'inherit'],
    env: {...process.env, DORMOUSE_WORKER_SOCKETS: directory, DORMOUSE_WORKER_LANES: '1'},
  });
  host.pid = host.process.pid;
});
