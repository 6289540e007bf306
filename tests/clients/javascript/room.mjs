// Clients in a hub of their own, on the cluster that the environment names.
import {randomUUID} from 'node:crypto';
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

  // The way to the hub through a proxy that can be cut.
  async detour() {
    const target = new URL(this.#url);
    const sockets = new Set();
    const server = createServer((near) => {
      const far = connect(target.port, target.hostname);
      for (const [socket, other] of [[near, far], [far, near]]) {
        sockets.add(socket);
        socket.on('error', () => {});
        socket.on('close', () => {
          sockets.delete(socket);
          other.destroy();
        });
      }
      near.pipe(far).pipe(near);
    });
    const cut = () => { for (const socket of sockets) socket.destroy(); };
    this.#test.after(() => {
      cut();
      server.close();
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {url: `ws://127.0.0.1:${server.address().port}${target.pathname}`, cut};
  }
}

// The next event.
export function next(client, name) { return new Promise((resolve) => { client.once(name, resolve); }); }

// The next `count` messages' data.
export function messages(client, count) {
  return new Promise((resolve) => {
    const seen = [];
    client.on('message', ({data}) => {
      if (seen.push(data) === count) resolve(seen);
    });
  });
}
