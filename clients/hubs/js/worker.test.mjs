// The Worker itself: plain HTTP, streams, env, the module cloudflare:workers.
import assert from 'node:assert/strict';
import {createHash} from 'node:crypto';
import test from 'node:test';
import {Readable} from 'node:stream';
import {setTimeout as after} from 'node:timers/promises';
import fs from 'node:fs';
import net from 'node:net';

import {FakeStatekeeper} from './testing/fake_statekeeper.mjs';

const SOURCE = `
import {DurableObject, env as importedEnv, waitUntil} from 'cloudflare:workers';

export class Counter extends DurableObject {
  async fetch(request) {
    const {pathname} = new URL(request.url);
    if (pathname === '/object/hash') {
      const digest = new crypto.DigestStream('SHA-256');
      await request.body.pipeTo(digest);
      return new Response(Buffer.from(await digest.digest).toString('hex'));
    }
    if (pathname === '/object/events') {
      const {readable, writable} = new TransformStream();
      this.writer = writable.getWriter();
      this.writer.write(new TextEncoder().encode('first'));
      this.writer.closed.catch(() => { this.left = true; });
      return new Response(readable);
    }
    if (pathname === '/object/emit') {
      await this.writer.write(new TextEncoder().encode('next'));
      return new Response('emitted');
    }
    if (pathname === '/object/end') {
      await this.writer.close();
      return new Response('ended');
    }
    if (pathname === '/object/left') return Response.json(this.left ?? false);
    if (pathname === '/object/large') return new Response(new Uint8Array(3e6).fill(7));
    const text = await request.text();
    if (text === 'throw') throw new RangeError('from the object');
    return new Response('object got ' + text + ' at ' + new URL(request.url).pathname, {
      status: 201, headers: [['x-method', request.method], ['x-header', request.headers.get('x-header')]],
    });
  }
}

export default {
  async fetch(request, env, ctx) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case '/hello': {
        const headers = new Headers({'content-type': 'text/plain'});
        headers.append('set-cookie', 'a=1');
        headers.append('set-cookie', 'b=2');
        return new Response('hello ' + env.GREETED + ' ' + importedEnv.GREETED, {headers});
      }
      case '/later':
        ctx.waitUntil(new Promise((resolve) => setTimeout(resolve, 200)).then(() => {
          console.log('later');
          waitUntil(new Promise((resolve) => setTimeout(resolve, 50)).then(() => console.log('later still')));
        }));
        return new Response('now');
      case '/echo': return new Response(request.body, {headers: {'x-length': request.headers.get('content-length')}});
      case '/count': {
        let size = 0;
        for await (const chunk of request.body) size += chunk.length;
        return Response.json({size, memory: process.memoryUsage().rss});
      }
      case '/endless': {
        let sent = 0;
        return new Response(new ReadableStream({
          pull(controller) {
            globalThis.sent = ++sent;
            controller.enqueue(new Uint8Array(65536));
          },
          cancel() { globalThis.cancelled = true; },
        }));
      }
      case '/sent': return Response.json([globalThis.sent, globalThis.cancelled ?? false, process.memoryUsage().rss]);
      case '/url': return Response.json([request.url, request.method, [...request.headers.keys()]]);
      case '/self': return env.SELF.fetch('http://self/hello');
      case '/throw': throw new Error('a bug in the Worker');
      case '/redirect': return Response.redirect('http://elsewhere.example/', 302);
      case '/nothing': return new Response(null, {status: 204});
      case '/instances': return Response.json([
        new Response('') instanceof Response, Response.json(1) instanceof Response, request instanceof Request,
        new Request('http://x/', {method: 'POST', body: 'x'}) instanceof Request,
        new Response('x', new Response('y', {status: 418, headers: {a: 'b'}})).status,
        new Request(new Request('http://x/', {headers: {a: 'b'}, cf: {z: 1}})).cf.z,
      ]);
      case '/background': {
        waitUntil(Promise.reject(new Error('later')));
        console.log('in the Worker', {a: 1});
        return new Response('ok');
      }
    }
    return env.COUNTERS.getByName('one').fetch(request);
  },
};
`;
const MANIFEST = {
  vars: {GREETED: 'world'},
  bindings: {durable_objects: [{name: 'COUNTERS', class_name: 'Counter'}], services: [{binding: 'SELF', service: 'me'}]},
};

async function start(context) {
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: MANIFEST});
  context.after(() => keeper.stop());
  return keeper;
}

test('requests are answered with status, headers, cookies and bodies', async (context) => {
  const keeper = await start(context);
  const hello = await keeper.http('/hello');
  assert.equal(hello.text, 'hello world world');
  assert.deepEqual(hello.headers['set-cookie'], ['a=1', 'b=2']);
  assert.equal((await keeper.http('/self')).text, 'hello world world');
  assert.equal((await keeper.http('/redirect')).headers.location, 'http://elsewhere.example/');
  assert.deepEqual((({status, text}) => [status, text])(await keeper.http('/nothing')), [204, '']);
  assert.equal((await keeper.http('/echo', {method: 'POST', body: 'what'})).text, 'what');
  const [url, method, headers] = JSON.parse((await keeper.http('/url?a=b', {
    method: 'PUT', headers: {'x-forwarded-proto': 'https', 'dormouse-own': 'x', 'cf-connecting-ip': '1.2.3.4'},
  })).text);
  assert.equal(url, 'https://hubs.example/url?a=b');
  assert.equal(method, 'PUT');
  assert.ok(headers.includes('cf-connecting-ip') && !headers.includes('dormouse-own'));
  assert.deepEqual(JSON.parse((await keeper.http('/instances')).text), [true, true, true, true, 418, 1]);
});

test('an exception is a 500, and its stack is in the log', async (context) => {
  const keeper = await start(context);
  assert.equal((await keeper.http('/throw')).status, 500);
  await keeper.settled();
  assert.ok(keeper.logs.some(({level, text}) => level === 3 && /a bug in the Worker\n +at /.test(text)));
});

test('the log has what console.log says, and what fails in the background', async (context) => {
  const keeper = await start(context);
  await keeper.http('/background');
  await keeper.settled();
  assert.ok(keeper.logs.some(({level, text}) => level === 1 && text === 'in the Worker { a: 1 }'));
  assert.ok(keeper.logs.some(({level, text}) => level === 3 && text.includes('later')));
});

test('requests go on to objects, and their answers back', async (context) => {
  const keeper = await start(context);
  const answer = await keeper.http('/deep/path', {method: 'POST', body: 'body', headers: {'x-header': 'h'}});
  assert.deepEqual([answer.status, answer.text, answer.headers['x-method'], answer.headers['x-header']],
    [201, 'object got body at /deep/path', 'POST', 'h']);
  assert.equal((await keeper.http('/x', {method: 'POST', body: 'throw'})).status, 500);
});

test('bodies go on to objects and come back as they flow', async (context) => {
  const keeper = await start(context);
  const block = Buffer.alloc(1024 * 1024, 'y');
  const hash = createHash('sha256');
  const body = Readable.from((function* blocks() {
    for (let i = 0; i < 20; i++) {
      hash.update(block);
      yield block;
    }
  })());
  const hashed = await keeper.http('/object/hash', {method: 'POST', body});
  assert.equal(hashed.text, hash.digest('hex'));
  const large = await keeper.http('/object/large');
  assert.ok(large.bytes.length === 3e6 && large.bytes.every((byte) => byte === 7));

  const response = await keeper.httpStream('/object/events');
  const chunks = response[Symbol.asyncIterator]();
  assert.equal(String((await chunks.next()).value), 'first');
  await keeper.http('/object/emit');
  assert.equal(String((await chunks.next()).value), 'next');
  const [hub] = keeper.hubs('Counter');
  assert.equal(keeper.sleep(hub), false);
  await keeper.http('/object/end');
  assert.ok((await chunks.next()).done);
  await keeper.until(() => !hub.busy);
});

test('an object hears that nobody reads its stream any more', async (context) => {
  const keeper = await start(context);
  const response = await keeper.httpStream('/object/events');
  await new Promise((resolve) => response.once('data', resolve));
  response.destroy();
  while ((await keeper.http('/object/left')).text !== 'true') await new Promise(setImmediate);
});

test('100 MB go in and out in bounded memory', async (context) => {
  const keeper = await start(context);
  const MEGABYTE = Buffer.alloc(1024 * 1024, 'x');
  const body = () => Readable.from((function* megabytes() { for (let i = 0; i < 100; i++) yield MEGABYTE; })());
  const counted = JSON.parse((await keeper.http('/count', {method: 'POST', body: body()})).text);
  assert.equal(counted.size, 100 * MEGABYTE.length);
  const hash = createHash('sha256');
  let size = 0;
  let largest = 0;
  for await (const chunk of await keeper.httpStream('/echo', {method: 'POST', body: body()})) {
    hash.update(chunk);
    size += chunk.length;
    largest = Math.max(largest, residentBytes(keeper.pid));
  }
  assert.equal(size, 100 * MEGABYTE.length);
  assert.ok(largest < 250e6, `${largest} bytes`);
});

test('a client that does not read stops the stream, and one that leaves ends it', async (context) => {
  const keeper = await start(context);
  const response = await keeper.httpStream('/endless');
  await new Promise((resolve) => response.once('readable', resolve));
  let before = -1;
  for (let now = 0; now !== before;) {
    before = now;
    for (let i = 0; i < 20; i++) [now] = JSON.parse((await keeper.http('/sent')).text);
  }
  assert.ok(before < 200, `${before} chunks`);
  response.destroy();
  await keeper.until(() => true);
  for (let cancelled = false; !cancelled;) [, cancelled] = JSON.parse((await keeper.http('/sent')).text);
});

test('SIGTERM lets a request end', async (context) => {
  const keeper = await start(context);
  const {response, rest} = await slowRequest(keeper);
  const ended = keeper.terminateWorker();
  assert.equal(await rest(), 'ab');
  assert.equal(response.statusCode, 200);
  assert.equal(await ended, 0);
});

test('a statekeeper that is about to stop hears when the last request is answered, and hubs go on', async (context) => {
  const keeper = await start(context);
  const {rest} = await slowRequest(keeper);
  keeper.endHttp();
  await keeper.settled();
  await assert.rejects(keeper.http('/hello'), {code: 'ECONNREFUSED'});
  assert.equal(keeper.httpEnded, false);
  assert.equal(await rest(), 'ab');
  await keeper.until(() => keeper.httpEnded);
  await keeper.settled();
});

test('what a request has left behind ends before the worker does', async (context) => {
  for (const endsBy of ['endHttp', 'terminateWorker']) {
    const keeper = await start(context);
    assert.equal((await keeper.http('/later')).text, 'now');
    assert.equal(keeper.logs.length, 0);
    const ended = keeper[endsBy]();
    await (ended ?? keeper.until(() => keeper.httpEnded));
    assert.equal(keeper.logs.map(({text}) => text).join(), 'later,later still');
  }
});

// Its answer has begun; `rest()` resolves with all of it.
async function slowRequest(keeper) {
  let release;
  const body = Readable.from((async function* slow() {
    yield 'a';
    await new Promise((resolve) => { release = resolve; });
    yield 'b';
  })());
  const response = await keeper.httpStream('/echo', {method: 'POST', body});
  return {response, rest: async () => {
    const chunks = [];
    for await (const chunk of response) {
      chunks.push(chunk);
      release();
    }
    return Buffer.concat(chunks).toString();
  }};
}

function residentBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(fs.readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

test('a class that was renamed has another name in the store', async (context) => {
  const keeper = await FakeStatekeeper.start({
    source: `
      class Base {
        constructor(ctx) { this.ctx = ctx; }
        async fetch() {
          console.log('here');
          const count = (await this.ctx.storage.get('count') ?? 0) + 1;
          await this.ctx.storage.put('count', count);
          return new Response(this.constructor.name + ' ' + count);
        }
      }
      export class Hall extends Base {}
      export class Room extends Base {}
      export default {
        fetch: (request, env) => env[new URL(request.url).pathname.slice(1)].getByName('a').fetch(request),
      };
    `,
    manifest: {
      classes: [{name: 'Room', class: 'Hall'}, {name: 'Room.2', class: 'Room'}],
      bindings: {durable_objects: [{name: 'HALLS', class_name: 'Hall'}, {name: 'ROOMS', class_name: 'Room'}]},
    },
  });
  context.after(() => keeper.stop());
  assert.equal((await keeper.http('/HALLS')).text, 'Hall 1');
  assert.equal((await keeper.http('/ROOMS')).text, 'Room 1');
  assert.equal((await keeper.http('/HALLS')).text, 'Hall 2');
  assert.deepEqual(keeper.allHubs().map(({hubClass}) => hubClass), ['Room', 'Room.2']);
  assert.equal(keeper.logs.find(({text}) => text === 'here').hub, 'Hall/a');
});

test('a debugger finds the process of the newest version at the same port', async (context) => {
  const port = await new Promise((resolve) => {
    const probe = net.createServer().listen(0, '127.0.0.1', () => {
      const {port: free} = probe.address();
      probe.close(() => resolve(free));
    });
  });
  const where = async () => {
    try {
      return (await (await fetch(`http://127.0.0.1:${port}/json`, {signal: AbortSignal.timeout(1000)})).json())[0].id;
    } catch {
      return null;
    }
  };
  const until = async (condition) => {
    for (const began = Date.now(); Date.now() - began < 20_000; await after(50)) {
      const id = await where();
      if (condition(id)) return id;
    }
    return assert.fail('not within 20 s');
  };
  const keeper = await FakeStatekeeper.start({source: SOURCE, manifest: {...MANIFEST, inspect: port}});
  context.after(() => keeper.stop());
  const first = await until((id) => id !== null);
  // Another one serves in its place; it goes on for a while.
  fs.rmSync(keeper.httpSocket);
  fs.writeFileSync(keeper.httpSocket, '');
  await until((id) => id === null);
  await keeper.killWorker();
  assert.notEqual(await until((id) => id !== null), first);
});
