// Event listeners of one WebSocket, in the order in which they were added. One that throws does not keep the others
// from hearing of the event; the first error is thrown at the end.
export class Listeners {
  #target;
  #listeners = new Map();  // by type: [{listener, once}]
  #handlers = new Map();   // by type: what the property on... holds

  constructor(target) { this.#target = target; }

  add(type, listener, options) {
    if (listener === null || listener === undefined) return;
    const listeners = this.#listeners.get(type) ?? [];
    if (listeners.some((one) => one.listener === listener)) return;
    const once = typeof options === 'object' && options !== null && Boolean(options.once);
    this.#listeners.set(type, [...listeners, {listener, once}]);
    options?.signal?.addEventListener('abort', () => this.remove(type, listener), {once: true});
  }

  remove(type, listener) {
    const listeners = this.#listeners.get(type);
    if (listeners) this.#listeners.set(type, listeners.filter((one) => one.listener !== listener));
  }

  handler(type) { return this.#handlers.get(type) ?? null; }

  setHandler(type, handler) {
    const before = this.#handlers.get(type);
    if (before) this.remove(type, before);
    this.#handlers.delete(type);
    if (typeof handler !== 'function') return;
    this.#handlers.set(type, handler);
    this.add(type, handler);
  }

  // `fields`: an event, or what a new one is to have. Returns a promise where a listener has: the event lasts as long.
  dispatch(type, fields) {
    const event = fields instanceof Event ? fields : Object.assign(new Event(type), fields);
    if (event !== fields) {
      Object.defineProperty(event, 'target', {value: this.#target, configurable: true});
      Object.defineProperty(event, 'currentTarget', {value: this.#target, configurable: true});
    }
    let failure = null;
    const promises = [];
    for (const {listener, once} of this.#listeners.get(type) ?? []) {
      if (once) this.remove(type, listener);
      try {
        const result = typeof listener === 'function' ? listener.call(this.#target, event) : listener.handleEvent(event);
        if (typeof result?.then === 'function') promises.push(result);
      } catch (error) {
        failure ??= {error};
      }
    }
    if (failure) throw failure.error;
    return promises.length > 0 ? Promise.all(promises) : undefined;
  }
}
