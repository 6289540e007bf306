// The Worker itself: the default export of the bundle, and the `env` that it and its objects get.
import {DurableObjectNamespace} from '../namespaces/namespace.mjs';
import {Request} from '../web/request.mjs';

export function makeEnv(manifest, {call, fetchSelf}) {
  const env = {};
  for (const [name, value] of Object.entries(manifest.vars ?? {})) env[name] = value;
  for (const {name, class_name: hubClass} of manifest.bindings?.durable_objects ?? []) {
    env[name] = new DurableObjectNamespace(hubClass, call);
  }
  for (const {binding, name, entrypoint} of manifest.bindings?.services ?? []) {
    env[binding ?? name] = {
      fetch: async (input, init) => fetchSelf(entrypoint, new Request(input, init)),
    };
  }
  return env;
}

export class Entry {
  #bundle;
  #env;
  #report;

  constructor(bundle, env, report) {
    this.#bundle = bundle;
    this.#env = env;
    this.#report = report;
  }

  async fetch(request, entrypoint = 'default') { return this.#call(entrypoint, 'fetch', request); }

  async scheduled(cron, scheduledTime) {
    let again = true;
    await this.#call('default', 'scheduled', {cron, scheduledTime, type: 'scheduled', noRetry: () => { again = false; }});
    return again;
  }

  get hasScheduled() {
    const handler = this.#bundle.default;
    return typeof (typeof handler === 'function' ? handler.prototype : handler)?.scheduled === 'function';
  }

  #call(entrypoint, method, argument) {
    const handler = this.#bundle[entrypoint];
    if (handler === undefined) throw new Error(`The bundle has no export ${entrypoint}.`);
    const ctx = {
      waitUntil: (promise) => { Promise.resolve(promise).catch((error) => this.#report(null, error)); },
      passThroughOnException: () => {},
      props: {},
    };
    if (typeof handler === 'function') {  // a class of WorkerEntrypoints
      const instance = new handler(ctx, this.#env);
      if (typeof instance[method] !== 'function') throw missing(method);
      return instance[method](argument);
    }
    if (typeof handler[method] !== 'function') throw missing(method);
    return handler[method](argument, this.#env, ctx);
  }
}

function missing(method) { return new TypeError(`Handler does not export a ${method}() function.`); }
