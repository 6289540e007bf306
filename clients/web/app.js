// The web client: one page, one connection at a time, to a hub of class echo or signal.
import {EchoTalk} from './echo_talk.js';
import {Log} from './log.js';
import {SignalTalk} from './signal_talk.js';
import {closing, duration, milliseconds} from './words.js';

const TALKS = {echo: EchoTalk, signal: SignalTalk};

const $ = (id) => document.getElementById(id);

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

class Page {
  #log = new Log();
  #talk = null;
  #sent = 0;
  #received = 0;
  #retryAt = 0;

  constructor() {
    $('actor').value = `browser/page-${Math.random().toString(16).slice(2, 8)}`;
    this.#chooseClass();
    for (const radio of document.getElementsByName('class')) {
      radio.addEventListener('change', () => this.#chooseClass());
    }
    $('hub-name').addEventListener('input', () => this.#showAddress());
    $('action').addEventListener('change', () => this.#showFields());
    $('connect-form').addEventListener('submit', (event) => {
      event.preventDefault();
      if (this.#state() === 'disconnected') this.#connect();
      else this.#talk.leave();
    });
    $('composer').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#compose();
    });
    $('ping').addEventListener('click', () => this.#talk.ping());
    $('break').addEventListener('click', () => this.#talk.client.reconnect());
    $('auto-reconnect').addEventListener('change', (event) => {
      if (!event.target.checked && this.#state() === 'waiting') this.#talk.leave();
    });
    setInterval(() => this.#tick(), 200);
  }

  // What a talk calls.

  sent(text, raw) {
    this.#sent++;
    this.#log.add('sent', text, raw);
  }

  received(kind, text, raw) {
    if (kind !== 'heartbeat') this.#received++;
    this.#log.add(kind, text, raw);
    this.#showFigures();
  }

  beat() {
    if (matchMedia('(prefers-reduced-motion: reduce)').matches) return;
    const beat = {transform: ['scale(1)', 'scale(1.28)', 'scale(1)']};
    $('heart').animate(beat, {duration: 450, easing: 'ease-out'});
  }

  // The rest is the page's own.

  #state() { return this.#talk?.client.state ?? 'disconnected'; }

  #class() { return document.querySelector('input[name="class"]:checked').value; }

  #url() {
    const url = new URL(TALKS[this.#class()].path + encodeURIComponent($('hub-name').value), document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  #connect() {
    const Talk = TALKS[this.#class()];
    this.#sent = this.#received = 0;
    const talk = this.#talk = new Talk(this.#url(), this, {
      actor: $('actor').value,
      heartbeatInterval: Number($('heartbeat-interval').value) * 1000,
      reconnect: () => $('auto-reconnect').checked,
    });
    $('identity-label').textContent = Talk.identityLabel;
    talk.client.on('state', () => this.#showState());
    talk.client.on('disconnected', (event) => this.#closed(event));
    talk.client.on('reconnecting', ({delay}) => {
      this.#retryAt = performance.now() + delay;
      this.#showRetry();
    });
    talk.connect();
  }

  #closed({code, reason, opened}) {
    if (opened) this.#log.add('closed', closing({code, reason}));
    else if (code !== 1000) this.#log.add('error', `No connection to ${this.#url()}`);
  }

  #compose() {
    this.#talk.compose({
      action: $('action').value,
      target: $('target-actor').value,
      topic: $('topic').value,
      type: $('message-type').value,
      pattern: $('pattern').value,
      message: $('message').value,
    });
    $('message').value = '';
    this.#showFigures();
  }

  #tick() {
    if (this.#state() === 'waiting') this.#showRetry();
    this.#showFigures();
  }

  #chooseClass() {
    $('hub-name').value = TALKS[this.#class()].defaultName;
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

  #showState() {
    const state = this.#state();
    $('status').dataset.state = state;
    // While waiting, showRetry() says for how long.
    const text = {disconnected: 'Disconnected', connecting: 'Connecting …', connected: 'Connected'}[state];
    if (text) set('status-text', text);
    const idle = state === 'disconnected';
    $('connect').textContent = idle ? 'Connect' : state === 'connected' ? 'Disconnect' : 'Cancel';
    $('connect').classList.toggle('leave', !idle);
    $('hub-fields').disabled = !idle;
    $('send').disabled = !this.#talk.canSend;
    $('ping').disabled = $('break').disabled = state !== 'connected';
    this.#showFigures();
  }

  // Whole seconds: a status that changes more often would keep a screen reader talking.
  #showRetry() {
    const seconds = Math.max(1, Math.ceil((this.#retryAt - performance.now()) / 1000));
    set('status-text', seconds > 1 ? `Reconnecting in ${seconds} s` : 'Reconnecting …');
  }

  #showFigures() {
    if (!this.#talk) return;
    const {client, identity, session, flow, queued} = this.#talk;
    const beats = client.heartbeats;
    $('heartbeat').dataset.state = beats.state;
    $('heartbeat').dataset.acks = beats.acks;
    set('heartbeat-text', {
      idle: 'No connection', waiting: 'Waiting for an answer', alive: 'Alive', missed: 'No answer',
    }[beats.state]);
    const age = performance.now() - beats.lastAck;
    const ago = age < 1000 ? 'just now' : `${duration(age)} ago`;
    set('heartbeat-age', beats.lastAck === null ? '' : `, last ack ${ago}`);
    set('heartbeat-latency', milliseconds(beats.latency));
    set('heartbeat-average', milliseconds(beats.average));
    set('heartbeat-acks', String(beats.acks));
    set('heartbeat-missed', String(beats.missed));
    set('count-sent', String(this.#sent));
    set('count-received', String(this.#received));
    set('uptime', client.openFor === null ? '–' : duration(client.openFor));
    set('identity', identity ?? '–');
    if (flow === undefined) return;
    set('session', session);
    set('flow', flow);
    $('flow').dataset.flow = flow;
    set('queued', String(queued));
  }
}

new Page();
