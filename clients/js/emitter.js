// Handlers by name. One that throws, or whose promise is rejected, costs the others nothing: that is an `error`.
export class Emitter {
  #handlers = new Map();  // name -> Set

  // Returns a function that takes the handler off again.
  on(name, handler) {
    if (!this.#handlers.has(name)) this.#handlers.set(name, new Set());
    this.#handlers.get(name).add(handler);
    return () => this.off(name, handler);
  }

  once(name, handler) {
    const off = this.on(name, (value) => {
      off();
      return handler(value);
    });
    return off;
  }

  off(name, handler) { this.#handlers.get(name)?.delete(handler); }

  // Returns what the handlers returned. An error that nobody listens for is at least seen.
  emit(name, value) {
    const handlers = [...(this.#handlers.get(name) ?? [])];
    if (name === 'error' && !handlers.length) console.error(value);
    return handlers.map((handler) => this.call(handler, value, name === 'error'));
  }

  // Calls any function under the same rule.
  call(handler, value, isLast = false) {
    const failed = isLast ? (error) => console.error(error) : (error) => this.emit('error', error);
    try {
      const result = handler(value);
      if (typeof result?.then === 'function') result.then(undefined, failed);
      return result;
    } catch (error) {
      failed(error);
      return undefined;
    }
  }
}
