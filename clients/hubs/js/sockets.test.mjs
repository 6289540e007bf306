// Sockets of objects: upgrades, hibernation, attachments, tags.
import assert from 'node:assert/strict';
import test from 'node:test';
import {deserialize} from 'node:v8';

import {SOCKETS} from './internal/classes.mjs';
import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject} from 'cloudflare:workers';

export class Room extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.made = Date.now();
    this.heard = 0;
  }
  async fetch(request) {
    const url = new URL(request.url);
    if (request.headers.get('Upgrade') !== 'websocket') return new Response('no upgrade', {status: 426});
    const {0: client, 1: server} = new WebSocketPair();
    this.ctx.acceptWebSocket(server, url.searchParams.getAll('tag'));
    server.serializeAttachment(new Map([['path', url.pathname], ['when', new Date(5)], ['big', 12n]]));
    server.send('welcome ' + this.ctx.id.name);
    return new Response(null, {status: 101, webSocket: client, headers: {'x-room': 'yes', 'set-cookie': 'a=1'}});
  }
  async webSocketMessage(ws, message) {
    this.heard++;
    if (typeof message !== 'string') {
      ws.send(new Uint8Array(message).reverse());
    } else if (message === 'attachment') {
      const map = ws.deserializeAttachment();
      ws.send([map instanceof Map, map.get('path'), map.get('when').getTime(), String(map.get('big'))].join());
    } else if (message === 'heard') {
      ws.send(String(this.heard));
    } else if (message === 'tags') {
      ws.send(this.ctx.getTags(ws).join());
    } else if (message.startsWith('to ')) {
      for (const one of this.ctx.getWebSockets(message.slice(3))) one.send('from another');
    } else if (message === 'bye') {
      ws.close(4001, 'as you wish');
    } else if (message === 'throw') {
      ws.send('before');
      throw new Error('a bug');
    } else if (message === 'answered') {
      const at = this.ctx.getWebSockets().map((one) => this.ctx.getWebSocketAutoResponseTimestamp(one));
      ws.send(at.map((one) => one instanceof Date ? one.getTime() : String(one)).join());
    } else if (message === 'auto') {
      this.ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair('ping', 'pong'));
    } else {
      ws.send('echo ' + message);
    }
  }
  async webSocketClose(ws, code, reason, wasClean) {
    await this.ctx.storage.put('closed', [code, reason, wasClean, this.ctx.getWebSockets().length]);
  }
}

export class Old {
  constructor(state, env) {
    this.state = state;
    this.env = env;
  }
  async talk() {
    const {webSocket} = await this.env.ROOMS.getByName('other').fetch('http://x/', {headers: {Upgrade: 'websocket'}});
    const heard = [];
    const closed = new Promise((resolve) => {
      webSocket.addEventListener('message', ({data}) => {
        heard.push(data);
        if (data === 'echo one') webSocket.send('bye');
      });
      webSocket.addEventListener('close', ({code, reason, wasClean}) => resolve([code, reason, wasClean]));
    });
    webSocket.accept();
    webSocket.send('one');
    heard.push(await closed);
    return heard;
  }
  async fetch(request) {
    if (new URL(request.url).pathname === '/talk') return Response.json(await this.talk());
    const {0: client, 1: server} = new WebSocketPair();
    server.accept();
    let count = 0;
    server.addEventListener('message', (event) => {
      if (event.data === 'abort') this.state.abort('enough');
      server.send(event.data + ' ' + ++count);
    });
    server.send('hello');
    return new Response(null, {status: 101, webSocket: client});
  }
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    if (url.pathname === '/talk') return env.OLD.getByName('talker').fetch(request);
    if (url.pathname === '/no') return new Response('not you', {status: 403});
    if (url.pathname === '/old') return env.OLD.getByName('old').fetch(request);
    return env.ROOMS.get(env.ROOMS.idFromName(url.pathname.slice(1))).fetch(request);
  },
};
`;
const MANIFEST = {bindings: {durable_objects: [
  {name: 'ROOMS', class_name: 'Room'}, {name: 'OLD', class_name: 'Old'},
]}};

async function withRoom(context, options = {}) {
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: MANIFEST, ...options});
  context.after(() => keeper.stop());
  return keeper;
}

test('an upgrade leads to the hub that has accepted it', async (context) => {
  const keeper = await withRoom(context, {lanes: 2});
  const client = await keeper.upgrade('/one?tag=a&tag=b');
  assert.equal(client.answer.headers['x-room'], 'yes');
  assert.deepEqual(client.answer.headers['set-cookie'], ['a=1']);
  assert.deepEqual(client.tags, ['a', 'b']);
  assert.equal(await client.next(), 'welcome one');
  await client.send('hi');
  assert.equal(await client.next(), 'echo hi');
  await client.send('tags');
  assert.equal(await client.next(), 'a,b');
  await client.send(Buffer.from([1, 2, 3]));
  assert.deepEqual(await client.next(), Buffer.from([3, 2, 1]));
  await client.send('ünïcödé ✓ '.repeat(30));
  assert.equal(await client.next(), 'echo ' + 'ünïcödé ✓ '.repeat(30));
});

test('a refusal of an upgrade is an ordinary answer', async (context) => {
  const keeper = await withRoom(context);
  const {refused} = await keeper.upgrade('/no');
  assert.equal(refused.status, 403);
  assert.equal(refused.text, 'not you');
});

test('a message that awaits nothing is one turn', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/one');
  const before = client.hub.turns.length;
  await Promise.all([1, 2, 3, 4].map((number) => client.send(String(number))));
  const turns = client.hub.turns.slice(before);
  assert.equal(turns.length, 4);
  assert.ok(turns.every((turn) => turn.done && turn.effects.length === 1 && !turn.hold));
});

test('an idle object goes and another finds sockets, attachments and tags', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/one?tag=x');
  await client.next();
  await client.send('a');
  await client.next();
  assert.ok(keeper.sleep(client.hub));
  await client.send('attachment');
  assert.equal(await client.next(), 'true,/one,5,12');
  await client.send('heard');
  assert.equal(await client.next(), '2');
  const other = await keeper.upgrade('/one?tag=y');
  await client.send('to y');
  await other.next();
  assert.equal(await other.next(), 'from another');
  await client.send('tags');
  assert.equal(await client.next(), 'x');
});

test('an object that is lost between its answer and the opening costs the client nothing', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/one?tag=x', {beforeOpen: (hub) => keeper.drop(hub)});
  assert.equal(await client.next(), 'welcome one');
  await client.send('attachment');
  assert.equal(await client.next(), 'true,/one,5,12');
  assert.deepEqual(client.tags, ['x']);
});

test('between its answer and the opening an object does not sleep', async (context) => {
  const keeper = await withRoom(context);
  let slept = null;
  const client = await keeper.upgrade('/one', {beforeOpen: (hub) => { slept = keeper.sleep(hub); }});
  assert.equal(slept, false);
  await client.send('x');
  assert.ok(keeper.sleep(client.hub));
});

test('closes, of both sides', async (context) => {
  const keeper = await withRoom(context);
  const one = await keeper.upgrade('/one');
  const two = await keeper.upgrade('/one');
  await one.next();
  assert.equal(await one.send('bye'), '');
  assert.deepEqual(await one.next(), {code: 4001, reason: 'as you wish'});
  await keeper.settled();
  assert.deepEqual(deserialize(two.hub.rows.get('k:closed')), [4001, 'as you wish', true, 2]);
  await two.close(1001, 'leaving');
  assert.deepEqual(deserialize(two.hub.rows.get('k:closed')), [1001, 'leaving', true, 1]);
});

test('a handler that throws has sent what it sent, and the next event is handled', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/one');
  await client.next();
  assert.match(await client.send('throw'), /a bug/);
  assert.equal(await client.next(), 'before');
  await client.send('heard');
  assert.equal(await client.next(), '2');
});

test('automatic responses are told to all sockets, and to those to come', async (context) => {
  const keeper = await withRoom(context);
  const one = await keeper.upgrade('/one');
  await one.send('auto');
  assert.deepEqual({...one.autoResponse, connection: ''}, {connection: '', request: 'ping', reply: 'pong'});
  keeper.sleep(one.hub);
  const two = await keeper.upgrade('/one');
  assert.equal(two.autoResponse.reply, 'pong');
});

test('when sockets were answered is asked once for all that are looked at in one go', async (context) => {
  const keeper = await withRoom(context);
  const one = await keeper.upgrade('/one');
  const two = await keeper.upgrade('/one');
  for (const client of [one, two]) await client.next();
  await one.send('answered');
  assert.equal(await one.next(), 'null,null');
  keeper.answeredMs.set(two.connection, 1_700_000_000_123);
  await one.send('answered');
  assert.equal(await one.next(), 'null,1700000000123');
  assert.equal(keeper.questions, 2);
});

test('a socket with listeners keeps its object awake', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/old');
  assert.equal(await client.next(), 'hello');
  await client.send('x');
  assert.equal(await client.next(), 'x 1');
  await client.send('y');
  assert.equal(await client.next(), 'y 2');
  assert.equal(keeper.sleep(client.hub), false);
  await client.close();
  await keeper.settled();
  assert.equal(keeper.sleep(client.hub), true);
});

test('a socket with listeners ends with the object that listened', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/old');
  await client.next();
  keeper.drop(client.hub);
  const other = await keeper.upgrade('/old');
  assert.equal(await other.next(), 'hello');
  assert.deepEqual(await client.next(), {code: 1012, reason: ''});
});

test('a socket with listeners ends when the object starts over', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/old');
  await client.next();
  assert.match(await client.send('abort'), /enough/);
  assert.deepEqual(await client.next(), {code: 1011, reason: ''});
  const other = await keeper.upgrade('/old');
  assert.equal(await other.next(), 'hello');
  await other.close();
  await keeper.until(() => !other.hub.busy);
});

test('an object can be the client of another one', async (context) => {
  const keeper = await withRoom(context);
  const answer = await keeper.http('/talk');
  assert.deepEqual(JSON.parse(answer.text), ['welcome other', 'echo one', [4001, 'as you wish', true]]);
  const [other] = keeper.hubs('Room');
  await keeper.until(() => !other.busy);
  assert.ok(keeper.sleep(other));
});

test('what was not done when the process died is done in the next one', async (context) => {
  const keeper = await withRoom(context);
  const client = await keeper.upgrade('/one');
  await client.next();
  process.kill(keeper.pid, 'SIGSTOP');
  const sent = client.send('again');
  await keeper.killWorker();
  await sent;
  assert.equal(await client.next(), 'echo again');
});

// ---- sockets that the Worker keeps

const KEEPING = `
export default {
  fetch(request) {
    const {0: client, 1: server} = new WebSocketPair();
    globalThis.heard = [];
    const begin = () => {
      server.accept();
      server.send('welcome');
      server.addEventListener('message', ({data}) => server.send(data === 'heard' ? JSON.stringify(heard) : data));
      server.addEventListener('close', ({code, reason, wasClean}) => heard.push([code, reason, wasClean]));
    };
    if (new URL(request.url).pathname === '/late') setTimeout(begin, 20);
    else begin();
    return new Response(null, {status: 101, webSocket: client, headers: {'x-kept': 'yes'}});
  },
};
`;

async function keeping(context, classes = [{name: SOCKETS}]) {
  const keeper = await FakeStatekeeper.start({source: KEEPING, manifest: {classes}, lanes: 2});
  context.after(() => keeper.stop());
  return keeper;
}

test('a socket that the Worker keeps', async (context) => {
  const keeper = await keeping(context);
  for (const place of ['/', '/late']) {
    const client = await keeper.upgrade(place);
    assert.equal(client.answer.headers['x-kept'], 'yes');
    assert.equal(await client.next(), 'welcome');
    await client.send('what');
    assert.equal(await client.next(), 'what');
    await client.send(Buffer.from([0, 255]));
    assert.deepEqual(await client.next(), Buffer.from([0, 255]));
    assert.equal(keeper.sleep(client.hub), false);
    const other = await keeper.upgrade('/');
    await client.close(1006);
    await other.next();
    await other.send('heard');
    assert.equal(await other.next(), JSON.stringify([[1006, '', false]]));
    await other.close(1000, 'bye');
    await keeper.until(() => !client.hub.busy && !other.hub.busy);
  }
});

test('a socket that the Worker keeps ends with its process, or as soon as its object is in the next one', async (context) => {
  const keeper = await keeping(context);
  const client = await keeper.upgrade('/');
  await client.next();
  await keeper.killWorker();
  assert.equal((await client.hub.request(Buffer.alloc(0))).length, 0);
  assert.deepEqual(await client.next(), {code: 1012, reason: ''});
  const other = await keeper.upgrade('/');
  await other.next();
  const closed = other.next();
  await keeper.terminateWorker();
  assert.deepEqual(await closed, {code: 1012, reason: ''});
});

test('a manifest without a class for such sockets', async (context) => {
  const keeper = await keeping(context, []);
  assert.equal((await keeper.upgrade('/')).refused.status, 501);
});
