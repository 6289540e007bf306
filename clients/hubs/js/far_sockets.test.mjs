// Sockets whose two ends are in different processes: a Worker or an object talks to an object elsewhere.
import assert from 'node:assert/strict';
import test from 'node:test';
import {deserialize} from 'node:v8';

import {FakeCluster} from './testing/fake_cluster.mjs';
import {HOMES} from './internal/classes.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.heard = 0;
  }
  async fetch(request) {
    const url = new URL(request.url);
    const {0: client, 1: server} = new WebSocketPair();
    if (url.pathname === '/old') {
      server.accept();
      server.addEventListener('message', ({data}) => server.send('old ' + data + ' ' + ++this.heard));
      server.addEventListener('close', ({code, reason, wasClean}) => this.closed([code, reason, wasClean]));
      server.send('hello');
    } else {
      this.ctx.acceptWebSocket(server, ['tag']);
      server.serializeAttachment({n: 1});
      server.send('welcome');
    }
    return new Response(null, {status: 101, webSocket: client});
  }
  async webSocketMessage(ws, message) {
    if (typeof message !== 'string') {
      ws.send(new Uint8Array(message).reverse());
    } else if (message === 'count') {
      const all = await this.ctx.storage.get('heard') ?? 0;
      ws.send(JSON.stringify([++this.heard, all, this.ctx.getWebSockets('tag').length, ws.deserializeAttachment().n]));
      await this.ctx.storage.put('heard', all + 1);
    } else if (message === 'attach') {
      ws.serializeAttachment({n: 2});
    } else if (message === 'bye') {
      ws.close(4001, 'as you wish');
    } else if (message === 'throw') {
      ws.send('before');
      throw new Error('a bug');
    } else if (message === 'slow') {
      ws.send('begun');
      await new Promise((resolve) => { this.go = resolve; });
      ws.send('ended');
    } else if (message === 'go') {
      this.go();
    } else if (message === 'auto') {
      this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'));
    } else if (message === 'flood') {
      for (let i = 0; i < 80; i++) if (ws.readyState === 1) ws.send(new Uint8Array(1 << 20));
    } else {
      ws.send('echo ' + message);
    }
  }
  async webSocketClose(ws, code, reason, wasClean) { await this.closed([code, reason, wasClean]); }
  async closed(how) { await this.ctx.storage.put('closed', how); }
  async closes() { return await this.ctx.storage.get('closed') ?? null; }
  async say(what) {
    for (const ws of this.ctx.getWebSockets()) ws.send(what);
    return this.ctx.getWebSockets().length;
  }
}

const talks = [];

async function talkTo(env, place) {
  const {webSocket} = await env.ROOMS.getByName('room').fetch('http://x' + place, {headers: {Upgrade: 'websocket'}});
  const talk = {webSocket, heard: []};
  webSocket.addEventListener('message', ({data}) => {
    talk.heard.push(typeof data === 'string' ? data : [...new Uint8Array(data.slice(0, 9))].join());
  });
  webSocket.addEventListener('close', ({code, reason, wasClean}) => talk.heard.push([code, reason, wasClean]));
  webSocket.accept();
  talks.push(talk);
}

export class Talker extends DurableObject {
  async fetch(request) { return talk(request, this.env); }
}

async function talk(request, env) {
  const {pathname, searchParams} = new URL(request.url);
  const [, what, number] = pathname.split('/');
  if (what === 'talk') await talkTo(env, searchParams.get('place') ?? '/');
  if (what === 'closes') return Response.json(await env.ROOMS.getByName('room').closes());
  if (what === 'say') return Response.json(await env.ROOMS.getByName('room').say(searchParams.get('data')));
  const one = talks[number ?? 0];
  if (what === 'send') for (const data of searchParams.getAll('data')) one.webSocket.send(data);
  if (what === 'bytes') one.webSocket.send(new Uint8Array(await request.arrayBuffer()));
  if (what === 'close') one.webSocket.close(4002, 'enough');
  return Response.json(one.heard);
}

export default {
  fetch(request, env) {
    if (new URL(request.url).searchParams.has('object')) return env.TALKERS.getByName('talker').fetch(request);
    return talk(request, env);
  },
};
`;

const CLASSES = [{name: 'Room'}, {name: 'Talker'}, {name: HOMES}];
const BINDINGS = {durable_objects: [{name: 'ROOMS', class_name: 'Room'}, {name: 'TALKERS', class_name: 'Talker'}]};

// Rooms are at the second one, all else at the first, and homes at both.
async function cluster(context, options = {}) {
  const started = await FakeCluster.start({
    source: SOURCE, manifest: {classes: CLASSES, bindings: BINDINGS}, lanes: 2,
    place: (hubClass, hubName) => hubClass === 'Room' ? 1 : hubClass === HOMES ? parseInt(hubName.at(-1), 16) : 0,
    ...options,
  });
  context.after(() => started.stop());
  const [near, far] = started.keepers;
  const ask = async (place, options) => JSON.parse((await near.http(place, options)).text);
  const heard = async (until, place = '/heard/0') => {
    for (let i = 0; i < 400; i++) {
      const all = await ask(place);
      if (all.length >= until) return all;
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
    throw new Error(`not heard: ${JSON.stringify(await ask(place))}`);
  };
  return {cluster: started, near, far, ask, heard, room: () => far.hubs('Room')[0]};
}

const eventually = async (condition) => {
  for (let i = 0; i < 500 && !await condition(); i++) await new Promise((resolve) => { setTimeout(resolve, 10); });
  assert.ok(await condition());
};

for (const by of ['', '?object']) {
  test(`messages both ways, in order, of ${by ? 'an object' : 'a Worker'}`, async (context) => {
    const {ask, heard, room, near} = await cluster(context);
    const join = (place) => by ? `${place}${place.includes('?') ? '&' : '?'}object` : place;
    await ask(join('/talk'));
    await heard(1);
    const many = Array.from({length: 100}, (_, number) => `${number}`);
    await ask(join(`/send/0?${many.map((data) => `data=${data}`).join('&')}`));
    assert.deepEqual(await heard(101), ['welcome', ...many.map((data) => `echo ${data}`)]);
    await ask(join('/bytes/0'), {method: 'POST', body: Buffer.from([1, 0, 255])});
    assert.equal((await heard(102))[101], '255,0,1');
    await ask(join('/send/0?data=throw&data=bye'));
    assert.deepEqual((await heard(104)).slice(102), ['before', [4001, 'as you wish', true]]);
    await eventually(() => !room().busy && near.hubs('Talker').every((hub) => !hub.busy));
    assert.deepEqual(await ask('/closes'), [4001, 'as you wish', true]);
    assert.ok([...room().rows.keys()].every((key) => !key.startsWith('a:')));
  });
}

test('an object sleeps while its far client stays', async (context) => {
  const {ask, heard, room, far} = await cluster(context);
  await ask('/talk');
  await heard(1);
  await ask('/send/0?data=count&data=attach');
  await heard(2);
  await eventually(() => far.sleep(room()));
  await ask('/send/0?data=count');
  assert.deepEqual((await heard(3)).slice(1), ['[1,0,1,1]', '[1,1,1,2]']);
  await eventually(() => far.sleep(room()));
  assert.equal(await ask('/say/0?data=again'), 1);
  assert.equal((await heard(4))[3], 'again');
  await eventually(() => far.sleep(room()));
  await ask('/close/0');
  assert.deepEqual((await heard(5))[4], [1005, '', true]);
  assert.deepEqual(await ask('/closes'), [4002, 'enough', true]);
});

test('far sockets are found where not all rows come with the wake', async (context) => {
  const {ask, heard, room, far} = await cluster(context);
  await ask('/talk');
  await heard(1);
  await eventually(() => far.sleep(room()));
  far.largestWake = 0;
  await ask('/send/0?data=count');
  assert.equal((await heard(2))[1], '[1,0,1,1]');
});

test('a handler that waits hears the next message of the same client', async (context) => {
  const {ask, heard} = await cluster(context);
  await ask('/talk');
  await ask('/send/0?data=slow');
  assert.deepEqual(await heard(2), ['welcome', 'begun']);
  await ask('/send/0?data=go');
  assert.equal((await heard(3))[2], 'ended');
});

test('automatic responses', async (context) => {
  const {ask, heard} = await cluster(context);
  await ask('/talk');
  await ask('/send/0?data=auto&data=x');
  await heard(2);
  await ask('/send/0?data=ping&data=y');
  assert.deepEqual(await heard(4), ['welcome', 'echo x', 'pong', 'echo y']);
});

test('a far socket with listeners', async (context) => {
  const {ask, heard, room, far} = await cluster(context);
  await ask('/talk?place=/old');
  await ask('/send/0?data=a&data=b');
  assert.deepEqual(await heard(3), ['hello', 'old a 1', 'old b 2']);
  await far.settled(1);
  assert.equal(far.sleep(room()), false);
  await far.killWorker();
  assert.deepEqual((await heard(4))[3].slice(0, 1), [1006]);
});

test('a hibernatable far socket goes on when the object\'s process dies', async (context) => {
  const {ask, heard, far, room} = await cluster(context);
  await ask('/talk');
  await heard(1);
  await far.killWorker();
  await ask('/send/0?data=count');
  assert.equal((await heard(2))[1], '[1,0,1,1]');
  await eventually(() => !room().busy);  // else it would be handled again
  process.kill(far.pid, 'SIGSTOP');
  await ask('/send/0?data=one&data=two');
  await far.killWorker();
  assert.deepEqual((await heard(4)).slice(2), ['echo one', 'echo two']);
});

test('the object hears when the client\'s process dies', async (context) => {
  const {ask, heard, near, room, far} = await cluster(context);
  await ask('/talk');
  await heard(1);
  await eventually(() => far.sleep(room()));
  const [home] = near.hubs(HOMES).filter((hub) => hub.rows.size > 1);
  assert.ok(home.held);
  await near.killWorker();
  await home.alarm();
  assert.equal(await ask('/closes'), null);
  await home.alarm();
  assert.deepEqual(await ask('/closes'), [1006, '', false]);
  assert.equal(await ask('/say/0?data=x'), 0);
});

test('a home that moves is replaced by another one', async (context) => {
  const {cluster: all, ask, heard, near} = await cluster(context);
  await ask('/talk');
  await heard(1);
  const [home] = near.hubs(HOMES).filter((hub) => hub.rows.size > 1);
  const moved = all.move(home, 1);
  await moved.alarm();
  assert.equal(await ask('/say/0?data=x'), 1);
  assert.equal((await heard(2))[1], 'x');
  await moved.alarm();
  await moved.alarm();
  await ask('/send/0?data=y');
  assert.equal((await heard(3))[2], 'echo y');
  assert.equal(await ask('/closes'), null);
});

test('a home that has gone elsewhere tells of the end of its former process', async (context) => {
  const {cluster: all, ask, heard, near, room} = await cluster(context, {
    place: (hubClass) => hubClass === 'Room' ? 1 : 0,
  });
  await ask('/talk');
  await heard(1);
  const [home] = near.hubs(HOMES);
  const moved = all.move(home, 1);
  await near.terminateWorker();
  await moved.alarm();
  await moved.alarm();
  assert.deepEqual([...moved.rows.keys()].filter((key) => key.startsWith('k:')), []);
  await eventually(() => room().rows.has('k:closed'));
  assert.deepEqual(deserialize(room().rows.get('k:closed')), [1006, '', false]);
});

test('what nobody takes is bounded', async (context) => {
  const {ask, heard} = await cluster(context);
  await ask('/talk');
  await heard(1);
  await ask('/send/0?data=flood');
  const all = await heard(66);
  assert.equal(all.at(-1)[0], 1013);
  assert.equal((await ask('/closes'))[0], 1013);
});

test('an object with listeners that is made again', async (context) => {
  const {ask, heard, far} = await cluster(context);
  await ask('/talk?place=/old');
  await heard(1);
  far.drop(far.hubs('Room')[0]);
  assert.deepEqual((await heard(2))[1], [1006, 'The object has been reset.', false]);
});
