// Messages of other actors: each is handled once, by whom it concerns.
import {DormouseError} from './errors.js';
import {Message} from './message.js';
import {RecentIds} from './recent_ids.js';

export class Inbox {
  lastMessageId = null;    // of the last one that was handled, for resuming
  #events;
  #topics;
  #reply;
  #recent;
  #handlers = new Map();   // application type -> function
  #awaited = new Map();    // id of a request between actors -> {resolve, reject, since}

  // `reply(to, type, data, options)`: sends an answer.
  constructor({events, topics, recentIds, reply}) {
    this.#events = events;
    this.#topics = topics;
    this.#reply = reply;
    this.#recent = new RecentIds(recentIds);
  }

  handle(type, handler) {
    this.#handlers.set(type, handler);
    return () => {
      if (this.#handlers.get(type) === handler) this.#handlers.delete(type);
    };
  }

  // The answer to the request with this id goes to {resolve, reject}; `since`: when it was asked.
  await(id, waiting) { this.#awaited.set(id, waiting); }
  // When the oldest of them was asked; null: none waits. They are in the order of asking.
  get awaitedSince() {
    const [oldest] = this.#awaited.values();
    return oldest?.since ?? null;
  }
  forget(id) { this.#awaited.delete(id); }

  // No answer will come any more.
  end(error) {
    this.lastMessageId = null;
    for (const {reject} of [...this.#awaited.values()]) reject(error);
  }

  deliver(frame) {
    // A broadcast to two addresses of this client has one id; each address gets it.
    const known = typeof frame.id === 'string';
    if (known && !this.#recent.add(`${frame.id} ${frame.to}`)) return;
    const message = new Message(frame, this.#reply);
    const waiting = this.#awaited.get(message.metadata.inReplyTo);
    if (waiting) this.#answer(waiting, message);
    else this.#dispatch(message);
    if (known) this.lastMessageId = frame.id;
  }

  // What the hub itself says to a topic. It is not kept for who is away, so it is no place to resume from.
  announce(frame) { this.#dispatch(new Message(frame, this.#reply)); }

  #answer({resolve, reject}, {data, from, metadata}) {
    if (!metadata.failed) {
      resolve(data);
      return;
    }
    const message = data?.message ?? `${from} could not answer.`;
    reject(new DormouseError('request_failed', message, {details: data ?? {}}));
  }

  #dispatch(message) {
    const handler = this.#handlers.get(message.type);
    if (handler) this.#events.call(() => this.#handled(handler, message));
    if (message.topic !== undefined) {
      for (const subscriber of this.#topics.handlersOf(message.topic)) this.#events.call(subscriber, message);
    }
    const listeners = this.#events.emit('message', message);
    if (!handler && message.expectsReply && !message.broadcast && message.topic === undefined) {
      this.#unhandled(message, listeners);
    }
  }

  // Its sender need not wait for an answer that nobody will give. Those who listen to all messages may give one, also
  // when what they return resolves.
  async #unhandled(message, listeners) {
    await Promise.allSettled(listeners);
    if (message.answered) return;
    const answer = {code: 'no_handler', message: `${message.to} has no handler for ${message.type}.`};
    await message.reply(answer, {failed: true}).catch(() => {});  // the sender may be gone by now
  }

  // Sends back what the handler of a request returns.
  async #handled(handler, message) {
    if (!message.expectsReply) return handler(message);
    let answer;
    try {
      answer = await handler(message);
    } catch (error) {
      await message.reply({message: String(error?.message ?? error)}, {failed: true});
      throw error;
    }
    if (answer !== undefined) await message.reply(answer);
    return undefined;
  }
}
