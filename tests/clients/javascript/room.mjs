// Clients in a hub of their own, on the cluster that the environment names.
import {createHmac, randomUUID} from 'node:crypto';
import {createServer, connect} from 'node:net';
import {once} from 'node:events';
import {DormouseClient} from '../../../clients/js/index.js';
import {ws} from '../../../clients/js/testing/node_ws.js';

export class Room {
  #test;
  #url;

  constructor(t) {
    this.#test = t;
    this.#url = `${process.env.DORMOUSE}/ws/js-${randomUUID()}`;
  }

  // A connected client; leaves with the test.
  async client(actor, {url = this.#url, ...options} = {}) {
    const client = new DormouseClient(url, {actor, WebSocket: ws, ...options});
    this.#test.after(() => client.disconnect());
    await client.connect();
    return client;
  }

  async registered(actor, options) {
    const client = await this.client(actor, options);
    await client.register();
    return client;
  }

  // The way to the hub through a proxy: cut() loses the sockets, and until open() all attempts; stall() keeps what the
  // hub sends from arriving until flow().
  async detour() {
    const target = new URL(this.#url);
    const pairs = new Map();  // the hub's socket -> ours
    let closed = false;
    const server = createServer((near) => {
      near.on('error', () => {});
      if (closed) {
        near.destroy();
        return;
      }
      const far = connect(target.port, target.hostname);
      pairs.set(far, near);
      far.on('error', () => {});
      far.on('close', () => {
        pairs.delete(far);
        near.destroy();
      });
      near.on('close', () => far.destroy());
      near.pipe(far).pipe(near);
    });
    const way = {
      cut() {
        closed = true;
        for (const [far, near] of pairs) {
          far.destroy();
          near.destroy();
        }
      },
      open() { closed = false; },
      stall() { for (const far of pairs.keys()) far.unpipe().pause(); },
      flow() { for (const [far, near] of pairs) far.pipe(near); },
    };
    this.#test.after(() => {
      way.cut();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {...way, url: `ws://127.0.0.1:${server.address().port}${target.pathname}`};
  }
}

// The next event.
export function next(client, name) { return new Promise((resolve) => { client.once(name, resolve); }); }

// A token of the secret that the cluster was started with.
export function token(actor, claims = {}) {
  const now = Math.floor(Date.now() / 1000);
  const parts = [
    {alg: 'HS256', typ: 'JWT'},
    {iss: 'signal-hub', sub: actor, actorId: actor, iat: now, exp: now + 600, ...claims},
  ];
  const text = parts.map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${text}.${createHmac('sha256', process.env.SECRET).update(text).digest('base64url')}`;
}

// The next `count` messages' data.
export function messages(client, count) {
  return new Promise((resolve) => {
    const seen = [];
    client.on('message', ({data}) => {
      if (seen.push(data) === count) resolve(seen);
    });
  });
}
