// Which file of a project's `assets` answers a path, and where it has its address: html_handling and not_found_handling
// as Cloudflare has them. Pages are PATH.html and PATH/index.html.
import fs from 'node:fs';
import path from 'node:path';

import {ignoring} from './asset_ignore.mjs';

const IGNORE = '.assetsignore';
const NOT_SERVED = new Set([`/${IGNORE}`, '/_headers', '/_redirects']);

export class AssetPaths {
  #directory;
  #html;
  #notFound;
  #ignored = () => false;
  #ignoreRead = 0;  // when the file that it is made of was written

  constructor({directory, html_handling: html = 'auto-trailing-slash', not_found_handling: notFound = 'none'}) {
    this.#directory = directory;
    this.#html = html;
    this.#notFound = notFound;
  }

  // {file, size, written}, or {location}, or null. `pathname` as it is in a URL.
  find(pathname) {
    const found = this.#page(decode(pathname));
    if (!found) return null;
    const {at, ...file} = found;
    const address = encode(at);
    return address === pathname ? file : {location: address};
  }

  // For a path that has none: {file, size, written, status}, or null.
  otherwise(pathname) {
    if (this.#notFound === 'single-page-application') return withStatus(this.#stat('/index.html'), 200);
    if (this.#notFound !== '404-page') return null;
    for (let folder = decode(pathname); folder !== '';) {
      folder = folder.slice(0, folder.lastIndexOf('/'));
      const page = this.#stat(`${folder}/404.html`);
      if (page) return withStatus(page, 404);
    }
    return null;
  }

  // The file for a decoded path, and the path that it belongs to.
  #page(asked) {
    const exact = this.#stat(asked);
    if (exact && (this.#html === 'none' || !asked.endsWith('.html'))) return {...exact, at: asked};
    if (this.#html === 'none') return null;
    const [first = null, second = null] = this.#pages(asked);
    if (this.#leads(first, asked)) return first;
    // A page whose address is another one's is found by its own name alone.
    if (exact) return {...exact, at: asked};
    return this.#leads(second, asked) ? second : null;
  }

  #leads(page, asked) {
    return page && (page.at === asked || (!this.#stat(page.at) && this.#pages(page.at)[0]?.file === page.file));
  }

  // Those that a path can mean, the likelier one first, with their addresses.
  #pages(asked) {
    const base = asked.replace(/\/index(\.html)?$|\/$|\.html$/, '');
    const always = base === '' || this.#html === 'force-trailing-slash';
    const plain = base === '' ? null : this.#stat(`${base}.html`);
    const folder = this.#stat(`${base}/index.html`);
    const pages = [
      plain && {...plain, at: always ? `${base}/` : base},
      folder && {...folder, at: always || this.#html === 'auto-trailing-slash' ? `${base}/` : base},
    ];
    if (/\/(index(\.html)?)?$/.test(asked)) pages.reverse();
    return pages.filter((page) => page !== null);
  }

  #stat(name) {
    if (NOT_SERVED.has(name) || name.includes('\0')) return null;
    const file = path.join(this.#directory, name);
    if (!file.startsWith(`${this.#directory}/`)) return null;
    const there = statOf(file);
    if (!there?.isFile() || name.endsWith('/') || this.#isIgnored(name.slice(1))) return null;
    return {file, size: there.size, written: there.mtimeMs};
  }

  #isIgnored(name) {
    const file = path.join(this.#directory, IGNORE);
    const written = statOf(file)?.mtimeMs ?? 0;
    if (written !== this.#ignoreRead) {
      this.#ignoreRead = written;
      this.#ignored = written ? ignoring(fs.readFileSync(file, 'utf8')) : () => false;
    }
    return this.#ignored(name);
  }
}

function withStatus(found, status) { return found && {...found, status}; }

function statOf(file) {
  try {
    return fs.statSync(file, {throwIfNoEntry: false});
  } catch {  // a path through a file, or one that is too long
    return undefined;
  }
}

// A part that is wrongly written stands for itself.
function decode(pathname) {
  const part = (text) => {
    try {
      return decodeURIComponent(text);
    } catch {
      return text;
    }
  };
  return pathname.split('/').map(part).join('/').replace(/\/\/+/g, '/');
}

function encode(name) { return name.split('/').map(encodeURIComponent).join('/'); }
