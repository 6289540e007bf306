// WebSockets that a Worker keeps for itself, without an object of the project's. The gateway opens sockets at hubs
// alone, so each is that of an object of the host's own, which hands on what comes and goes. The object has to be one
// of this process, where the Worker's end is: which name leads to one is found out by trying.
import {randomBytes} from 'node:crypto';

import {runIn} from '../objects/context.mjs';
import {Response} from '../web/response.mjs';
import {WebSocketPair} from '../web/web_socket.mjs';

const MOST_NAMES = 8;    // kept, for the lanes to share the work
const MOST_TRIED = 256;  // names; more than there will be statekeepers
const TOKEN = 'x-token';

const awaited = new Map();  // by token: the client's end of a pair, whose other one the Worker has

// The class of these objects.
export class KeptSockets {
  fetch(request) {
    const token = request.headers.get(TOKEN);
    const webSocket = awaited.get(token);
    if (!webSocket) return new Response(null, {status: 404});  // this is another process
    awaited.delete(token);
    const {0: client, 1: server} = new WebSocketPair();
    server.accept();
    join(server, webSocket);
    return new Response(null, {status: 101, webSocket: client});
  }
}

// What finds such an object for a socket.
export class SocketKeeper {
  #namespace;
  #names = [];  // that have led here last

  constructor(namespace) { this.#namespace = namespace; }

  // `webSocket`: the client's end. Resolves with what the gateway can open; null: nothing was found.
  async keep(webSocket) {
    const token = randomBytes(12).toString('base64url');
    awaited.set(token, webSocket);
    try {
      for (let tried = 0; tried < MOST_TRIED; tried++) {
        const name = this.#nextName(tried);
        const response = await this.#namespace.getByName(name).fetch('http://kept/', {
          headers: {upgrade: 'websocket', [TOKEN]: token},
        });
        if (response.webSocket) {
          this.#names.push(name);
          return response.webSocket.behind;
        }
      }
      return null;
    } finally {
      awaited.delete(token);
    }
  }

  // One in turn that has led here before. While there are few, a new one first.
  #nextName(tried) {
    const fresh = this.#names.length === 0 || (tried === 0 && this.#names.length < MOST_NAMES);
    return fresh ? randomBytes(9).toString('base64url') : this.#names.shift();
  }
}

// `server`: of the object, which a client will have. The Worker's code does not run in the object's name.
function join(server, webSocket) {
  const outside = (call) => (event) => runIn(undefined, call, event);
  server.addEventListener('message', outside(({data}) => webSocket.send(data)));
  server.addEventListener('close', outside(({code, reason, wasClean}) => {
    webSocket.behind.close(code, reason, wasClean);
  }));
  webSocket.addEventListener('message', ({data}) => server.send(data));
  webSocket.addEventListener('close', ({code, reason}) => server.behind.close(code, reason));
  webSocket.accept();
}
