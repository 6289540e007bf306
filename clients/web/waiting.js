// What is said while there is no connection, for clients that keep nothing themselves: it waits for the next one.

const LIMIT = 1000;

export class Waiting {
  #page;
  #send;
  #texts = [];

  // `send(text)`: false when it has to wait.
  constructor(page, send) {
    this.#page = page;
    this.#send = send;
  }

  get size() { return this.#texts.length; }

  say(text) {
    if (!this.#texts.length && this.#send(text)) return;
    if (this.#texts.length >= LIMIT) {
      this.#page.received('error', `${LIMIT} messages wait to be sent already`);
      return;
    }
    this.#texts.push(text);
    this.#page.waits(text);
  }

  flush() {
    while (this.#texts.length && this.#send(this.#texts[0])) this.#texts.shift();
  }
}
