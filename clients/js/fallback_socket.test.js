// The socket without a WebSocket, and the choice of a way, over a network that a test scripts.
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {EventReader} from './event_stream.js';
import {FallbackSocket} from './fallback_socket.js';
import {ManualClock, settled} from './testing/manual_clock.js';
import {Transports} from './transports.js';

const OPENED = {id: 'abc', window: 15000, heartbeat: 15000, wait: 25000, protocol: 'dormouse'};
const bytes = (text) => new TextEncoder().encode(text);

// A gateway in memory. `answers`: what each call is answered with; a function of (url, options).
class Gateway {
  requests = [];
  streams = [];
  received = 0;
  status = {};  // call -> status
  fails = {};   // call -> how many of the next get no answer
  body = '';    // of all messages that were taken

  fetch = async (address, options = {}) => {
    const url = new URL(address);
    const call = url.pathname.split('/@fallback')[1].slice(1) || 'open';
    this.requests.push({call, url, options});
    if (this.fails[call] > 0) {
      this.fails[call]--;
      throw new TypeError('fetch failed');
    }
    if (this.status[call]) return new Response(`no ${call}`, {status: this.status[call]});
    if (call === 'open') return new Response(JSON.stringify(OPENED), {status: 201});
    if (call === 'events') return this.#stream(options.signal);
    if (call === 'send') return this.#take(url, options.body);
    if (call === 'poll') return new Promise((resolve) => { this.poll = (text) => resolve(new Response(text)); });
    return new Response('{"received":0}');
  };

  #stream(signal) {
    const body = new ReadableStream({start: (controller) => {
      this.streams.push(controller);
      signal.addEventListener('abort', () => { try { controller.error(new Error('aborted')); } catch { /* ended */ } });
    }});
    return new Response(body);
  }

  #take(url, body) {
    const from = Number(url.searchParams.get('from'));
    const text = new TextDecoder().decode(body);
    const messages = [...text.matchAll(/(?:text|binary) (\d+)\n/g)].length;
    const fresh = Math.max(from - 1 + messages - this.received, 0);
    if (fresh === messages) this.body += text;
    this.received = Math.max(this.received, from - 1 + messages);
    if (this.loses) {
      this.loses--;
      throw new TypeError('cut');
    }
    return new Response(JSON.stringify({received: this.received}));
  }

  say(text) { this.streams.at(-1).enqueue(bytes(text)); }
  of(call) { return this.requests.filter((request) => request.call === call); }
}

async function opened(options = {}) {
  const gateway = new Gateway();
  const clock = new ManualClock();
  const socket = new FallbackSocket('ws://h/ws/room?x=1', ['dormouse', 'bearer.t'], {clock, fetch: gateway.fetch, ...options});
  const got = [];
  const closes = [];
  socket.onmessage = ({data}) => got.push(data);
  socket.onclose = (event) => closes.push(event);
  await settled();
  return {gateway, clock, socket, got, closes};
}

test('events are read however they are cut', () => {
  const text = ': x\n\nevent: open\ndata: 0\n\nid: 1\ndata: ä\ndata: b\n\nid: 2\ndata:\n\nid: 3\nevent: close\ndata: {}\n\nid: 4\n';
  for (const size of [1, 2, 3, 1000]) {
    const events = [];
    const reader = new EventReader();
    const all = bytes(text);
    for (let at = 0; at < all.length; at += size) reader.feed(all.subarray(at, at + size), (event) => events.push(event));
    assert.deepEqual(events.map(({number, kind, data}) => [number, kind, data]), [
      [null, 'open', '0'], [1, 'message', 'ä\nb'], [2, 'message', ''], [3, 'close', '{}']]);
  }
});

test('opens with the query and the protocols of the WebSocket', async () => {
  const {gateway, socket} = await opened();
  assert.equal(gateway.requests[0].url.href, 'http://h/ws/room/@fallback?x=1');
  assert.equal(gateway.requests[0].options.headers['Dormouse-Protocol'], 'dormouse, bearer.t');
  assert.deepEqual([socket.readyState, socket.protocol], [1, 'dormouse']);
});

test('a stream that was cut goes on after the last event that came whole', async () => {
  const {gateway, got} = await opened();
  gateway.say('event: open\ndata: 0\n\nid: 1\ndata: a\n\nid: 2\nda');
  await settled();
  gateway.streams.at(-1).error(new Error('cut'));
  await settled();
  assert.equal(gateway.of('events').at(-1).url.searchParams.get('after'), '1');
  gateway.say('event: open\ndata: 1\n\nid: 1\ndata: a\n\nid: 2\ndata: b\n\nid: 3\nevent: binary\ndata: AAE=\n\n' +
              'id: 4\nevent: base64\ndata: YQ1i\n\n');
  await settled();
  assert.deepEqual([got[0], got[1], [...new Uint8Array(got[2])], got[3]], ['a', 'b', [0, 1], 'a\rb']);
});

test('what is said in one turn goes in one request, and again where no answer came', async () => {
  const {gateway, socket, clock} = await opened();
  gateway.loses = 2;
  socket.send('a');
  socket.send(new Uint8Array([1, 2]).buffer);
  assert.equal(socket.bufferedAmount, 'text 1\na'.length + 'binary 2\n'.length + 2);
  await clock.advance(2000);
  assert.deepEqual(gateway.of('send').map(({url}) => url.searchParams.get('from')), ['1', '1', '1']);
  assert.equal(gateway.body, 'text 1\nabinary 2\n\x01\x02');
  assert.equal(socket.bufferedAmount, 0);
  socket.send('c');
  await settled();
  assert.equal(gateway.of('send').at(-1).url.searchParams.get('from'), '3');
});

test('confirms what came: when it is asked, when much came, after a while', async () => {
  const {gateway, clock} = await opened();
  gateway.say('event: open\ndata: 0\n\nid: 1\ndata: a\n\n');
  await settled();
  assert.equal(gateway.of('send').length, 0);
  gateway.say('event: confirm\ndata: 1\n\n');
  await settled();
  assert.deepEqual(gateway.of('send').map(({url}) => url.searchParams.get('after')), ['1']);
  gateway.say(Array.from({length: 100}, (_, i) => `id: ${i + 2}\ndata: x\n\n`).join(''));
  await settled();
  assert.equal(gateway.of('send').at(-1).url.searchParams.get('after'), '101');
  gateway.say('id: 102\ndata: x\n\n');
  await clock.advance(5000);
  assert.equal(gateway.of('send').at(-1).url.searchParams.get('after'), '102');
  assert.equal(gateway.of('send').length, 3);
});

test('a stream that somebody holds back becomes polls, on the same connection', async () => {
  let buffered = 0;
  const {gateway, clock, socket, got} = await opened({buffered: () => buffered++});
  await clock.advance(4000);
  await settled();
  assert.deepEqual([buffered, socket.kind, gateway.of('open').length], [1, 'poll', 1]);
  gateway.poll('id: 1\ndata: a\n\nevent: confirm\ndata: 1\n\n');
  await settled();
  assert.deepEqual(got, ['a']);
  assert.equal(gateway.of('poll').at(-1).url.searchParams.get('after'), '1');
});

test('the end: by the hub, by the gateway, by nobody', async () => {
  const hub = await opened();
  hub.gateway.say('event: open\ndata: 0\n\nid: 1\nevent: close\ndata: {"code":4001,"reason":"enough"}\n\n');
  await settled();
  assert.deepEqual(hub.closes, [{code: 4001, reason: 'enough'}]);
  assert.equal(hub.gateway.of('send').at(-1).url.searchParams.get('after'), '1');

  const gone = await opened();
  gone.gateway.status = {events: 410, send: 410};
  gone.gateway.streams.at(-1).error(new Error('cut'));
  await gone.clock.advance(0);
  assert.equal(gone.closes[0].code, 1006);

  const away = await opened();
  away.gateway.fails = {events: Infinity};
  away.gateway.streams.at(-1).error(new Error('cut'));
  await away.clock.advance(14000);
  assert.equal(away.closes.length, 0);
  await away.clock.advance(3000);
  assert.equal(away.closes[0].code, 1006);
});

test('closing sends what waits first, then why', async () => {
  const {gateway, socket, closes} = await opened();
  socket.send('last');
  socket.close(4000, 'so long');
  await settled();
  assert.equal(gateway.body, 'text 4\nlast');
  const {searchParams} = gateway.of('close')[0].url;
  assert.deepEqual([searchParams.get('code'), searchParams.get('reason')], ['4000', 'so long']);
  assert.deepEqual([closes, socket.readyState], [[{code: 4000, reason: 'so long'}], 3]);
});

// --- The choice.

// A class of WebSockets that do what `fate` says: 'fail', 'open', 'die', 'hang', or a reason to be refused with.
function sockets(fates) {
  return class {
    readyState = 0;
    constructor() {
      const fate = fates.shift() ?? 'open';
      setImmediate(() => {
        if (fate === 'hang') return;
        if (fate === 'open' || fate === 'die') {
          this.readyState = 1;
          this.onopen?.({});
        } else {
          this.onerror?.({message: fate});
        }
        if (fate !== 'open') this.onclose?.({code: 1006, reason: ''});
      });
    }
    close() {}
  };
}

async function choice(fates, options = {}) {
  const gateway = new Gateway();
  const clock = new ManualClock();
  const transports = new Transports({WebSocket: sockets(fates), clock, fetch: gateway.fetch, ...options});
  const open = async () => {
    const seen = [];
    const socket = transports.open('ws://h/ws/room', []);
    socket.onopen = () => seen.push(transports.current);
    socket.onclose = ({reason}) => seen.push(`closed ${reason}`);
    await settled();
    return {socket, seen};
  };
  return {gateway, clock, open, transports};
}

test('where a WebSocket opens, nothing else is tried', async () => {
  const {gateway, open} = await choice(['open']);
  assert.deepEqual((await open()).seen, ['websocket']);
  assert.equal(gateway.requests.length, 0);
});

test('where it does not, another way is tried at once, and remembered for a minute', async () => {
  const fates = ['fail', 'open'];
  const {open, clock} = await choice(fates);
  for (let time = 0; time < 2; time++) {
    const {socket, seen} = await open();
    assert.deepEqual(seen, ['sse']);
    socket.terminate();
  }
  assert.equal(fates.length, 1);
  await clock.advance(60000);
  assert.deepEqual((await open()).seen, ['websocket']);
  assert.deepEqual((await open()).seen, ['websocket']);
});

test('where the gateway says no, no other way is tried', async () => {
  for (const status of [401, 403, 404]) {
    const {gateway, open} = await choice([`Unexpected server response: ${status}`]);
    assert.deepEqual((await open()).seen, [`closed Unexpected server response: ${status}`]);
    assert.equal(gateway.requests.length, 0);
  }
});

test('an upgrade that is swallowed, sockets that die twice before their first frame', async () => {
  const hanging = await choice(['hang']);
  const {seen} = await hanging.open();
  await hanging.clock.advance(5000);
  assert.deepEqual(seen, ['sse']);

  const dying = await choice(['die', 'die']);
  assert.deepEqual((await dying.open()).seen, ['websocket', 'closed ']);
  assert.deepEqual((await dying.open()).seen, ['websocket', 'closed ']);
  assert.deepEqual((await dying.open()).seen, ['sse']);
});

test('where no way leads there, the last one says why', async () => {
  const {gateway, open} = await choice(['fail']);
  gateway.status.open = 503;
  assert.deepEqual((await open()).seen, ['closed Unexpected server response: 503 no open']);
});

test('a way can be asked for', async () => {
  const {open} = await choice([], {transport: 'poll', WebSocket: undefined});
  assert.deepEqual((await open()).seen, ['poll']);
  assert.throws(() => new Transports({transport: 'smoke'}), TypeError);
  assert.equal(new Transports({transport: 'websocket', WebSocket: null}).needsWebSocket, true);
});
