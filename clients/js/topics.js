// Which handlers listen to which topics; one subscription at the hub serves all handlers of a topic.
import {coversTopic} from './envelope.js';

export class Topics {
  #handlers = new Map();  // topic, as subscribed to -> Set of handlers

  get all() { return [...this.#handlers.keys()]; }

  has(topic) { return this.#handlers.has(topic); }

  add(topic, handler) {
    if (!this.#handlers.has(topic)) this.#handlers.set(topic, new Set());
    if (handler) this.#handlers.get(topic).add(handler);
  }

  // All of the topic's, or one handler. True: nobody listens any more.
  remove(topic, handler) {
    const handlers = this.#handlers.get(topic);
    if (!handlers) return false;
    if (handler) handlers.delete(handler);
    if (handler && handlers.size) return false;
    return this.#handlers.delete(topic);
  }

  handlersOf(topic) {
    return [...this.#handlers].flatMap(([pattern, handlers]) => coversTopic(pattern, topic) ? [...handlers] : []);
  }

  clear() { this.#handlers.clear(); }
}
