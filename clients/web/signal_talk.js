// The page's conversation with a hub of class `signal`.
import {DormouseClient} from './dormouse/index.js';
import {asData, asText, milliseconds} from './words.js';

export class SignalTalk {
  static defaultName = 'default';
  static path = 'ws/';
  static identityLabel = 'Session id';
  #page;
  #pings = new Map();   // frame id -> when
  #pinging = false;
  #heartbeat = '';      // the last acknowledgement, raw
  #told = '';           // the last error in the log
  #session = '–';

  // `page`: sent(text, raw), waits(text), unsent(text) and received(kind, text, raw) show rows, beat() moves the heart.
  constructor(url, page, {actor, ...settings}) {
    this.#page = page;
    this.client = new DormouseClient(url, {actor, capabilities: ['chat'], ...settings});
    this.client.on('frame', (event) => this.#frame(event));
    this.client.on('heartbeat', ({latency}) => {
      page.beat();
      page.received('heartbeat', `acknowledged after ${milliseconds(latency)}`, this.#heartbeat);
    });
    this.client.on('connected', ({resumed}) => {
      this.#session = resumed ? 'resumed' : 'new';
      if (!this.client.registered.length) this.#await(this.client.register());
    });
    this.client.on('error', (error) => this.#failed(error));
  }

  get identity() { return this.client.sessionId; }
  get session() { return this.client.state === 'connected' ? this.#session : '–'; }
  get flow() { return this.client.state !== 'connected' ? '–' : this.client.paused ? 'paused' : 'open'; }
  get queued() { return this.client.queued; }

  connect() { this.#await(this.client.connect({timeout: Infinity})); }
  leave() { this.client.disconnect(); }

  // This class has no ping of its own; a heartbeat does the same.
  ping() {
    this.#pinging = true;
    this.#await(this.client.ping());
    this.#pinging = false;
  }

  // What is said while there is no connection, or a pause, waits in the client; it is a row all the same.
  compose(said) {
    const queued = this.client.queued;
    const text = this.#describe(this.#frameOf(said));
    this.#say(said).catch((error) => {
      if (error.details?.sent === false) this.#page.unsent(text);
      else this.#failed(error);
    });
    if (this.client.queued > queued) this.#page.waits(text);
  }

  // As the client will make it.
  #frameOf({action, target, topic, type, pattern, message}) {
    const payload = {to: target, topic, type, data: asData(message), pattern: pattern || '*'};
    return {type: action === 'list' ? 'hub:list_actors' : `hub:${action}`, payload};
  }

  #say({action, target, topic, type, pattern, message}) {
    const {client} = this;
    const data = asData(message);
    switch (action) {
      case 'send': return client.ask(target, type, data);
      case 'broadcast': return client.broadcast(type, data);
      case 'publish': return client.publish(topic, type, data);
      case 'subscribe': return client.subscribe(topic);
      case 'unsubscribe': return client.unsubscribe(topic);
      case 'discover': return client.discover({pattern: pattern || '*'});
      case 'list': return client.listActors();
    }
  }

  // The answer is a row by itself; so is what the hub refuses, but not what the client does.
  #await(promise) { promise.catch((error) => this.#failed(error)); }

  #failed({code, message, resolution}) {
    if (code !== 'disconnected' && message !== this.#told) {
      this.#page.received('error', `${code}: ${message} ${resolution ?? ''}`.trim());
    }
    this.#told = '';
  }

  #frame({sent, text: raw, envelope}) {
    if (sent) {
      const text = this.#describe(envelope);
      if (text) this.#page.sent(text, raw);
    } else if (envelope?.type === 'hub:heartbeat_ack' && !this.#pings.has(envelope.correlationId)) {
      this.#heartbeat = raw;
    } else if (envelope) {
      this.#page.received(...this.#read(envelope), raw);
    } else {
      this.#page.received('reply', raw);
    }
  }

  // A frame of ours, as a row; nothing for what goes by itself.
  #describe({id, type, from, payload}) {
    const said = `${payload.type}`;
    const what = asText(payload.data);
    switch (type) {
      case 'hub:connect':
        return payload.resumeToken ? `connect as ${from}, resume the session` : `connect as ${from}`;
      case 'hub:heartbeat':
        if (!this.#pinging) return '';
        this.#pings.set(id, performance.now());
        return 'ping (hub:heartbeat)';
      case 'hub:renew': return '';
      case 'hub:register': return `register ${payload.actorAddress}`;
      case 'hub:send': return `${said} to ${payload.to}: ${what}`;
      case 'hub:broadcast': return `${said} to all: ${what}`;
      case 'hub:publish': return `${said} on ${payload.topic}: ${what}`;
      case 'hub:subscribe': return `subscribe to ${payload.topic}`;
      case 'hub:unsubscribe': return `unsubscribe from ${payload.topic}`;
      case 'hub:discover': return `discover ${payload.pattern}`;
      case 'hub:list_actors': return 'list actors';
      case 'hub:disconnect': return 'disconnect';
      default: return type;
    }
  }

  // [kind, text] of a row.
  #read({type, from, payload: data, metadata, correlationId}) {
    const payload = data ?? {};
    switch (type) {
      case 'hub:connected':
        return ['welcome', payload.resumed ? `session ${payload.sessionId}, resumed` : `session ${payload.sessionId}`];
      case 'hub:registered': return ['reply', `registered ${payload.actorAddress}, version ${payload.version}`];
      case 'hub:renewed': return ['reply', `registration of ${payload.actorAddress} renewed`];
      case 'hub:heartbeat_ack': {
        const pinged = this.#pings.get(correlationId);
        this.#pings.delete(correlationId);
        return ['pong', `after ${milliseconds(performance.now() - pinged)}`];
      }
      case 'hub:subscribed': return ['reply', `subscribed to ${payload.topic}`];
      case 'hub:unsubscribed': return ['reply', `unsubscribed from ${payload.topic}`];
      case 'hub:delivery_ack': return ['reply', receipt(payload)];
      case 'hub:discovery_result': return ['reply', `${payload.totalMatches} found: ${names(payload)}`];
      case 'hub:actor_list': return ['reply', `${payload.total} registered: ${names(payload)}`];
      case 'hub:pause': return ['flow', `pause: ${payload.reason ?? 'a receiver is slow'}; messages wait here`];
      case 'hub:resume': return ['flow', 'resume'];
      case 'hub:disconnect':
        this.#told = payload.message;
        return ['error', `${payload.reason}: ${payload.message ?? ''}`];
      case 'hub:disconnect_ack': return ['reply', 'session ended'];
      case 'hub:unknown_actor':
        this.#told = payload.message;
        return ['error', `unknown actor ${payload.actorAddress}`];
      case 'hub:error':
        this.#told = payload.message;
        return ['error', `${payload.code}: ${payload.message} ${payload.resolution ?? ''}`];
      default: {
        const on = metadata?.topic ? ` on ${metadata.topic}` : '';
        return [type.startsWith('hub:') ? 'reply' : 'message', `${type} from ${from}${on}: ${asText(data)}`];
      }
    }
  }
}

function names({actors}) { return (actors ?? []).map(({address}) => address).join(', '); }

function receipt({topic, subscriberCount, deliveredCount, status}) {
  if (topic !== undefined) return `published on ${topic} to ${subscriberCount}`;
  if (deliveredCount !== undefined) return `broadcast to ${deliveredCount}`;
  return status ?? 'delivered';
}
