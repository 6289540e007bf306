// The Worker over HTTP, on a unix socket: the gateway brings one request a connection. Bodies are streams both ways.
import fs from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import path from 'node:path';
import {Readable} from 'node:stream';
import {clearInterval, clearTimeout, setInterval, setTimeout} from 'node:timers';

import {beginning} from '../namespaces/body_streams.mjs';
import {isResponse} from '../namespaces/payload.mjs';
import {Request} from '../web/request.mjs';
import {ReservedSocket} from '../web/reserved_socket.mjs';
import {lengthOf} from '../web/streams.mjs';
import {acceptedOf} from '../web/upgrades.mjs';
import {encodedBody} from './encoding.mjs';

const MOST_PASSED_OVER = 1024 * 1024;  // bytes of a request's body that nobody has read
const PASSED_OVER_WITHIN = 1000;       // ms
const LOOK_EVERY = 500;                // ms
const UPGRADE = 'dormouse-upgrade';
const OWN_HEADERS = /^dormouse-/i;
const NOT_FORWARDED = new Set(['connection', 'keep-alive', 'transfer-encoding', 'upgrade', 'content-length']);

// `handle(request)`: a promise of a Response. Resolves when it serves at `place`, in the stead of whoever did before;
// and again when whoever did afterwards, the worker of another statekeeper, say, is no more. `own`: a path that nobody
// else uses, in the same file system.
export async function serve(place, own, handle, report) {
  const server = http.createServer({keepAliveTimeout: 60_000, requestTimeout: 0, maxHeaderSize: 32 << 10}, (incoming, outgoing) => {
    answer(incoming, outgoing, handle).catch((error) => {
      report(null, error);
      fail(outgoing, 500, 'The Worker threw an exception.');
    });
  });
  fs.rmSync(own, {force: true});
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({path: own, backlog: 4096}, resolve);
  });
  take(place, own);
  const looking = setInterval(() => {
    if (server.listening) takeIfDeserted(place, own);
    else clearInterval(looking);
  }, LOOK_EVERY);
  looking.unref();
  return server;
}

function take(place, own) {
  const temporary = path.join(path.dirname(place), `.${path.basename(place)}.${process.pid}`);
  fs.rmSync(temporary, {force: true});
  fs.linkSync(own, temporary);
  fs.renameSync(temporary, place);
}

function takeIfDeserted(place, own) {
  const there = fs.statSync(place, {throwIfNoEntry: false});
  if (there && there.ino === fs.statSync(own, {throwIfNoEntry: false})?.ino) return;
  const visit = net.connect(place, () => visit.destroy());
  visit.on('error', (error) => {
    if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') take(place, own);
  });
}

async function answer(incoming, outgoing, handle) {
  const upgrade = incoming.headers[UPGRADE] !== undefined;
  const gone = new AbortController();
  outgoing.once('close', () => { if (!outgoing.writableFinished) gone.abort(); });
  const response = await handle(requestOf(incoming, upgrade, gone.signal));
  if (outgoing.destroyed) {
    await response?.body?.cancel();
    return;
  }
  if (!isResponse(response)) throw new TypeError('The Worker\'s fetch() did not return a Response.');
  if (response.status === 101) {
    if (upgrade) leadToHub(response, outgoing);
    else fail(outgoing, 426, 'This address is there for WebSockets.');
    return;
  }
  const body = encodedBody(response);
  const headers = headersOf(response, !body);
  const length = body ? undefined : lengthOf(response.body);
  if (length !== undefined) headers['content-length'] = String(length);
  await pour(response, body ?? response.body, headers, outgoing);
  if (!incoming.complete) await passOver(incoming);
  outgoing.end();
}

// A client that is sending would not get to see an answer if the connection were closed on it.
async function passOver(incoming) {
  let left = MOST_PASSED_OVER;
  const deadline = setTimeout(() => incoming.destroy(), PASSED_OVER_WITHIN);
  incoming.on('data', (chunk) => {
    left -= chunk.length;
    if (left < 0) incoming.pause().emit('close');
  });
  await new Promise((resolve) => {
    incoming.once('end', resolve);
    incoming.once('close', resolve);
    incoming.resume();
  });
  clearTimeout(deadline);
}

function requestOf(incoming, upgrade, signal) {
  const headers = [];
  for (let at = 0; at < incoming.rawHeaders.length; at += 2) {
    const name = incoming.rawHeaders[at];
    if (!OWN_HEADERS.test(name) && !/^connection$/i.test(name)) headers.push([name, incoming.rawHeaders[at + 1]]);
  }
  if (upgrade && !incoming.headers.upgrade) headers.push(['Upgrade', 'websocket']);
  const scheme = incoming.headers['x-forwarded-proto'] === 'https' ? 'https' : 'http';
  const bodied = !['GET', 'HEAD'].includes(incoming.method);
  return new Request(`${scheme}://${incoming.headers.host ?? 'localhost'}${incoming.url}`, {
    method: incoming.method, headers, body: bodied ? Readable.toWeb(incoming) : undefined, signal,
    redirect: 'manual', cf: {httpProtocol: `HTTP/${incoming.httpVersion}`},
  });
}

// The gateway gets to know which hub has accepted the socket, and opens it there.
function leadToHub(response, outgoing) {
  const accepted = response.webSocket && acceptedOf(response.webSocket, null);
  if (!(accepted instanceof ReservedSocket)) {
    fail(outgoing, 501, 'A WebSocket that the Worker keeps itself is not supported; let a Durable Object accept it.');
    return;
  }
  outgoing.writeHead(200, {
    ...headersOf(response, false), 'dormouse-hub': `${accepted.hubClass}/${accepted.hubName}`,
    'dormouse-reservation': accepted.reservation, 'content-length': '0',
  });
  outgoing.end();
}

function headersOf(response, withLength) {
  const headers = {};
  for (const [name, value] of response.headers) {
    if (name === 'set-cookie' || OWN_HEADERS.test(name)) continue;
    if (NOT_FORWARDED.has(name) && !(withLength && name === 'content-length')) continue;
    headers[name] = value;
  }
  const cookies = response.headers.getSetCookie();
  if (cookies.length > 0) headers['set-cookie'] = cookies;
  return headers;
}

// Reads no more than the client takes. A body that is all there has a length.
async function pour({status, statusText}, body, headers, outgoing) {
  const {bytes, reader} = await beginning(body);
  if (!reader && bytes && !('content-length' in headers)) headers['content-length'] = String(bytes.length);
  outgoing.writeHead(status, statusText || undefined, headers);
  if (bytes && bytes.length > 0) outgoing.write(bytes);
  else outgoing.flushHeaders();
  if (!reader) return;
  const leave = () => { reader.cancel().catch(() => {}); };
  outgoing.once('close', leave);
  for (;;) {
    const {done, value} = await reader.read();
    if (done || outgoing.destroyed) break;
    if (!outgoing.write(value)) await drained(outgoing);
  }
  outgoing.off('close', leave);
}

function drained(outgoing) {
  return new Promise((resolve) => {
    const go = () => {
      outgoing.off('drain', go);
      outgoing.off('close', go);
      resolve();
    };
    outgoing.on('drain', go);
    outgoing.on('close', go);
  });
}

function fail(outgoing, status, text) {
  if (outgoing.headersSent || outgoing.destroyed) {
    outgoing.destroy();
    return;
  }
  outgoing.writeHead(status, {'content-type': 'text/plain; charset=utf-8'});
  outgoing.end(`${text}\n`);
}
