// A statekeeper as far as a worker process sees one: it keeps rows, sockets and alarms of hubs, applies turns, and can
// do to objects and to the process what happens to them in life: forget them, kill it, send again what was not done.
import {spawn} from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import {fileURLToPath} from 'node:url';

import {Frames} from '../wire/frames.mjs';
import {Writer} from '../wire/writer.mjs';
import {FakeHub} from './fake_hub.mjs';
import {
  readFromWorker, writeAnswerTimes, writeCallAnswer, writeDrop, writeDurable, writeEndHttp, writeEvent, writePing, writeReadAnswer,
} from './link_messages.mjs';

const HOST = fileURLToPath(new URL('../host.mjs', import.meta.url));

export class FakeStatekeeper {
  logs = [];
  turns = 0;
  reads = 0;
  questions = 0;            // when sockets were answered last
  answeredMs = new Map();   // ... which is so, by connection
  largestWake = Infinity;  // rows that come with a wake
  largestRead = Infinity;  // rows of one answer
  maxTimers = 100;         // of a hub; 0: of a version that has none
  cluster = null;          // which knows where hubs are
  #directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dormouse-js-'));
  #lanes;
  #servers = [];
  #links = [];             // of each lane: the worker's connection
  #hubs = new Map();
  #byObject = new Map();
  #objects = 0;
  #connections = 0;
  #child = null;
  #watchers = new Set();
  httpEnded = false;
  #pongs = 0;

  constructor({lanes = 1} = {}) { this.#lanes = lanes; }

  // `source`: the text of the bundle. Classes are those that the manifest's bindings name.
  static async start({source, manifest = {}, lanes = 1, ...options}) {
    const fake = Object.assign(new FakeStatekeeper({lanes}), options);
    try {
      fake.#writeApp(source, manifest);
      await fake.#listen();
      await fake.startWorker();
    } catch (error) {
      await fake.stop();
      throw error;
    }
    return fake;
  }

  get directory() { return this.#directory; }
  get pid() { return this.#child.pid; }
  get httpSocket() { return path.join(this.#directory, 'app-http'); }

  async startWorker() {
    this.#child = spawn(process.execPath, ['--enable-source-maps', HOST], {
      cwd: this.#directory, stdio: ['ignore', 'inherit', 'inherit'],
      env: {
        ...process.env, DORMOUSE_WORKER_SOCKETS: this.#directory, DORMOUSE_WORKER_LANES: String(this.#lanes),
        DORMOUSE_WORKER_HTTP: this.httpSocket,
      },
    });
    const child = this.#child;
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.exited = exited;
    await Promise.race([
      this.until(() => this.#links.filter((link) => link?.ready).length === this.#lanes &&
                       fs.existsSync(this.httpSocket)),
      exited.then((code) => { throw new Error(`the worker has ended with ${code}`); }),
    ]);
  }

  // As a crash does: what was not done comes again, in the next process.
  async killWorker() {
    fs.rmSync(this.httpSocket, {force: true});
    this.#child.kill('SIGKILL');
    await this.#child.exited;
    await this.until(() => this.#links.every((link) => link === null));
    await this.startWorker();
    // What has come meanwhile has reached nobody, either.
    for (const hub of this.#hubs.values()) {
      this.#forget(hub);
      hub.replay();
    }
  }

  async terminateWorker() {
    this.#child.kill('SIGTERM');
    return this.#child.exited;
  }

  async stop() {
    if (this.#child && this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGKILL');
      await this.#child.exited;
    }
    for (const server of this.#servers) server.close();
    fs.rmSync(this.#directory, {recursive: true, force: true});
  }

  hub(hubClass, hubName) {
    const key = `${hubClass}/${hubName}`;
    if (!this.#hubs.has(key)) this.#hubs.set(key, new FakeHub(this, hubClass, hubName, this.#hubs.size % this.#lanes));
    return this.#hubs.get(key);
  }

  // It is somebody else's from now on: what is durable of it.
  give(hub) {
    this.drop(hub);
    this.#hubs.delete(`${hub.hubClass}/${hub.hubName}`);
    return hub.rows;
  }

  allHubs() { return [...this.#hubs.values()]; }

  hubs(hubClass) { return this.allHubs().filter((hub) => hub.hubClass === hubClass); }

  // The hub's object is no more; what it has not done comes again if `replay`.
  drop(hub, {replay = false} = {}) {
    const {object} = hub;
    if (object === 0) return;
    this.#forget(hub);
    this.#send(hub.lane, (writer) => writeDrop(writer, object));
    if (replay) hub.replay();
    else hub.abandon();
  }

  // Drops it as an idle one; true: it was.
  sleep(hub) {
    if (hub.busy) return false;
    this.drop(hub);
    return true;
  }

  // HTTP as the gateway brings it. Resolves with {status, headers, text}.
  async http(place, {method = 'GET', headers = {}, body} = {}) {
    const response = await this.httpStream(place, {method, headers, body});
    const chunks = [];
    for await (const chunk of response) chunks.push(chunk);
    const bytes = Buffer.concat(chunks);
    return {status: response.statusCode, headers: response.headers, bytes, text: bytes.toString('utf8')};
  }

  httpStream(place, {method = 'GET', headers = {}, body} = {}) {
    return new Promise((resolve, reject) => {
      const request = http.request({
        socketPath: this.httpSocket, path: place, method, headers: {host: 'hubs.example', ...headers}, agent: false,
      }, resolve);
      request.once('error', reject);
      if (typeof body?.pipe === 'function') body.pipe(request);
      else request.end(body);
    });
  }

  // As the gateway does. Resolves with a FakeClient, or with the answer of a refusal.
  async upgrade(place, {headers = {}, beforeOpen} = {}) {
    const answer = await this.http(place, {headers: {
      upgrade: 'websocket', connection: 'Upgrade', 'dormouse-upgrade': '1', 'sec-websocket-version': '13',
      'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==', ...headers,
    }});
    const target = answer.headers['dormouse-hub'];
    if (answer.status !== 200 || !target) return {refused: answer};
    const [hubClass, hubName] = target.split('/');
    const hub = this.hub(hubClass, hubName);
    await beforeOpen?.(hub, answer);
    const client = hub.open({reservation: answer.headers['dormouse-reservation'], path: place});
    client.answer = answer;
    await client.opened;
    return client;
  }

  // Resolves when `condition` holds; it is tried whenever something has come from the worker.
  until(condition) {
    if (condition()) return Promise.resolve();
    return new Promise((resolve) => {
      const watcher = () => {
        if (!condition()) return;
        this.#watchers.delete(watcher);
        clearInterval(timer);
        resolve();
      };
      const timer = setInterval(watcher, 5);  // for what is no message: files, the end of a process
      this.#watchers.add(watcher);
    });
  }

  // Resolves when the worker has dealt with all that was sent before.
  async settled(lane = 0) {
    const before = this.#pongs;
    this.#send(lane, (writer) => writePing(writer, before + 1));
    await this.until(() => this.#pongs > before);
  }

  // What hubs say.
  newConnection() { return (++this.#connections).toString(16).padStart(16, 'c'); }

  event(hub, event) {
    let {wake} = event;
    if (hub.object === 0) {
      hub.object = ++this.#objects;
      this.#byObject.set(hub.object, hub);
      wake = hub.wake(this.largestWake);
    }
    this.#send(hub.lane, (writer) => writeEvent(writer, {...event, wake, object: hub.object}));
  }

  durable(hub, turn) { this.#send(hub.lane, (writer) => writeDurable(writer, hub.object, turn)); }

  endHttp() { this.#send(0, writeEndHttp); }

  answerCall(lane, answer) { this.#send(lane, (writer) => writeCallAnswer(writer, answer)); }

  notify() { for (const watcher of [...this.#watchers]) watcher(); }

  #forget(hub) {
    this.#byObject.delete(hub.object);
    hub.object = 0;
    hub.held = false;
  }

  #writeApp(source, manifest) {
    const bindings = manifest.bindings?.durable_objects ?? [];
    fs.writeFileSync(path.join(this.#directory, 'worker.mjs'), source);
    fs.writeFileSync(path.join(this.#directory, 'workers.json'), JSON.stringify({
      name: 'test', version: '1', http: true, bundle: 'worker.mjs',
      classes: bindings.map((binding) => ({name: binding.class_name})), ...manifest,
    }));
  }

  async #listen() {
    for (let lane = 0; lane < this.#lanes; lane++) {
      const server = net.createServer((socket) => this.#accept(lane, socket));
      this.#servers.push(server);
      this.#links.push(null);
      await new Promise((resolve) => server.listen(path.join(this.#directory, `lane-${lane}`), resolve));
    }
  }

  #accept(lane, socket) {
    let readsOnly = false;
    const link = {socket, ready: false, out: null};
    const reply = (write) => this.#write(link, write);
    const frames = new Frames((buffer, start, end) => readFromWorker(buffer, start, end, {
      hello: (hello) => {
        ({readsOnly = false} = hello);
        link.ready = true;
        if (!readsOnly) this.#links[lane] = link;
      },
      turn: (turn) => {
        this.turns++;
        this.#byObject.get(turn.object)?.apply(turn);
      },
      read: (read) => {
        this.reads++;
        const rows = this.#byObject.get(read.object)?.read(read, this.largestRead);
        if (rows) reply((writer) => writeReadAnswer(writer, {object: read.object, number: read.number, ...rows}));
      },
      askAnswerTimes: ({object, number, connections}) => {
        this.questions++;
        const atMs = connections.map((connection) => this.answeredMs.get(connection) ?? 0);
        reply((writer) => writeAnswerTimes(writer, {object, number, atMs}));
      },
      call: ({number, hubClass, hubName, payload}) => {
        const hub = (this.cluster?.ownerOf(hubClass, hubName) ?? this).hub(hubClass, hubName);
        hub.request(payload).then(
          (answer) => this.answerCall(lane, {number, payload: answer}),
          ({message, retryable = true}) => this.answerCall(lane, {number, failure: message, retryable}));
      },
      pong: (number) => { this.#pongs = number; },
      httpEnded: () => { this.httpEnded = true; },
      log: (log) => { this.logs.push({level: 0, hub: '', connection: '', text: '', ...log}); },
    }));
    socket.on('data', (chunk) => {
      frames.take(chunk);
      this.notify();
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      if (this.#links[lane] === link) this.#links[lane] = null;
      this.notify();
    });
  }

  #send(lane, write) {
    const link = this.#links[lane];
    if (link) this.#write(link, write);
  }

  // What is written in one turn of the loop goes in one frame.
  #write(link, write) {
    if (!link.out) {
      link.out = new Writer();
      link.out.at = 4;
      setImmediate(() => {
        const {out} = link;
        link.out = null;
        out.buffer.writeUInt32LE(out.at - 4, 0);
        link.socket.write(out.buffer.subarray(0, out.at));
      });
    }
    write(link.out);
  }
}
