// The Worker over HTTP, on a unix socket: the gateway brings one request a connection. Bodies are streams both ways.
import fs from 'node:fs';
import http from 'node:http';
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

// `handle(request)`: a promise of a Response; `keeper`: a SocketKeeper, or null; `replaced()`: a newer version serves
// there now. Resolves when it serves at `place`, in the stead of whoever did before.
export async function serve(place, {handle, keeper, report, replaced}) {
  const server = http.createServer({keepAliveTimeout: 60_000, requestTimeout: 0, maxHeaderSize: 32 << 10}, (incoming, outgoing) => {
    answer(incoming, outgoing, handle, keeper).catch((error) => {
      report(null, error);
      fail(outgoing, 500, 'The Worker threw an exception.');
    });
  });
  const temporary = path.join(path.dirname(place), `.${path.basename(place)}.${process.pid}`);
  fs.rmSync(temporary, {force: true});
  await new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({path: temporary, backlog: 4096}, resolve);
  });
  const {ino} = fs.statSync(temporary);
  fs.renameSync(temporary, place);
  const looking = setInterval(() => {
    if (fs.statSync(place, {throwIfNoEntry: false})?.ino === ino) return;
    clearInterval(looking);
    replaced();
  }, LOOK_EVERY);
  looking.unref();
  return server;
}

async function answer(incoming, outgoing, handle, keeper) {
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
    if (upgrade) await leadToHub(response, outgoing, keeper);
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
async function leadToHub(response, outgoing, keeper) {
  const {webSocket} = response;
  if (!webSocket) throw new TypeError('A Response with status 101 needs a webSocket.');
  const accepted = acceptedOf(webSocket, null) ?? await keeper?.keep(webSocket);
  if (!(accepted instanceof ReservedSocket)) {
    fail(outgoing, 501, 'No object was found for a WebSocket that the Worker keeps itself.');
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
