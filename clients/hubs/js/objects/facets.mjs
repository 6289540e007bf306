// ctx.facets: objects within an object, by name.
import {createHash} from 'node:crypto';

import {stubOver} from '../namespaces/namespace.mjs';
import {describe, revive} from '../namespaces/remote_errors.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {currentContext} from './context.mjs';
import {FacetObject} from './facet_object.mjs';
import {FACET} from './keys.mjs';

const MAX_NAME = 256;   // bytes
const MAX_DEPTH = 4;    // of objects within each other, with the outermost
const NAME_DIGITS = 22; // of a name's digest, in the keys of rows

export class Facets {
  #life;
  #running = new Map();  // by name

  constructor(life) { this.#life = life; }

  // A stub. `getStartupOptions` is asked when it is first used, unless the facet runs.
  get(name, getStartupOptions) {
    const checked = nameOf(name);
    if (typeof getStartupOptions !== 'function') throw new TypeError('facets.get() takes a name and a function.');
    if (this.#life.hub.depth + 1 >= MAX_DEPTH) {
      throw new Error(
        `Facet nesting depth limit exceeded. The maximum depth including the root Durable Object is ${MAX_DEPTH}.`);
    }
    let facet = null;
    return stubOver(async (asked) => {
      facet ??= this.#start(checked, getStartupOptions);
      const gate = currentContext()?.gate;
      try {
        return await facet.call(asked);
      } catch (thrown) {
        throw revive(describe(thrown));
      } finally {
        await gate?.standing.enter();
      }
    });
  }

  // Stubs of it are of no use any more; its storage stays.
  abort(name, reason) {
    const checked = nameOf(name);
    this.#running.get(checked)?.end(reason instanceof Error ? reason : new Error(String(reason)));
  }

  // Its storage goes, too, with that of the facets in it.
  delete(name) {
    this.abort(name, new Error('Facet was deleted.'));
    this.#erase(this.#prefix(name));
  }

  // With all of their storage: the object's has been deleted.
  deleteAll() {
    this.end(new Error('Facet was deleted.'));
    this.#erase(this.#life.hub.prefix + FACET);
  }

  end(error) { for (const facet of [...this.#running.values()]) facet.end(error); }

  #start(name, getStartupOptions) {
    const running = this.#running.get(name);
    if (running) return running;
    if (this.#life.over) throw new Error('This object has been reset.');
    const options = (async () => getStartupOptions())();
    options.catch(() => {});
    const facet = new FacetObject(this.#life.hub, {
      name, prefix: this.#prefix(name), options,
      ended: () => { if (this.#running.get(name) === facet) this.#running.delete(name); },
    });
    this.#running.set(name, facet);
    return facet;
  }

  // Names of any length, in keys of which there is an end.
  #prefix(name) {
    const digest = createHash('sha256').update(name).digest('base64url').slice(0, NAME_DIGITS);
    return `${this.#life.hub.prefix}${FACET}${digest}/`;
  }

  #erase(prefix) { this.#life.hub.root.writeNote(Effect.DELETE_PREFIX, prefix); }
}

function nameOf(name) {
  const text = String(name);
  if (Buffer.byteLength(text) > MAX_NAME) throw new TypeError(`Facet name is too long (max ${MAX_NAME} characters).`);
  return text;
}
