// A client of hub class `signal`. index.d.ts says what each member does.
import {defaultClock} from './clock.js';
import {Emitter} from './emitter.js';
import {HUB_ADDRESS, bareAddress, envelope, inFormOf, isLargerThan, parseEnvelope} from './envelope.js';
import {DormouseError, errorOf} from './errors.js';
import {Inbox} from './inbox.js';
import {Link} from './link.js';
import {checkedActor, checkedUrl} from './names.js';
import {checkedCount, checkedTimeout} from './numbers.js';
import {Registrations} from './registrations.js';
import {Requests} from './requests.js';
import {Topics} from './topics.js';

const CONNECT_WITHIN = 30000;  // ms, for connect()
const ANSWER_WITHIN = 10000;   // ms, for a request
const LEAVE_WITHIN = 2000;     // ms that the hub gets to say goodbye
// Answers to hub:connect after which another attempt would end the same way.
const REFUSALS = new Set(['unauthorized', 'invalid_token', 'version_mismatch']);

// By what a message is the later one of another: the application's word, or (true) what it is and to whom it goes.
function latestKey(latest, ...what) {
  if (latest === undefined || latest === false) return undefined;
  return JSON.stringify(latest === true ? what : [String(latest)]);
}

// Of the hub's answer; none: a later message went in its place.
const payloadOf = (answer) => answer?.payload ?? {superseded: true};

export class DormouseClient {
  #url;
  #options;
  #clock;
  #link;
  #requests;
  #registrations;
  #events = new Emitter();
  #topics = new Topics();
  #inbox;
  #token = null;              // the last one in use
  #refreshed = null;          // replaces a token that was given as a string
  #session = null;            // the last hub:connected
  #connectId = null;          // of the hub:connect that waits for its answer
  #beatId = null;             // of the last heartbeat
  #connecting = null;         // {promise, resolve, reject} of connect()
  #final = null;              // why there must be no further attempt
  #attempts = 0;

  constructor(url, options) {
    checkedActor(options?.actor);
    const {
      protocol = '1.0', capabilities = ['send', 'receive'], hub = HUB_ADDRESS, queueLimit = 1000,
      requestTimeout = ANSWER_WITHIN, reconnect = true, recentIds = 500, clock = defaultClock(), backlogAfter,
    } = options;
    if (protocol !== '1.0' && protocol !== '0.1') throw new TypeError('The option protocol is "1.0" or "0.1".');
    this.#url = checkedUrl(url, 'ws');
    checkedCount(recentIds, 'recentIds');
    this.#options = {...options, protocol, capabilities, reconnect, requestTimeout, hub: inFormOf(options.actor, hub)};
    this.#clock = clock;
    this.#inbox = new Inbox({
      events: this.#events, topics: this.#topics, recentIds, reply: (...reply) => this.ask(...reply),
    });
    const failed = (error) => this.#events.emit('error', error);
    this.#requests = new Requests({
      clock, queueLimit, failed, timeout: requestTimeout, transmit: (frame) => this.#transmit(frame),
      backlog: (status) => this.#events.emit('backlog', status), backlogAfter,
    });
    this.#registrations = new Registrations({
      clock, failed, ask: (type, payload, settings) => this.#ask(type, payload, settings),
    });
    this.#link = new Link({
      WebSocket: options.WebSocket, transport: options.transport, fetch: options.fetch, clock, random: options.random, wakings: options.wakings,
      heartbeatInterval: options.heartbeatInterval,
      target: () => this.#target(),
      handlers: {
        opened: () => this.#introduce(),
        frame: (text) => this.#frame(text),
        heartbeat: () => this.#beat(),
        closed: (event) => this.#closed(event),
        state: (state) => this.#events.emit('state', state),
        mayReconnect: (event) => this.#mayReconnect(event),
        awaitedSince: () => this.#requests.awaitedSince ?? this.#inbox.awaitedSince,
      },
    });
  }

  // --- What it is like

  get actor() { return this.#options.actor; }
  get url() { return this.#url; }
  get state() { return this.#link.state; }
  get transport() { return this.#link.transport; }
  get sessionId() { return this.state === 'connected' ? this.#session.sessionId : null; }
  get paused() { return this.#requests.paused; }
  get queued() { return this.#requests.queued; }
  get backlog() { return this.#requests.backlog; }
  get registered() { return this.#registrations.addresses; }
  get topics() { return this.#topics.all; }
  get heartbeats() { return this.#link.heartbeats; }
  get openFor() { return this.#link.openFor; }

  on(name, handler) { return this.#events.on(name, handler); }
  once(name, handler) { return this.#events.once(name, handler); }
  off(name, handler) { this.#events.off(name, handler); }

  // --- Connection

  async connect({timeout = CONNECT_WITHIN} = {}) {
    checkedTimeout(timeout);
    if (this.#connecting) return this.#connecting.promise;
    if (this.state === 'connected') return undefined;
    const connecting = {};
    connecting.promise = new Promise((resolve, reject) => Object.assign(connecting, {resolve, reject}));
    this.#connecting = connecting;
    if (timeout !== Infinity) {
      connecting.timer = this.#clock.setTimeout(() => this.#end(
        new DormouseError('timeout', `No connection to ${this.#url} within ${timeout} ms.`)), timeout);
    }
    // A client on its way back needs no second attempt.
    if (this.state === 'disconnected') {
      this.#final = null;
      this.#attempts = 0;
      this.#link.open();
    }
    return connecting.promise;
  }

  reconnect(reason = 'reconnect() was called') {
    this.#wanted();
    if (this.state === 'connected' || this.state === 'connecting') this.#link.drop(1006, reason);
  }

  async disconnect() {
    const gone = new DormouseError('disconnected', 'This client was disconnected.');
    if (this.state === 'connected' && !this.#final) {
      this.#final = gone;
      this.#registrations.clear();
      const goodbye = this.#ask('hub:disconnect', {}, {urgent: true, timeout: LEAVE_WITHIN});
      // No answer, or a socket that broke: it is over all the same.
      await goodbye.catch(() => {});
    }
    this.#end(gone);
  }

  async ping() {
    const sent = this.#clock.now();
    await this.#ask('hub:heartbeat', {timestamp: Date.now()});
    return this.#clock.now() - sent;
  }

  async refreshToken(token = this.#token ?? this.#session?.resumeToken) {
    const session = this.#session;
    const {payload} = await this.#ask('hub:refresh_token', {token});
    // A hub that asks for no tokens refreshes that for resuming.
    if (token === session?.resumeToken) session.resumeToken = payload.token;
    else this.#token = this.#refreshed = payload.token;
    return payload;
  }

  // --- Registry

  register({address = this.actor, capabilities = this.#options.capabilities, metadata = {}, ttl} = {}) {
    return this.#registrations.add(bareAddress(address), {actorAddress: address, capabilities, metadata, ttl});
  }

  unregister(address = this.actor) {
    return this.#registrations.remove(bareAddress(address), {actorAddress: address});
  }

  async discover(query = {}) { return (await this.#ask('hub:discover', query, {idempotent: true})).payload; }

  async *discoverAll({offset = 0, ...query} = {}) {
    for (let more = true; more;) {
      const page = await this.discover({...query, offset});
      yield* page.actors;
      offset += page.actors.length;
      more = page.hasMore && page.actors.length > 0;
    }
  }

  async listActors(page = {}) { return (await this.#ask('hub:list_actors', page, {idempotent: true})).payload; }
  async queueStats() { return (await this.#ask('hub:queue_stats', {}, {idempotent: true})).payload; }

  // --- Messages

  send(to, type, data, {metadata, ttl, latest} = {}) {
    const settings = {pattern: 'tell', metadata, ttl};
    const frame = this.#checked(this.#envelope('hub:send', {to, type, data: data ?? null}, settings));
    return this.#requests.tell(frame, {latest: latestKey(latest, 'send', to, type)});
  }

  async ask(to, type, data, {metadata, ttl, timeout, idempotent, latest} = {}) {
    const key = latestKey(latest, 'ask', to, type);
    const settings = {metadata, ttl, timeout, idempotent, message: true, latest: key};
    return payloadOf(await this.#ask('hub:send', {to, type, data: data ?? null}, settings));
  }

  async request(to, type, data, {metadata, timeout = this.#options.requestTimeout} = {}) {
    checkedTimeout(timeout);
    const settings = {metadata: {...metadata, request: true}};
    const frame = this.#checked(this.#envelope('hub:send', {to, type, data: data ?? null}, settings));
    return new Promise((resolve, reject) => {
      const finish = (settle) => (value) => {
        this.#clock.clearTimeout(timer);
        this.#inbox.forget(frame.id);
        settle(value);
      };
      const waiting = {resolve: finish(resolve), reject: finish(reject), since: this.#clock.now()};
      this.#inbox.await(frame.id, waiting);
      const timer = this.#clock.setTimeout(() => waiting.reject(this.#requests.unsent(frame.id, timeout) ??
        new DormouseError('timeout', `${to} did not answer ${type} within ${timeout} ms.`)), timeout);
      // Its acknowledgement alone is not the answer; that the connection broke after it does not matter.
      this.#requests.ask(frame, {timeout, message: true}).catch(waiting.reject);
    });
  }

  async broadcast(type, data, {excludeSelf = true, capability, metadata, ttl, timeout, idempotent, latest} = {}) {
    const settings = {
      ttl, timeout, idempotent, message: true, latest: latestKey(latest, 'broadcast', capability ?? '', type),
      metadata: capability === undefined ? metadata : {...metadata, targetCapability: capability},
    };
    return payloadOf(await this.#ask('hub:broadcast', {type, data: data ?? null, excludeSelf}, settings));
  }

  async publish(topic, type, data, {metadata, ttl, timeout, idempotent, latest} = {}) {
    const key = latestKey(latest, 'publish', topic, type);
    const settings = {metadata, ttl, timeout, idempotent, message: true, latest: key};
    return payloadOf(await this.#ask('hub:publish', {topic, type, data: data ?? null}, settings));
  }

  async subscribe(topic, handler) {
    const {payload} = await this.#ask('hub:subscribe', {topic}, {idempotent: true});
    this.#topics.add(topic, handler);
    return {topic, id: payload.subscriptionId, unsubscribe: () => this.#unsubscribe(topic, handler)};
  }

  unsubscribe(subscription) {
    return typeof subscription === 'string' ? this.#unsubscribe(subscription) : subscription.unsubscribe();
  }

  async #unsubscribe(topic, handler) {
    if (this.#topics.remove(topic, handler)) await this.#ask('hub:unsubscribe', {topic}, {idempotent: true});
  }

  handle(type, handler) { return this.#inbox.handle(type, handler); }

  async drained() {
    this.#wanted();
    await this.#requests.drained();
  }

  // --- Frames out

  #envelope(type, payload, settings) {
    // What is asked while there is no connection waits for it; but somebody must have wanted one.
    this.#wanted();
    return envelope({type, payload, from: this.actor, to: this.#options.hub, ...settings});
  }

  // Throws unless there is a connection, or there will be one.
  #wanted() {
    if (this.state === 'disconnected') throw this.#whyDisconnected();
  }

  #whyDisconnected() {
    if (!this.#final || this.#final.code === 'disconnected') {
      return new DormouseError('disconnected', 'This client is not connected.', {resolution: 'Call connect() first.'});
    }
    const {code, message, resolution, details} = this.#final;
    return new DormouseError(code, `This client is not connected any more: ${message}`, {
      resolution: resolution || 'connect() tries again.', details,
    });
  }

  async #ask(type, payload, {metadata, ttl, ...settings} = {}) {
    return this.#requests.ask(this.#checked(this.#envelope(type, payload, {metadata, ttl})), settings);
  }

  // The hub would answer without saying to which frame.
  #checked(frame) {
    const limit = this.#session?.maxMessageSize;
    if (limit && isLargerThan(JSON.stringify(frame), limit)) {
      throw new DormouseError('message_too_large', `The frame is larger than the ${limit} bytes that this hub takes.`,
                              {resolution: 'Send less at once.', details: {maxSize: limit, limit}});
    }
    return frame;
  }

  #transmit(frame) {
    const text = JSON.stringify(frame);
    if (!this.#link.send(text)) return false;
    this.#events.emit('frame', {sent: true, text, envelope: frame});
    return true;
  }

  // Nothing waits for its answer, and it may not wait for anything.
  #beat() {
    const frame = this.#envelope('hub:heartbeat', {timestamp: Date.now()});
    this.#beatId = frame.id;
    this.#transmit(frame);
  }

  // --- The life of a connection

  async #target() {
    const {token, upgradeAuth} = this.#options;
    this.#token = typeof token === 'function' ? await token() : this.#refreshed ?? token ?? null;
    const protocols = upgradeAuth ? ['dormouse', ...(this.#token ? [`bearer.${this.#token}`] : [])] : [];
    return {url: this.#url, protocols};
  }

  #introduce() {
    const {protocol, capabilities} = this.#options;
    const resumeToken = this.#session?.resumeToken ?? undefined;
    // null: it has got none, and so wants all.
    const resume = {resumeToken, lastMessageId: resumeToken && (this.#inbox.lastMessageId ?? null)};
    const frame = protocol === '0.1'
      ? this.#envelope('hub:connect', {}, {metadata: {
          protocolVersion: '0.1.0', capabilities, ...resume,
          authToken: this.#token ? `bearer ${this.#token}` : undefined,
        }})
      : this.#envelope('hub:connect', {version: '1.0', jwt: this.#token ?? undefined, ...resume});
    this.#connectId = frame.id;
    this.#transmit(frame);
  }

  async #connected(session) {
    this.#connectId = null;
    this.#session = session;
    this.#attempts = 0;
    if (!session.resumed) this.#inbox.lastMessageId = null;
    this.#link.ready(session.heartbeatInterval);
    if (session.resumed) this.#registrations.resume();
    else await this.#restore();
    // Restoring takes its time; meanwhile the socket may have been replaced.
    if (this.#session !== session || this.state !== 'connected' || this.#final) return;
    const {sessionId, resumed = false} = session;
    this.#requests.open('open');
    this.#settle(({resolve}) => resolve());
    if (resumed) this.#events.emit('resumed', {sessionId, missed: session.missed ?? 0});
    this.#events.emit('connected', {sessionId, resumed, session});
  }

  // A fresh session knows nothing; the registrations come first, for the subscriptions are theirs.
  async #restore() {
    this.#requests.open('restoring');
    const subscribe = (topic) => this.#ask('hub:subscribe', {topic}, {urgent: true});
    const results = await Promise.allSettled([...this.#registrations.restore(), ...this.#topics.all.map(subscribe)]);
    for (const {reason} of results) {
      if (reason && reason.code !== 'connection_lost') this.#events.emit('error', reason);
    }
  }

  #mayReconnect({reason}) {
    // The gateway itself may refuse the token, before there is a socket.
    const [status] = /\b40[13]\b/.exec(reason) ?? [];
    if (!this.#final && status && this.state === 'connecting') {
      this.#final = new DormouseError('unauthorized', `The gateway answered ${status}.`);
    }
    const {reconnect} = this.#options;
    return !this.#final && (typeof reconnect === 'function' ? reconnect() : reconnect);
  }

  #closed({code, reason, opened, final, delay}) {
    const error = this.#final ?? new DormouseError('connection_lost', `No connection: ${code} ${reason}`.trim());
    const awaited = this.#connecting !== null;
    this.#connectId = this.#beatId = null;
    this.#registrations.suspend();
    this.#requests.shut();
    if (final) this.#settleAll(error);
    this.#events.emit('disconnected', {code, reason, opened, final});
    // A handler may have called disconnect().
    if (this.state === 'waiting') {
      this.#events.emit('reconnecting', {attempt: ++this.#attempts, delay, code, reason});
    } else if (final && !awaited && error.code !== 'disconnected') {
      this.#events.emit('error', error);  // otherwise connect() has said so
    }
  }

  // No further attempt, for this reason.
  #end(error) {
    this.#final ??= error;
    if (this.state === 'disconnected') this.#settleAll(this.#final);
    else this.#link.close();
  }

  #settleAll(error) {
    this.#session = null;
    this.#registrations.clear();
    this.#topics.clear();
    this.#requests.end(error);
    this.#inbox.end(error);
    this.#settle(({reject}) => reject(error));
  }

  #settle(how) {
    const connecting = this.#connecting;
    this.#connecting = null;
    if (!connecting) return;
    this.#clock.clearTimeout(connecting.timer);
    how(connecting);
  }

  // --- Frames in

  #frame(text) {
    const frame = parseEnvelope(text);
    this.#events.emit('frame', {sent: false, text, envelope: frame});
    if (!frame) {
      this.#events.emit('error', new DormouseError('bad_frame', 'The hub sent a frame that is no envelope.'));
    } else if (!frame.type.startsWith('hub:')) {
      this.#inbox.deliver(frame);
    } else if (this.#connectId && frame.correlationId === this.#connectId) {
      this.#admission(frame);
    } else if (!this.#requests.answer(frame)) {
      this.#notice(frame);
    }
  }

  // The answer to hub:connect.
  #admission(frame) {
    if (frame.type === 'hub:connected') {
      this.#connected(frame.payload);
      return;
    }
    const error = errorOf(frame) ?? new DormouseError('internal_error', `The hub answered ${frame.type}.`);
    if (REFUSALS.has(error.code)) this.#end(error);
    else this.#link.drop(1006, error.message);
  }

  // What the hub says without being asked.
  #notice(frame) {
    const {type, payload, correlationId} = frame;
    // Even a heartbeat that was one too many (rate_limited) was answered.
    if (type === 'hub:heartbeat_ack' || (this.#beatId && correlationId === this.#beatId)) {
      const latency = this.#link.heartbeats.acknowledged();
      if (latency !== null) this.#events.emit('heartbeat', {latency});
      return;
    }
    switch (type) {
      case 'hub:pause':
        this.#flow(true, payload);
        break;
      case 'hub:resume':
        this.#flow(false, payload);
        break;
      case 'hub:presence':
        this.#inbox.announce(frame);
        break;
      case 'hub:disconnect':
        // Another session took the actor over. Coming back would take it from there, and so on for ever.
        if (payload?.reason === 'duplicate_connection') {
          this.#final = new DormouseError('duplicate_connection',
                                          payload.message ?? 'Another session registered the actor.', {
            resolution: 'One client at a time has an actor; connect() and register() take it back from the other one.',
          });
        }
        break;
      default: {
        const error = errorOf(frame);
        if (error) this.#events.emit('error', error);
      }
    }
  }

  #flow(paused, payload) {
    if (paused === this.paused) return;
    this.#requests.pause(paused);
    const {reason = '', targets = []} = payload ?? {};
    this.#events.emit(paused ? 'paused' : 'unpaused', paused ? {reason, targets} : {});
  }
}
