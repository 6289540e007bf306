// A connection without a WebSocket, that looks like one: event streams or polls down, POSTs up (clients/fallback.md).
import {EventReader} from './event_stream.js';

const OPEN_WITHIN = 10000;     // ms, for the answer to the opening request
const STREAM_WITHIN = 4000;    // until the first event of a stream: longer, and somebody on the way waits for its end
const EMPTY_STREAMS = 3;       // in a row that were cut before their first event, after EMPTY_AFTER: that is the same
const EMPTY_AFTER = 100;
const SEND_WITHIN = 15000;     // for the answer to messages; then they are sent again
const CONFIRM_AFTER = 5000;    // from an event until it is confirmed, where nothing else does that
const CONFIRM_EVENTS = 100;
const CONFIRM_LENGTH = 64 << 10;
const MAX_BODY = 1 << 20;      // of messages that go in one request, where they are several
const RETRY = [0, 100, 200, 500, 1000];
const ABNORMAL = 1006;

const encoder = new TextEncoder();

function bytesOfBase64(text) {
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}

function joined(parts) {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

// "text 5\nhello"
function posted(data) {
  const binary = typeof data !== 'string';
  const bytes = binary ? new Uint8Array(data.buffer ?? data, data.byteOffset ?? 0, data.byteLength) : encoder.encode(data);
  return joined([encoder.encode(`${binary ? 'binary' : 'text'} ${bytes.length}\n`), bytes]);
}

export class FallbackSocket {
  static CONNECTING = 0;
  static OPEN = 1;
  static CLOSING = 2;
  static CLOSED = 3;

  onopen = null;
  onmessage = null;
  onclose = null;
  onerror = null;
  binaryType = 'arraybuffer';
  readyState = 0;
  protocol = '';
  kind;
  cuts = 0;       // streams and polls that broke
  #base;
  #query;
  #clock;
  #fetch;
  #buffered;
  #id = null;
  #window = 15000;
  #heartbeat = 15000;
  #wait = 25000;
  #outbox = [];   // bytes
  #first = 1;     // the number of the oldest in the outbox
  #length = 0;    // bytes in it
  #got = 0;       // the number of the last event
  #confirmed = 0;
  #unconfirmedLength = 0;
  #confirmNow = false;
  #confirmTimer = null;
  #posting = false;
  #empty = 0;     // streams in a row that were cut before their first event
  #contact = 0;   // the clock's time
  #aborts = new Set();
  #closing = null;  // {code, reason}, once what is in the outbox has gone
  #pagehide = null;

  // `transport`: 'sse' or 'poll'; `buffered()` is called where streams do not get through.
  constructor(url, protocols = [], {transport = 'sse', clock, fetch = globalThis.fetch, buffered = () => {}}) {
    const address = new URL(String(url).replace(/^ws/i, 'http'), globalThis.location?.href);
    this.#query = address.search;
    address.search = address.hash = '';
    this.#base = `${address.href.replace(/\/$/, '')}/@fallback`;
    this.kind = transport;
    this.#clock = clock;
    this.#fetch = (...request) => fetch(...request);
    this.#buffered = buffered;
    this.#open([protocols].flat());
  }

  get bufferedAmount() { return this.#length; }

  send(data) {
    if (this.readyState === 0) throw new Error('The connection is not open yet.');
    if (this.readyState !== 1) return;
    const bytes = posted(data);
    this.#outbox.push(bytes);
    this.#length += bytes.length;
    // What is said in one turn goes in one request.
    queueMicrotask(() => this.#post());
  }

  close(code = 1000, reason = '') {
    if (this.readyState >= 2) return;
    if (this.readyState === 0) return this.#end(ABNORMAL, '');
    this.readyState = 2;
    this.#closing = {code, reason};
    if (this.#outbox.length === 0) this.#leave();
    else this.#clock.setTimeout(() => this.#leave(), 2000);
  }

  // Without a word.
  terminate() { this.#end(ABNORMAL, ''); }

  // --- Opening.

  async #open(protocols) {
    const headers = protocols.length > 0 ? {'Dormouse-Protocol': protocols.join(', ')} : {};
    let done = () => {};
    try {
      const answer = await this.#request(`${this.#base}${this.#query}`, {method: 'POST', headers}, OPEN_WITHIN, (_, end) => {
        done = end;
      });
      const text = await answer.text();
      if (this.readyState !== 0) return;
      if (answer.status !== 201) return this.#fail(`Unexpected server response: ${answer.status} ${text.trim()}`);
      const {id, window, heartbeat, wait, protocol = ''} = JSON.parse(text);
      Object.assign(this, {protocol});
      this.#id = id;
      this.#window = window;
      this.#heartbeat = heartbeat;
      this.#wait = wait;
    } catch (error) {
      return this.#fail(error.message);
    } finally {
      done();
    }
    this.readyState = 1;
    this.#contact = this.#clock.now();
    this.#watchPage();
    this.onopen?.({});
    this.#fetchAll();
  }

  #fail(message) {
    if (this.readyState === 3) return;
    this.onerror?.({message});
    this.#end(ABNORMAL, message);
  }

  // Aborted after `patience`, or with the connection, its body included. `watch` gets two functions: one starts the
  // patience anew, the other ends it.
  #request(url, options, patience, watch) {
    const abort = new AbortController();
    const request = {abort, timer: null};
    const restart = (next) => {
      this.#clock.clearTimeout(request.timer);
      request.timer = this.#clock.setTimeout(() => abort.abort(), next);
    };
    this.#aborts.add(request);
    restart(patience);
    watch(restart, () => {
      this.#clock.clearTimeout(request.timer);
      this.#aborts.delete(request);
    });
    return this.#fetch(url, {...options, signal: abort.signal, cache: 'no-store', credentials: 'same-origin'});
  }

  #target(call) { return `${this.#base}/${call}?id=${this.#id}`; }

  // --- Down.

  async #fetchAll() {
    let failures = 0;
    while (this.readyState === 1 || this.readyState === 2) {
      const before = this.#got;
      let well = false;
      try {
        well = await (this.kind === 'sse' ? this.#stream() : this.#poll());
      } catch {
        this.cuts++;
      }
      if (this.readyState >= 3) return;
      if (well || this.#got > before) {
        failures = 0;
      } else if (this.#clock.now() - this.#contact > this.#window) {
        return this.#end(ABNORMAL, 'the gateway is out of reach');
      } else {
        await this.#pause(failures++);
      }
    }
  }

  #pause(failures) {
    const delay = RETRY[Math.min(failures, RETRY.length - 1)];
    return new Promise((resolve) => { this.#clock.setTimeout(resolve, delay); });
  }

  async #stream() {
    let restart;
    let done = () => {};
    let opened = false;
    let late = false;
    const started = this.#clock.now();
    const watchdog = this.#clock.setTimeout(() => { late = !opened; }, STREAM_WITHIN - 1);
    try {
      const answer = await this.#request(`${this.#target('events')}&after=${this.#got}`, {}, STREAM_WITHIN, (...watch) => {
        [restart, done] = watch;
      });
      if (answer.status !== 200) return this.#refused(answer.status, await answer.text());
      if (!answer.body?.getReader) {  // a runtime that gives no body before its end
        late = true;
        throw new Error('no streams here');
      }
      const reader = answer.body.getReader();
      const events = new EventReader();
      for (;;) {
        const {done: ended, value} = await reader.read();
        if (ended) return opened;
        this.#contact = this.#clock.now();
        restart(this.#heartbeat * 2 + 5000);
        opened = true;
        events.feed(value, (event) => this.#onEvent(event));
        if (this.readyState >= 3) return true;
      }
    } catch (error) {
      if (opened) this.#empty = 0;
      else if (this.#clock.now() - started >= EMPTY_AFTER) this.#empty++;
      if ((late || this.#empty >= EMPTY_STREAMS) && this.readyState < 3) {
        this.kind = 'poll';
        this.#buffered();
      }
      throw error;
    } finally {
      this.#clock.clearTimeout(watchdog);
      done();
    }
  }

  async #poll() {
    let done = () => {};
    const got = this.#got;
    try {
      const answer = await this.#request(`${this.#target('poll')}&after=${got}`, {}, this.#wait + 10000, (_, end) => {
        done = end;
      });
      const bytes = new Uint8Array(await answer.arrayBuffer());
      this.#contact = this.#clock.now();
      if (answer.status !== 200) return this.#refused(answer.status, new TextDecoder().decode(bytes));
      this.#onConfirmed(got);
      // The next poll confirms.
      new EventReader().feed(bytes, (event) => { if (event.kind !== 'confirm') this.#onEvent(event); });
      return true;
    } finally {
      done();
    }
  }

  #refused(status, text) {
    if (status === 400 || status === 404 || status === 410) this.#end(ABNORMAL, text.trim());
    return false;
  }

  #onEvent({number, kind, data}) {
    if (this.readyState >= 3) return;
    if (kind === 'confirm') {
      this.#confirmNow = true;
      this.#post();
      return;
    }
    if (number === null || number <= this.#got) return;
    this.#got = number;
    this.#unconfirmedLength += data.length;
    if (kind === 'close') {
      const {code, reason} = JSON.parse(data);
      this.#farewell();
      return this.#end(code, reason);
    }
    if (kind === 'message') this.#hand(data);
    else if (kind === 'binary') this.#hand(bytesOfBase64(data).buffer);
    else if (kind === 'base64') this.#hand(new TextDecoder('utf-8', {ignoreBOM: true}).decode(bytesOfBase64(data)));
    if (this.kind !== 'sse') return;
    if (this.#isConfirmationDue()) this.#post();
    else this.#confirmTimer ??= this.#clock.setTimeout(() => {
      this.#confirmTimer = null;
      this.#confirmNow = true;
      this.#post();
    }, CONFIRM_AFTER);
  }

  #hand(data) {
    if (this.readyState === 1) this.onmessage?.({data});
  }

  #isConfirmationDue() {
    const waiting = this.#got - this.#confirmed;
    return this.kind === 'sse' && waiting > 0 &&
      (this.#confirmNow || waiting >= CONFIRM_EVENTS || this.#unconfirmedLength >= CONFIRM_LENGTH);
  }

  #onConfirmed(number) {
    this.#confirmed = Math.max(this.#confirmed, number);
    if (this.#confirmed < this.#got) return;
    this.#unconfirmedLength = 0;
    this.#confirmNow = false;
    this.#clock.clearTimeout(this.#confirmTimer);
    this.#confirmTimer = null;
  }

  // --- Up.

  async #post() {
    if (this.#posting) return;
    this.#posting = true;
    let failures = 0;
    while (this.readyState < 3 && (this.#outbox.length > 0 || this.#isConfirmationDue())) {
      try {
        await this.#sendSome();
        failures = 0;
      } catch {
        if (this.readyState >= 3) break;
        if (this.#clock.now() - this.#contact > this.#window) {
          this.#end(ABNORMAL, 'the gateway is out of reach');
          break;
        }
        await this.#pause(failures++);
      }
    }
    this.#posting = false;
    if (this.readyState === 2 && this.#closing && this.#outbox.length === 0) this.#leave();
  }

  async #sendSome() {
    const parts = [];
    let length = 0;
    for (const part of this.#outbox) {
      if (parts.length > 0 && length + part.length > MAX_BODY) break;
      parts.push(part);
      length += part.length;
    }
    const first = this.#first;
    const got = this.#got;
    let done = () => {};
    try {
      const answer = await this.#request(`${this.#target('send')}&from=${first}&after=${got}`, {
        method: 'POST', headers: {'Content-Type': 'text/plain'}, body: joined(parts),
      }, SEND_WITHIN + length / 10, (_, end) => { done = end; });
      const text = await answer.text();
      if (answer.status === 400 || answer.status === 404 || answer.status === 410 || answer.status === 413) {
        return this.#end(ABNORMAL, text.trim());
      }
      if (answer.status !== 200 && answer.status !== 409) throw new Error(`answered with ${answer.status}`);
      const {received} = JSON.parse(text);  // of a 409 that says it in words: none, and the next try does
      this.#contact = this.#clock.now();
      if (received < first - 1) return this.#end(ABNORMAL, 'the gateway has lost messages');
      while (this.#outbox.length > 0 && this.#first <= received) {
        this.#length -= this.#outbox.shift().length;
        this.#first++;
      }
      if (answer.status === 200) {
        if (this.#got === got) this.#confirmNow = false;
        this.#onConfirmed(got);
      }
    } finally {
      done();
    }
  }

  // --- The end.

  // The gateway need not keep what is here.
  #farewell() {
    this.#tell(`${this.#target('send')}&from=${this.#first}&after=${this.#got}`);
  }

  #leave() {
    if (this.readyState !== 2 || !this.#closing) return;
    const {code, reason} = this.#closing;
    this.#tell(this.#closeTarget(code, reason));
    this.#end(code, reason);
  }

  #closeTarget(code, reason) {
    return `${this.#target('close')}&after=${this.#got}&code=${code}&reason=${encodeURIComponent(reason)}`;
  }

  #tell(url) {
    Promise.resolve(this.#fetch(url, {method: 'POST', body: '', keepalive: true, cache: 'no-store'}))
      .then((answer) => answer.text()).catch(() => {});
  }

  #watchPage() {
    if (typeof document === 'undefined' || !globalThis.navigator?.sendBeacon) return;
    this.#pagehide = ({persisted}) => {
      if (!persisted) navigator.sendBeacon(this.#closeTarget(1001, ''));
    };
    addEventListener('pagehide', this.#pagehide);
  }

  #end(code, reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    for (const {abort, timer} of this.#aborts) {
      this.#clock.clearTimeout(timer);
      abort.abort();
    }
    this.#aborts.clear();
    this.#clock.clearTimeout(this.#confirmTimer);
    if (this.#pagehide) removeEventListener('pagehide', this.#pagehide);
    // As a WebSocket does it: not within the call that ends it.
    queueMicrotask(() => this.onclose?.({code, reason}));
  }
}
