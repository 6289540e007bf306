// The Worker itself: the default export of the bundle, and the `env` that it and its objects get.
import {DurableObjectNamespace} from '../namespaces/namespace.mjs';
import {callMethod} from '../namespaces/methods.mjs';
import {copied} from '../namespaces/packing.mjs';
import {Request} from '../web/request.mjs';
import {unsupportedBinding} from './unsupported.mjs';

// `assets`: where the project has any.
export function makeEnv(manifest, {call, callSelf, assets = null}) {
  const env = {};
  for (const {name, message} of manifest.unsupported ?? []) env[name] = unsupportedBinding(message);
  for (const [name, value] of Object.entries(manifest.vars ?? {})) env[name] = value;
  const stored = new Map((manifest.classes ?? []).map((each) => [each.class ?? each.name, each.name]));
  for (const {name, class_name: inCode} of manifest.bindings?.durable_objects ?? []) {
    env[name] = new DurableObjectNamespace(stored.get(inCode) ?? inCode, call);
  }
  for (const {binding, name, entrypoint} of manifest.bindings?.services ?? []) {
    env[binding ?? name] = makeService(entrypoint ?? 'default', callSelf);
  }
  if (assets && manifest.assets.binding) env[manifest.assets.binding] = {fetch: (...args) => assets.fetch(...args)};
  return env;
}

export class Entry {
  #bundle;
  #env;
  #report;
  #left;

  // `left`: LeftBehind.
  constructor(bundle, env, report, left) {
    this.#left = left;
    this.#bundle = bundle;
    this.#env = env;
    this.#report = report;
  }

  async fetch(request, entrypoint = 'default') { return this.#call(entrypoint, 'fetch', request); }

  // Resolves when all has ended that it has begun.
  async scheduled(cron, scheduledTime) {
    const ctx = this.#context();
    const begun = [];
    const {waitUntil} = ctx;
    ctx.waitUntil = (promise) => {
      begun.push(Promise.resolve(promise).catch(() => {}));
      waitUntil(promise);
    };
    try {
      await this.#call('default', 'scheduled', {cron, scheduledTime, type: 'scheduled', noRetry: () => {}}, ctx);
    } finally {
      while (begun.length > 0) await begun.shift();
    }
  }

  get hasScheduled() {
    const handler = this.#bundle.default;
    return typeof (typeof handler === 'function' ? handler.prototype : handler)?.scheduled === 'function';
  }

  // A method of a class of WorkerEntrypoints. What is passed is copied, as if it were elsewhere.
  async callMethod(entrypoint, method, args) {
    const handler = this.#bundle[entrypoint];
    if (typeof handler !== 'function') throw new TypeError(`The export ${entrypoint} is no WorkerEntrypoint.`);
    const copies = await copied(args, `an argument of ${method}()`);
    return copied(await callMethod(new handler(this.#context(), this.#env), method, copies), `what ${method}() returns`);
  }

  #context() {
    return {
      waitUntil: (promise) => this.#left.add(promise, (error) => this.#report(null, error)),
      passThroughOnException: () => {},
      props: {},
    };
  }

  #call(entrypoint, method, argument, ctx = this.#context()) {
    const handler = this.#bundle[entrypoint];
    if (handler === undefined) throw new Error(`The bundle has no export ${entrypoint}.`);
    if (typeof handler === 'function') {  // a class of WorkerEntrypoints
      const instance = new handler(ctx, this.#env);
      if (typeof instance[method] !== 'function') throw missing(method);
      return instance[method](argument);
    }
    if (typeof handler[method] !== 'function') throw missing(method);
    return handler[method](argument, this.#env, ctx);
  }
}

class Fetcher {}

// The project as a service of its own.
function makeService(entrypoint, callSelf) {
  const fetch = async (input, init) => callSelf(entrypoint, 'fetch', new Request(input, init));
  return new Proxy({}, {
    get(target, name) {
      if (name === 'fetch') return fetch;
      if (typeof name !== 'string' || name === 'then') return undefined;
      return async (...args) => callSelf(entrypoint, name, args);
    },
    getPrototypeOf: () => Fetcher.prototype,
  });
}

function missing(method) { return new TypeError(`Handler does not export a ${method}() function.`); }
