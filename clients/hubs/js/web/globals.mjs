// The globals that Workers have, over those of Node.
import {caches} from './caches.mjs';
import {completeCrypto} from './crypto.mjs';
import * as fetching from './fetch.mjs';
import {completeHeaders} from './headers.mjs';
import {completeLanguage} from './language.mjs';
import {Request} from './request.mjs';
import {Response} from './response.mjs';
import {FixedLengthStream, IdentityTransformStream} from './streams.mjs';
import * as timers from './timers.mjs';
import {WebSocket, WebSocketPair, WebSocketRequestResponsePair} from './web_socket.mjs';

export function installGlobals() {
  completeLanguage();
  completeHeaders();
  const {fetch} = fetching;
  const {setTimeout, setInterval, clearTimeout, clearInterval} = timers;
  const scheduler = {
    wait: (delay, {signal} = {}) => new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const timer = setTimeout(resolve, delay);
      signal?.addEventListener('abort', () => {
        clearTimeout(timer);
        reject(signal.reason);
      }, {once: true});
    }),
  };
  const values = {
    fetch, Request, Response, WebSocket, WebSocketPair, WebSocketRequestResponsePair, setTimeout, setInterval,
    clearTimeout, clearInterval, scheduler, self: globalThis, IdentityTransformStream, FixedLengthStream,
    crypto: completeCrypto(),
    caches,
    navigator: {userAgent: 'Cloudflare-Workers', hardwareConcurrency: 1, language: 'en', languages: ['en']},
  };
  if (!globalThis.CloseEvent) values.CloseEvent = eventOf('CloseEvent', {code: 0, reason: '', wasClean: false});
  if (!globalThis.ErrorEvent) values.ErrorEvent = eventOf('ErrorEvent', {error: undefined, message: ''});
  if (!globalThis.MessageEvent) values.MessageEvent = eventOf('MessageEvent', {data: null});
  if (!globalThis.CustomEvent) values.CustomEvent = eventOf('CustomEvent', {detail: null});
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, {value, writable: true, configurable: true, enumerable: false});
  }
}

function eventOf(name, defaults) {
  const Class = class extends Event {
    constructor(type, init = {}) {
      super(type, init);
      for (const [field, value] of Object.entries(defaults)) this[field] = init?.[field] ?? value;
    }
  };
  Object.defineProperty(Class, 'name', {value: name});
  return Class;
}
