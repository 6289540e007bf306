// The module "cloudflare:workers". It stands alone, as bundles may contain a copy of it: what it needs of the host it
// finds at the global object.
const host = () => globalThis[Symbol.for('dormouse.host')];

export class DurableObject {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkerEntrypoint {
  constructor(ctx, env) {
    this.ctx = ctx;
    this.env = env;
  }
}

export class WorkflowEntrypoint extends WorkerEntrypoint {}

// Objects of it cannot be passed to others yet: that is refused where it is tried.
export class RpcTarget {}
export class RpcStub {}
export class RpcPromise {}
export class RpcProperty {}
export class ServiceStub {}

// The bindings, before there is an `env` to look at.
export const env = new Proxy({}, {
  get: (target, name) => host()?.env[name],
  has: (target, name) => name in (host()?.env ?? {}),
  ownKeys: () => Reflect.ownKeys(host()?.env ?? {}),
  getOwnPropertyDescriptor: (target, name) => {
    const value = host()?.env[name];
    return value === undefined ? undefined : {value, enumerable: true, configurable: true, writable: false};
  },
});

export const exports = new Proxy({}, {get: (target, name) => host()?.exports[name]});

export function waitUntil(promise) { host()?.waitUntil(promise); }

export function withEnv(values, callback) { return callback(); }
