// The client over real sockets, from Node: what a scripted socket in memory cannot show.
import assert from 'node:assert/strict';
import {once} from 'node:events';
import {createServer} from 'node:http';
import {test} from 'node:test';
import {DormouseClient, EchoClient} from './index.js';
import {ws} from './testing/node_ws.js';

// A server that admits everybody; ends with the test.
async function serve(t, options = {}) {
  const server = new ws.Server({host: '127.0.0.1', port: 0, ...options});
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  server.on('connection', (socket) => socket.on('message', (data, isBinary) => {
    const frame = JSON.parse(data);
    if (frame.type !== 'hub:connect' && frame.type !== 'hub:disconnect') return;
    const type = {'hub:connect': 'hub:connected', 'hub:disconnect': 'hub:disconnect_ack'}[frame.type];
    socket.send(JSON.stringify({type, correlationId: frame.id, payload: {sessionId: 's'}}), {binary: isBinary});
    if (frame.type === 'hub:disconnect') socket.close(1000, 'Client requested disconnect');
  }));
  if (!options.server) await once(server, 'listening');
  return {server, url: `ws://127.0.0.1:${(options.server ?? server).address().port}/ws`};
}

function clientOf(t, url, options) {
  const client = new DormouseClient(url, {actor: 'node/anna', WebSocket: ws, ...options});
  t.after(() => client.disconnect());
  client.on('error', () => {});
  return client;
}

test('connects and leaves', async (t) => {
  const {server, url} = await serve(t);
  const client = clientOf(t, url);
  await client.connect();
  assert.equal(client.sessionId, 's');
  const [socket] = server.clients;
  const closed = once(socket, 'close');
  await client.disconnect();
  assert.equal((await closed)[0], 1000);
});

test('reads text in binary frames', async (t) => {
  const {server, url} = await serve(t);
  const client = clientOf(t, url);
  await client.connect();
  const message = new Promise((resolve) => { client.on('message', resolve); });
  const [socket] = server.clients;
  socket.send(Buffer.from('{"id":"1","type":"chat","from":"a/b","to":"node/anna","payload":"ümläut"}'));
  assert.equal((await message).data, 'ümläut');
});

test('comes back from a socket that was cut', async (t) => {
  const {server, url} = await serve(t);
  const client = clientOf(t, url);
  await client.connect();
  const again = new Promise((resolve) => { client.on('connected', resolve); });
  for (const socket of server.clients) socket.terminate();
  await again;
  assert.equal(server.clients.size, 1);
});

test('offers the token as a subprotocol, and takes "dormouse"', async (t) => {
  const offered = [];
  const {server, url} = await serve(t, {handleProtocols: (protocols) => {
    offered.push([...protocols]);
    return 'dormouse';
  }});
  await clientOf(t, url, {token: 'abc.def.ghi', upgradeAuth: true}).connect();
  assert.deepEqual(offered, [['dormouse', 'bearer.abc.def.ghi']]);
  assert.equal([...server.clients][0].protocol, 'dormouse');
});

test('a gateway that answers 401 is not asked again', async (t) => {
  let asked = 0;
  const http = createServer();
  http.on('upgrade', (_, socket) => {
    asked++;
    socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
  });
  t.after(() => http.close());
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  const client = clientOf(t, `ws://127.0.0.1:${http.address().port}/ws`, {token: 'bad', upgradeAuth: true});
  await assert.rejects(client.connect(), {code: 'unauthorized', message: /401/});
  assert.deepEqual([client.state, asked], ['disconnected', 1]);
});

test('a goodbye without an answer does not take for ever, nor does a peer that is gone', async (t) => {
  const {server, url} = await serve(t);
  const client = clientOf(t, url);
  await client.connect();
  for (const socket of server.clients) {
    socket.removeAllListeners('message');
    socket.on('message', () => socket.terminate());
  }
  await client.disconnect();
  assert.equal(client.state, 'disconnected');
});

test('the echo client', async (t) => {
  const server = new ws.Server({host: '127.0.0.1', port: 0});
  await once(server, 'listening');
  server.on('connection', (socket) => {
    socket.send('{"type":"welcome","message":"hi","connectionId":"c1","heartbeatInterval":20000}');
    socket.on('message', (data) => {
      const {type, message} = JSON.parse(data);
      const answers = {
        heartbeat: {type: 'heartbeat_ack'}, ping: {type: 'pong'}, message: {type: 'echo', message, connections: 1},
      };
      socket.send(JSON.stringify(answers[type]));
    });
  });
  const client = new EchoClient(`ws://127.0.0.1:${server.address().port}/websocket`, {WebSocket: ws});
  t.after(() => {
    client.disconnect();
    server.close();
  });
  const next = (name) => new Promise((resolve) => { client.once(name, resolve); });
  const heartbeat = next('heartbeat');
  const welcome = next('welcome');
  assert.equal(client.send('too early'), false);
  client.connect();
  assert.equal((await welcome).message, 'hi');
  assert.deepEqual([client.connectionId, client.state], ['c1', 'connected']);
  await heartbeat;
  const echo = next('echo');
  assert.equal(client.send('hello'), true);
  assert.equal((await echo).message, 'hello');
  const pong = next('pong');
  client.ping();
  await pong;
  const again = next('welcome');
  for (const socket of server.clients) socket.terminate();
  await again;
});
