// The web client: one page, one connection at a time, to a hub of class echo or signal, or to one of any other class.
import {EchoTalk} from './echo_talk.js';
import {Life} from './life.js';
import {Log} from './log.js';
import {PlainTalk} from './plain_talk.js';
import {SignalTalk} from './signal_talk.js';
import {closing, duration, milliseconds} from './words.js';

const TALKS = {echo: EchoTalk, signal: SignalTalk, other: PlainTalk};

const $ = (id) => document.getElementById(id);

function set(id, text) {
  if ($(id).textContent !== text) $(id).textContent = text;
}

class Page {
  #log = new Log();
  #life = new Life({
    failed: (text) => this.#log.add('error', text),
    classes: (classes) => this.#offer(classes),
  });
  #waiting = [];   // rows of what is still to be sent
  #enters = false; // the reader asked to connect, and has not been led to the message yet
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
    for (const id of ['hub-name', 'path']) $(id).addEventListener('input', () => this.#showAddress());
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
    $('break').addEventListener('click', () => this.#talk.client.reconnect('broken on purpose'));
    $('auto-reconnect').addEventListener('change', (event) => {
      if (!event.target.checked && this.#state() === 'waiting') this.#talk.leave();
    });
    // So much of the page is above the conversation; a phone gives it the rest of its screen.
    new ResizeObserver(() => {
      document.documentElement.style.setProperty('--above', `${$('talk').offsetTop}px`);
    }).observe(document.querySelector('main'));
    setInterval(() => this.#tick(), 200);
  }

  // What a talk calls.

  // What waited is a row already.
  sent(text, raw) {
    this.#sent++;
    this.#waitsNoMore(text);
    this.#log.add('sent', text, raw);
    this.#life.soon();
  }

  waits(text) { this.#waiting.push(this.#log.add('waiting', text)); }

  // It never will be.
  unsent(text) {
    this.#waitsNoMore(text);
    this.#log.add('error', `Not sent: ${text}`);
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

  #waitsNoMore(text) {
    const at = this.#waiting.findIndex((row) => row.dataset.text === text);
    if (at >= 0) this.#log.remove(this.#waiting.splice(at, 1)[0]);
  }

  #state() { return this.#talk?.client.state ?? 'disconnected'; }

  #class() { return document.querySelector('input[name="class"]:checked').value; }

  #url() {
    const url = new URL(this.#path(), document.baseURI);
    url.protocol = url.protocol === 'https:' ? 'wss:' : 'ws:';
    return url.href;
  }

  // Relative to the page.
  #path() {
    const Talk = TALKS[this.#class()];
    return Talk.path ? Talk.path + encodeURIComponent($('hub-name').value) : $('path').value.replace(/^\/+/, '');
  }

  // Routes of classes that this page knows no more of.
  #offer(classes) {
    const routes = classes.filter(({name}) => !(name in TALKS)).flatMap((each) => each.routes);
    $('routes').replaceChildren(...routes.map((route) => new Option(route.replace('{name}', 'default'))));
    if (routes.length) $('path').value = $('routes').options[0].value;
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
    this.#enters = true;
    this.#life.watch(this.#path());
    talk.connect();
  }

  #closed({code, reason, opened}) {
    this.#life.soon();
    if (this.#state() === 'disconnected') this.#life.watch(null);
    if (opened) this.#log.add('closed', closing({code, reason}));
    else if (code !== 1000) this.#log.add('error', `No connection to ${this.#url()}`);
    if (this.#state() !== 'disconnected') return;
    for (const row of [...this.#waiting]) this.unsent(row.dataset.text);
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
    $('hub-name').value = TALKS[this.#class()].defaultName ?? '';
    this.#showFields();
    this.#showAddress();
  }

  // Only the fields that the class and the action need; hidden ones must not hold up the form.
  #showFields() {
    const name = this.#class();
    const action = $('action').value;
    for (const field of document.querySelectorAll('[data-class]')) {
      const {class: classes, actions} = field.dataset;
      const ofAction = name !== 'signal' || !actions || actions.split(' ').includes(action);
      const wanted = classes.split(' ').includes(name) && ofAction;
      field.hidden = !wanted;
      for (const input of field.querySelectorAll('input')) input.disabled = !wanted;
    }
    $('message-label').textContent = {echo: 'Message', signal: 'Data, as text or JSON', other: 'Frame, as it is'}[name];
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
    document.body.dataset.state = state;
    $('connect').textContent = idle ? 'Connect' : state === 'connected' ? 'Disconnect' : 'Cancel';
    $('connect').classList.toggle('leave', !idle);
    $('hub-fields').disabled = !idle;
    $('send').disabled = idle;  // what is said on the way back waits
    $('break').disabled = state !== 'connected';
    $('ping').disabled = state !== 'connected' || this.#class() === 'other';
    if (state === 'connected') this.#enter();
    this.#showFigures();
  }

  // To where something can be said; on a phone that would bring up its keyboard.
  #enter() {
    if (!this.#enters || matchMedia('(pointer: coarse)').matches) return;
    this.#enters = false;
    const fields = [...$('composer').querySelectorAll('input:not(:disabled)')].filter((field) => field.offsetParent);
    (fields.find((field) => field.required && !field.value) ?? $('message')).focus();
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
    // Of a connection that is not there these would be figures of the past.
    const lives = client.state === 'connected' && beats.lastAck !== null;
    const age = performance.now() - beats.lastAck;
    const ago = age < 1000 ? 'just now' : `${duration(age)} ago`;
    set('heartbeat-age', lives ? `, last ack ${ago}` : '');
    set('heartbeat-latency', milliseconds(lives ? beats.latency : null));
    set('heartbeat-average', milliseconds(lives ? beats.average : null));
    set('heartbeat-acks', String(beats.acks));
    set('heartbeat-missed', String(beats.missed));
    set('count-sent', String(this.#sent));
    set('count-received', String(this.#received));
    set('uptime', client.openFor === null ? '–' : duration(client.openFor));
    set('identity', identity ?? '–');
    set('queued', String(queued));
    if (flow === undefined) return;
    set('session', session);
    set('flow', flow);
    $('flow').dataset.flow = flow;
  }
}

new Page();
