// The web client: one page, one connection at a time, to a hub of class echo or signal.
'use strict';

const LOG_LIMIT = 500;             // rows
const STABLE_AFTER = 5000;         // ms that a connection must last for the back-off to start over
const DEFAULT_INTERVAL = 20000;    // ms between heartbeats, where neither hub nor user says
const ACK_WITHIN = 5000;           // ms after which a heartbeat counts as missed
const MISSED_LIMIT = 2;            // missed in a row: the connection is dead, whatever the browser thinks
const LEAVE_WITHIN = 2000;         // ms that a hub gets to say goodbye
const HUB_ADDRESS = 'cloudflare/signal-hub';

const CLOSE_CODES = {
  1000: 'normal closure', 1001: 'going away', 1005: 'no code given', 1006: 'connection lost',
  1008: 'not allowed', 1009: 'message too big', 1011: 'server error', 1012: 'restart',
  1013: 'try again later',
};

const $ = (id) => document.getElementById(id);

// --- Timing

// Delays between attempts: 100 ms, 200 ms, 400 ms ... 30 s, each moved by up to a quarter either way.
class Backoff {
  #next = 100;
  nextDelay() {
    const delay = this.#next * (0.75 + 0.5 * Math.random());
    this.#next = Math.min(this.#next * 2, 30000);
    return delay;
  }
  reset() { this.#next = 100; }
}

// Calls `tick` five times a second, also in a hidden tab: browsers slow a hidden page's timers down to one a
// minute, too slow for heartbeats, but not those of a worker. Where none is allowed, the page's timer must do.
function startClock(tick) {
  const slow = () => setInterval(tick, 200);
  try {
    const code = new Blob(['setInterval(() => postMessage(0), 200)'], {type: 'text/javascript'});
    const worker = new Worker(URL.createObjectURL(code));
    worker.onmessage = tick;
    worker.onerror = slow;
  } catch {
    slow();
  }
}

// Sends a heartbeat each interval and keeps the books on the acknowledgements.
class Heartbeats {
  state = 'idle';  // idle, waiting (none acknowledged yet), alive, missed
  acks = 0;
  missed = 0;
  latency = null;  // ms, of the last one
  lastAck = null;  // performance.now()
  #latencies = 0;  // sum
  #interval = 0;
  #next = 0;
  #pending = [];   // times of those sent and not yet acknowledged
  #counted = 0;    // how many of the pending ones count as missed already

  constructor(send, lost) {
    this.send = send;
    this.lost = lost;
  }

  get average() { return this.acks ? this.#latencies / this.acks : null; }

  start(interval) {
    this.#interval = interval;
    this.#next = 0;
    this.state = 'waiting';
    this.tick();
  }

  stop() {
    this.state = 'idle';
    this.#pending = [];
    this.#counted = 0;
  }

  // Forgets the figures of an earlier connection.
  clear() {
    this.stop();
    this.acks = this.missed = this.#latencies = 0;
    this.latency = this.lastAck = null;
  }

  tick() {
    if (this.state === 'idle') return;
    const now = performance.now();
    while (this.#counted < this.#pending.length && now - this.#pending[this.#counted] > this.#ackWithin()) {
      this.#counted++;
      this.missed++;
      this.state = 'missed';
    }
    if (now < this.#next) return;
    if (this.#counted >= MISSED_LIMIT) {
      this.lost();
      return;
    }
    this.#next = now + this.#interval;
    this.#pending.push(now);
    this.send();
  }

  #ackWithin() { return Math.min(ACK_WITHIN, this.#interval * 0.9); }

  acknowledged() {
    const sent = this.#pending.shift();
    if (sent === undefined) return;  // nobody asked
    this.#counted = Math.max(0, this.#counted - 1);
    this.lastAck = performance.now();
    this.latency = this.lastAck - sent;
    this.#latencies += this.latency;
    this.acks++;
    if (!this.#counted) this.state = 'alive';
  }
}

// --- The socket

// One socket at a time, opened again when it is lost. States: disconnected, connecting, connected, waiting (for
// the next attempt). Calls handlers.state(state, delay), opened(), frame(text), closed(code, reason, opened).
class Link {
  state = 'disconnected';
  openedAt = null;
  #socket = null;
  #timer = null;
  #backoff = new Backoff();
  #url = null;

  constructor(handlers, mayReconnect) {
    this.handlers = handlers;
    this.mayReconnect = mayReconnect;
  }

  connect(url) {
    this.#url = url;
    this.#backoff.reset();
    this.#open();
  }

  // For good: no further attempt.
  close() {
    clearTimeout(this.#timer);
    if (this.#socket) this.drop(1000, 'by this page', false);
    else this.#enter('disconnected');
  }

  send(frame) {
    if (this.#socket?.readyState !== WebSocket.OPEN) return false;
    this.#socket.send(JSON.stringify(frame));
    return true;
  }

  // Gives the socket up without waiting for its peer, which may be gone.
  drop(code, reason, again = true) {
    const socket = this.#socket;
    const opened = this.openedAt !== null;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
    this.#lost(code, reason, opened, again);
  }

  #open() {
    this.#enter('connecting');
    const socket = this.#socket = new WebSocket(this.#url);
    socket.binaryType = 'arraybuffer';
    socket.onopen = () => {
      this.openedAt = performance.now();
      this.#enter('connected');
      this.handlers.opened();
    };
    socket.onmessage = ({data}) =>
      this.handlers.frame(typeof data === 'string' ? data : new TextDecoder().decode(data));
    socket.onclose = ({code, reason}) => this.#lost(code, reason, this.openedAt !== null, true);
  }

  #lost(code, reason, opened, again) {
    if (opened && performance.now() - this.openedAt >= STABLE_AFTER) this.#backoff.reset();
    this.#socket = null;
    this.openedAt = null;
    this.handlers.closed(code, reason, opened);
    if (!again || !this.mayReconnect()) {
      this.#enter('disconnected');
      return;
    }
    const delay = this.#backoff.nextDelay();
    this.#enter('waiting', delay);
    this.#timer = setTimeout(() => this.#open(), delay);
  }

  #enter(state, delay) {
    this.state = state;
    this.handlers.state(state, delay);
  }
}

// --- What the two hub classes say. read() turns a frame into {kind, text}, the row for the log.

class EchoHub {
  static defaultName = 'test-room';
  static path = 'websocket/';
  identityLabel = 'Connection id';
  mayReconnect = true;
  #pings = [];

  constructor(session) { this.session = session; }

  opened() { this.#pings = []; }
  heartbeat() { this.session.send({type: 'heartbeat', timestamp: new Date().toISOString()}); }
  ping() {
    this.#pings.push(performance.now());
    this.session.say({type: 'ping', timestamp: new Date().toISOString()}, 'ping');
  }
  compose({message}) { this.session.say({type: 'message', message}, message); }
  leave() { return false; }

  read(frame) {
    switch (frame.type) {
      case 'welcome':
        this.session.ready(frame.connectionId, frame.heartbeatInterval);
        return {kind: 'welcome', text: String(frame.message)};
      case 'heartbeat_ack':
        return {kind: 'heartbeat', text: this.session.acknowledged()};
      case 'pong':
        return {kind: 'pong', text: `after ${milliseconds(performance.now() - this.#pings.shift())}`};
      case 'echo': {
        const sockets = frame.connections === 1 ? '1 connection' : `${frame.connections} connections`;
        return {kind: 'echo', text: `${asText(frame.message)}  (${sockets})`};
      }
      case 'error':
      case 'hub:error':
        return {kind: 'error', text: asText(frame.message ?? frame.payload?.message)};
      default:
        return {kind: 'reply', text: JSON.stringify(frame)};
    }
  }
}

class SignalHub {
  static defaultName = 'default';
  static path = 'ws/';
  identityLabel = 'Session id';
  mayReconnect = true;
  #actor;
  #pings = new Map();     // frame id -> when
  #topics = new Set();    // to subscribe to again after a reconnect
  #renewAt = Infinity;    // performance.now()
  #renewalToken = null;

  constructor(session, {actor}) {
    this.session = session;
    this.#actor = actor;
  }

  opened() {
    this.#pings.clear();
    this.#renewAt = Infinity;
    this.#say('hub:connect', {version: '1.0'}, `connect as ${this.#actor}`);
  }

  heartbeat() { this.session.send(this.#frame('hub:heartbeat', {timestamp: Date.now()})); }

  // This class has no ping of its own; a heartbeat does the same.
  ping() {
    const frame = this.#frame('hub:heartbeat', {timestamp: Date.now()});
    this.#pings.set(frame.id, performance.now());
    this.session.say(frame, 'ping (hub:heartbeat)');
  }

  compose({action, target, topic, type, message}) {
    const data = asData(message);
    switch (action) {
      case 'send': return this.#say('hub:send', {to: target, type, data}, `${type} to ${target}: ${message}`);
      case 'broadcast':
        return this.#say('hub:broadcast', {type, data, excludeSelf: true}, `${type} to all: ${message}`);
      case 'publish': return this.#say('hub:publish', {topic, type, data}, `${type} on ${topic}: ${message}`);
      case 'subscribe': return this.#subscribe(topic);
      case 'unsubscribe':
        this.#topics.delete(topic);
        return this.#say('hub:unsubscribe', {topic}, `unsubscribe from ${topic}`);
      case 'list': return this.#say('hub:list_actors', {limit: 100}, 'list actors');
    }
  }

  leave() {
    this.mayReconnect = false;
    this.#say('hub:disconnect', {}, 'disconnect');
    return true;
  }

  // A registration ends with its time to live; it is renewed half-way.
  tick() {
    if (performance.now() < this.#renewAt) return;
    this.#renewAt = Infinity;
    this.session.send(
      this.#frame('hub:renew', {actorAddress: this.#actor, renewalToken: this.#renewalToken}));
  }

  read(frame) {
    const payload = frame.payload ?? {};
    switch (frame.type) {
      case 'hub:connected':
        this.session.ready(payload.sessionId, payload.heartbeatInterval);
        this.#say('hub:register', {actorAddress: this.#actor, capabilities: ['chat']},
                  `register ${this.#actor}`);
        return {kind: 'welcome', text: `session ${payload.sessionId}`};
      case 'hub:registered':
        this.#keepRegistered(frame);
        for (const topic of this.#topics) this.#subscribe(topic);
        return {kind: 'reply', text: `registered ${payload.actorAddress}, version ${payload.version}`};
      case 'hub:renewed':
        this.#keepRegistered(frame);
        return {kind: 'reply', text: `registration of ${payload.actorAddress} renewed`};
      case 'hub:heartbeat_ack': {
        const pinged = this.#pings.get(frame.correlationId);
        if (pinged === undefined) return {kind: 'heartbeat', text: this.session.acknowledged()};
        this.#pings.delete(frame.correlationId);
        return {kind: 'pong', text: `after ${milliseconds(performance.now() - pinged)}`};
      }
      case 'hub:subscribed': return {kind: 'reply', text: `subscribed to ${payload.topic}`};
      case 'hub:unsubscribed': return {kind: 'reply', text: `unsubscribed from ${payload.topic}`};
      case 'hub:delivery_ack': return {kind: 'reply', text: receipt(payload)};
      case 'hub:actor_list': {
        const names = (payload.actors ?? []).map((actor) => actor.actorAddress ?? actor.address);
        return {kind: 'reply', text: `${payload.total} registered: ${names.join(', ')}`};
      }
      case 'hub:disconnect':
        // Another session took the actor over. Coming back would take it from there, and so on for ever.
        this.mayReconnect = false;
        return {kind: 'error', text: `${payload.reason}: ${payload.message ?? ''}`};
      case 'hub:disconnect_ack': return {kind: 'reply', text: 'session ended'};
      case 'hub:unknown_actor': return {kind: 'error', text: `unknown actor ${payload.actorAddress}`};
      case 'hub:error':
        return {kind: 'error', text: `${payload.code}: ${payload.message} ${payload.resolution ?? ''}`};
      default: {
        const on = frame.metadata?.topic ? ` on ${frame.metadata.topic}` : '';
        return {kind: String(frame.type).startsWith('hub:') ? 'reply' : 'message',
                text: `${frame.type} from ${frame.from}${on}: ${asText(frame.payload)}`};
      }
    }
  }

  #subscribe(topic) {
    this.#topics.add(topic);
    this.#say('hub:subscribe', {topic}, `subscribe to ${topic}`);
  }

  #keepRegistered({payload, timestamp}) {
    this.#renewalToken = payload.renewalToken;
    // Both are the hub's time, so that this page's clock may be wrong.
    this.#renewAt = performance.now() + (payload.expiresAt - timestamp) / 2;
  }

  #say(type, payload, text) { this.session.say(this.#frame(type, payload), text); }

  #frame(type, payload) {
    return {id: uniqueId(), type, from: this.#actor, to: HUB_ADDRESS, payload, pattern: 'ask',
            correlationId: null, timestamp: Date.now(), metadata: {}, ttl: null, signature: null};
  }
}

const HUBS = {echo: EchoHub, signal: SignalHub};

// --- Words

// crypto.randomUUID exists on secure origins only; this page may well come over plain HTTP in a home network.
function uniqueId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function asText(value) { return typeof value === 'string' ? value : JSON.stringify(value); }

// What was typed, as JSON where it is JSON.
function asData(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

function receipt({topic, subscriberCount, deliveredCount, status}) {
  if (topic !== undefined) return `published on ${topic} to ${subscriberCount}`;
  if (deliveredCount !== undefined) return `broadcast to ${deliveredCount}`;
  return status ?? 'delivered';
}

function milliseconds(value) {
  if (!Number.isFinite(value)) return '–';
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}

// --- The log

class Log {
  #list = $('log');
  #latest = true;  // the reader is at the end, and stays there

  constructor() {
    this.#list.addEventListener('scroll', () => {
      this.#latest = this.#list.scrollHeight - this.#list.scrollTop - this.#list.clientHeight < 40;
      if (this.#latest) $('jump').hidden = true;
    });
    $('jump').addEventListener('click', () => this.#toEnd());
    $('clear').addEventListener('click', () => {
      this.#list.replaceChildren();
      this.#latest = true;
      $('jump').hidden = true;
      $('log-empty').hidden = false;
    });
    $('show-raw').addEventListener('change', (event) => this.#show('show-raw', event.target.checked));
    $('show-heartbeats').addEventListener(
      'change', (event) => this.#show('hide-heartbeats', !event.target.checked));
  }

  // Everything goes in as text; nothing that a peer sends is ever markup.
  add(kind, text, raw) {
    const row = document.createElement('li');
    row.className = 'row';
    row.dataset.kind = kind;
    const now = new Date();
    const clock = `${now.toTimeString().slice(0, 8)}.${String(now.getMilliseconds()).padStart(3, '0')}`;
    const time = this.#part('time', '', clock);
    time.dateTime = now.toISOString();
    row.append(time, this.#part('span', 'kind', kind), this.#part('span', 'text', text));
    if (raw !== undefined) row.append(this.#part('code', 'raw mono', raw));
    this.#list.append(row);
    while (this.#list.childElementCount > LOG_LIMIT) this.#list.firstElementChild.remove();
    $('log-empty').hidden = true;
    if (this.#latest) this.#toEnd();
    else $('jump').hidden = false;
    if (['echo', 'message', 'error'].includes(kind)) $('announcer').textContent = `${kind}: ${text}`;
  }

  #part(tag, name, text) {
    const part = document.createElement(tag);
    part.className = name;
    part.textContent = text;
    return part;
  }

  #show(name, on) {
    this.#list.classList.toggle(name, on);
    if (this.#latest) this.#toEnd();
  }

  #toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    $('jump').hidden = true;
  }
}

// --- The page

class Page {
  #log = new Log();
  #hub = null;
  #sent = 0;
  #received = 0;
  #retryAt = 0;
  #link = new Link(
    {
      state: (state, delay) => this.#showState(state, delay),
      opened: () => this.#hub.opened(),
      frame: (text) => this.#frame(text),
      closed: (code, reason, opened) => this.#closed(code, reason, opened),
    },
    () => $('auto-reconnect').checked && this.#hub.mayReconnect);
  #heartbeats = new Heartbeats(
    () => this.#hub.heartbeat(),
    () => this.#link.drop(1006, `no answer to ${MISSED_LIMIT} heartbeats`));

  constructor() {
    $('actor').value = `browser/page-${uniqueId().slice(0, 6)}`;
    this.#chooseClass();
    for (const radio of document.getElementsByName('class')) {
      radio.addEventListener('change', () => this.#chooseClass());
    }
    $('hub-name').addEventListener('input', () => this.#showAddress());
    $('action').addEventListener('change', () => this.#showFields());
    $('connect-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#link.state === 'disconnected') this.#connect();
      else this.#disconnect();
    });
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#compose();
    });
    $('ping').addEventListener('click', () => this.#hub.ping());
    $('auto-reconnect').addEventListener('change', (event) => {
      if (!event.target.checked && this.#link.state === 'waiting') this.#link.close();
    });
    startClock(() => this.#tick());
  }

  // What a hub calls.

  send(frame) { return this.#link.send(frame); }

  // Sends, and shows it in the log.
  say(frame, text) {
    if (!this.send(frame)) return;
    this.#sent++;
    this.#log.add('sent', text, JSON.stringify(frame));
  }

  // The hub has let us in.
  ready(identity, interval) {
    $('identity').textContent = identity;
    $('status').dataset.state = 'connected';
    $('status-text').textContent = 'Connected';
    const wanted = Number($('heartbeat-interval').value) * 1000;
    this.#heartbeats.start(wanted || interval || DEFAULT_INTERVAL);
    $('send').disabled = $('ping').disabled = false;
  }

  // Returns what the log says of it.
  acknowledged() {
    this.#heartbeats.acknowledged();
    if (!matchMedia('(prefers-reduced-motion: reduce)').matches) {
      const beat = {transform: ['scale(1)', 'scale(1.28)', 'scale(1)']};
      $('heart').animate(beat, {duration: 450, easing: 'ease-out'});
    }
    return `acknowledged after ${milliseconds(this.#heartbeats.latency)}`;
  }

  // The rest is the page's own.

  #class() { return document.querySelector('input[name="class"]:checked').value; }

  #url() {
    const base = location.protocol === 'file:' ? 'http://127.0.0.1:8080/' : document.baseURI;
    const url = new URL(HUBS[this.#class()].path + encodeURIComponent($('hub-name').value), base);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  #connect() {
    const name = this.#class();
    this.#hub = new HUBS[name](this, {actor: $('actor').value});
    $('identity-label').textContent = this.#hub.identityLabel;
    this.#heartbeats.clear();
    this.#sent = this.#received = 0;
    this.#link.connect(this.#url());
  }

  #disconnect() {
    if (this.#link.state !== 'connected' || !this.#hub.leave()) {
      this.#link.close();
      return;
    }
    const hub = this.#hub;
    setTimeout(() => {
      if (this.#hub === hub && this.#link.state === 'connected') this.#link.close();
    }, LEAVE_WITHIN);
  }

  #frame(raw) {
    let frame;
    try {
      frame = JSON.parse(raw);
    } catch {
      frame = null;
    }
    if (frame === null || typeof frame !== 'object') {
      this.#log.add('reply', raw);
      return;
    }
    const {kind, text} = this.#hub.read(frame);
    if (kind !== 'heartbeat') this.#received++;
    this.#log.add(kind, text, raw);
    this.#showFigures();
  }

  #closed(code, reason, opened) {
    this.#heartbeats.stop();
    $('send').disabled = $('ping').disabled = true;
    $('identity').textContent = '–';
    if (opened) this.#log.add('closed', `${code} ${reason || CLOSE_CODES[code] || ''}`.trim());
    else if (code !== 1000) this.#log.add('error', `No connection to ${this.#url()}`);
  }

  #compose() {
    this.#hub.compose({
      action: $('action').value,
      target: $('target-actor').value,
      topic: $('topic').value,
      type: $('message-type').value,
      message: $('message').value,
    });
    $('message').value = '';
    this.#showFigures();
  }

  #tick() {
    this.#heartbeats.tick();
    if (this.#link.state === 'connected') this.#hub.tick?.();
    if (this.#link.state === 'waiting') this.#showRetry();
    this.#showFigures();
  }

  #chooseClass() {
    $('hub-name').value = HUBS[this.#class()].defaultName;
    this.#showFields();
    this.#showAddress();
  }

  // Only the fields that the class and the action need; hidden ones must not hold up the form.
  #showFields() {
    const name = this.#class();
    const action = $('action').value;
    for (const field of document.querySelectorAll('[data-class]')) {
      const {class: classes, actions} = field.dataset;
      const ofAction = name === 'echo' || !actions || actions.split(' ').includes(action);
      const wanted = classes.split(' ').includes(name) && ofAction;
      field.hidden = !wanted;
      for (const input of field.querySelectorAll('input')) input.disabled = !wanted;
    }
    $('message-label').textContent = name === 'echo' ? 'Message' : 'Data, as text or JSON';
  }

  // May break before the hub's name, rather than within it.
  #showAddress() {
    const [, head, name] = /(.*\/)(.*)/.exec(this.#url());
    $('address').replaceChildren(head, document.createElement('wbr'), name);
  }

  #showState(state, delay) {
    // An open socket is not yet a welcome: ready() says when the hub has let us in.
    $('status').dataset.state = state === 'connected' ? 'connecting' : state;
    if (state === 'disconnected') $('status-text').textContent = 'Disconnected';
    if (state === 'connecting' || state === 'connected') $('status-text').textContent = 'Connecting …';
    if (state === 'waiting') {
      this.#retryAt = performance.now() + delay;
      this.#showRetry();
    }
    const idle = state === 'disconnected';
    $('connect').textContent = idle ? 'Connect' : state === 'connected' ? 'Disconnect' : 'Cancel';
    $('connect').classList.toggle('leave', !idle);
    $('hub-fields').disabled = !idle;
    this.#showFigures();
  }

  // Whole seconds: a status that changes more often would keep a screen reader talking.
  #showRetry() {
    const seconds = Math.max(1, Math.ceil((this.#retryAt - performance.now()) / 1000));
    const text = seconds > 1 ? `Reconnecting in ${seconds} s` : 'Reconnecting …';
    if ($('status-text').textContent !== text) $('status-text').textContent = text;
  }

  #showFigures() {
    const beats = this.#heartbeats;
    const set = (id, text) => {
      if ($(id).textContent !== text) $(id).textContent = text;
    };
    const now = performance.now();
    $('heartbeat').dataset.state = beats.state;
    $('heartbeat').dataset.acks = beats.acks;
    set('heartbeat-text', {
      idle: 'No connection', waiting: 'Waiting for an answer', alive: 'Alive', missed: 'No answer',
    }[beats.state]);
    const age = now - beats.lastAck;
    const ago = age < 1000 ? 'just now' : `${duration(age)} ago`;
    set('heartbeat-age', beats.lastAck === null ? '' : `, last ack ${ago}`);
    set('heartbeat-latency', milliseconds(beats.latency));
    set('heartbeat-average', milliseconds(beats.average));
    set('heartbeat-acks', String(beats.acks));
    set('heartbeat-missed', String(beats.missed));
    set('count-sent', String(this.#sent));
    set('count-received', String(this.#received));
    set('uptime', this.#link.openedAt === null ? '–' : duration(now - this.#link.openedAt));
  }
}

new Page();
