// What another actor sent, as handlers get it.
//
// A request between actors is an ordinary send whose metadata has `request: true`. Its answer is an ordinary send
// back, whose metadata has `inReplyTo`: the id of the request's hub:send, which the hub gives to the recipient as
// `originalMessageId`. An answer with `failed: true` says why in its data: {message}.
export class Message {
  answered = false;  // whether reply() was called
  #reply;

  constructor(envelope, reply) {
    this.envelope = envelope;  // all of it
    this.#reply = reply;
  }

  get id() { return this.envelope.id; }
  get type() { return this.envelope.type; }
  get from() { return this.envelope.from; }
  get to() { return this.envelope.to; }
  get data() { return this.envelope.payload; }
  get metadata() { return this.envelope.metadata ?? {}; }
  get timestamp() { return this.envelope.timestamp; }
  get topic() { return this.metadata.publication ? this.metadata.topic : undefined; }
  get broadcast() { return this.metadata.broadcast === true; }
  // Whether its sender awaits reply().
  get expectsReply() { return this.metadata.request === true; }

  // Resolves when it is delivered; rejects when the sender is gone.
  reply(data, {failed = false} = {}) {
    this.answered = true;
    const metadata = {inReplyTo: this.metadata.originalMessageId, ...(failed ? {failed} : {})};
    return this.#reply(this.from, `${this.type}:reply`, data, {metadata});
  }
}
