// What requests have begun and left behind (`waitUntil`): a process that is to end waits for it.
export class LeftBehind {
  #promises = new Set();

  // `failed(error)`: nobody else hears of it.
  add(promise, failed) {
    const ended = Promise.resolve(promise).catch(failed).finally(() => this.#promises.delete(ended));
    this.#promises.add(ended);
  }

  // Resolves when all has ended, and what that has begun.
  async settled() {
    while (this.#promises.size > 0) await Promise.all(this.#promises);
  }
}
