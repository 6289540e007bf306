// Static files of a project (`assets`): what is answered without its Worker, and the binding by which the Worker asks
// for them itself. They are read from the disk each time.
import fs from 'node:fs';

import {Request} from '../web/request.mjs';
import {AssetPaths} from './asset_paths.mjs';
import {contentTypeOf} from './content_types.mjs';

const AT_ONCE = 256 * 1024;  // bytes; of a larger file what the client takes is read
const CHUNK = 64 * 1024;
// Before, a page that is not there was the Worker's, whoever asked.
const PAGES_FIRST = '2025-04-01';

export class Assets {
  #paths;
  #first;     // of the Worker: all, or what one of `patterns` fits and none of `exceptions`
  #patterns = [];
  #exceptions = [];
  #navigation;

  constructor(assets, compatibilityDate) {
    const first = assets.run_worker_first ?? false;
    this.#paths = new AssetPaths(assets);
    this.#first = first === true;
    this.#navigation = compatibilityDate >= PAGES_FIRST;
    if (!Array.isArray(first)) return;
    this.#patterns = first.filter((each) => !each.startsWith('!')).map(patternOf);
    this.#exceptions = first.filter((each) => each.startsWith('!')).map((each) => patternOf(each.slice(1)));
  }

  // A promise of a Response; null: the Worker is to answer.
  before(request) {
    const {pathname, search} = new URL(request.url);
    const fits = (pattern) => pattern.test(pathname);
    if (this.#exceptions.some(fits)) return this.#answer(request, pathname, search);
    if (this.#first || this.#patterns.some(fits)) return null;
    const pages = this.#patterns.length > 0 || this.#exceptions.length > 0 ||
      (this.#navigation && request.headers.get('sec-fetch-mode') === 'navigate');
    if (!this.#paths.find(pathname) && !(pages && this.#paths.otherwise(pathname))) return null;
    return this.#answer(request, pathname, search);
  }

  // As the binding has it.
  async fetch(input, init) {
    const request = input instanceof Request && init === undefined ? input : new Request(input, init);
    const {pathname, search} = new URL(request.url);
    return this.#answer(request, pathname, search);
  }

  async #answer(request, pathname, search) {
    const found = this.#paths.find(pathname) ?? this.#paths.otherwise(pathname);
    if (!found) return new Response(null, {status: 404});
    if (!['GET', 'HEAD'].includes(request.method)) return new Response(null, {status: 405});
    if (found.location !== undefined) {
      return new Response(null, {status: 307, headers: {location: found.location + search}});
    }
    const {file, size, written, status = 200} = found;
    const tag = `"${Math.trunc(written).toString(16)}-${size.toString(16)}"`;
    const headers = new Headers({etag: tag});
    const type = contentTypeOf(file);
    if (type) headers.set('content-type', type);
    if (!request.headers.has('authorization') && !request.headers.has('range')) {
      headers.set('cache-control', 'public, max-age=0, must-revalidate');
    }
    if ([tag, `W/${tag}`].includes(request.headers.get('if-none-match'))) {
      return new Response(null, {status: 304, headers});
    }
    if (request.method === 'HEAD') {
      headers.set('content-length', String(size));
      return new Response(null, {status, headers});
    }
    if (size <= AT_ONCE) return new Response(await fs.promises.readFile(file), {status, headers});
    headers.set('content-length', String(size));
    return new Response(streamOf(file, size), {status, headers});
  }
}

function patternOf(glob) {
  return new RegExp(`^${glob.split('*').map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
}

// Opened when somebody reads it.
function streamOf(file, size) {
  let handle = null;
  let at = 0;
  return new ReadableStream({
    async pull(controller) {
      handle ??= await fs.promises.open(file);
      const {bytesRead, buffer} = await handle.read(Buffer.allocUnsafe(Math.min(CHUNK, size - at)), 0, null, at);
      at += bytesRead;
      if (bytesRead > 0) controller.enqueue(new Uint8Array(buffer.buffer, buffer.byteOffset, bytesRead));
      if (bytesRead > 0 && at < size) return;
      await handle.close();
      if (at < size) controller.error(new Error(`${file} has become shorter while it was read.`));
      else controller.close();
    },
    async cancel() { await handle?.close(); },
  }, {highWaterMark: 0});
}
