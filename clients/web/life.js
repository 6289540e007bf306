// How the hub lives, as its owner says (the gateway's option hub-view): looked at each second while somebody sees the
// page, and at once after something was said. To look does not wake it.
import {bytes, duration, milliseconds} from './words.js';

const EACH = 1000;   // ms
const SOON = 150;

const $ = (id) => document.getElementById(id);

export class Life {
  #failed;
  #path = null;       // of the hub's sockets, without the first "/"; null: nobody looks
  #timer = null;
  #round = 0;
  #look = null;       // the last answer
  #since = 0;         // when this page first saw it so
  #sawChange = false; // else it may have been so for longer
  #wake = null;       // µs, the last one seen

  // `failed(text)`: it would not sleep. `classes(list)`: what the gateway knows, once, where it says so at all.
  constructor({failed, classes}) {
    this.#failed = failed;
    $('sleep').addEventListener('click', () => this.#sleep());
    document.addEventListener('visibilitychange', () => this.soon());
    this.#ask('').then((answer) => {
      if (!answer?.classes) return;
      $('life').hidden = false;
      classes(answer.classes);
    });
  }

  // From now on; null: no hub any more.
  watch(path) {
    this.#path = path;
    this.#look = this.#wake = null;
    this.#sawChange = false;
    this.#show();
    this.soon(0);
  }

  soon(delay = SOON) {
    clearTimeout(this.#timer);
    this.#round++;
    if (this.#path !== null && !$('life').hidden && !document.hidden) {
      this.#timer = setTimeout(() => this.#next(), delay);
    }
  }

  async #next() {
    const round = this.#round;
    const path = this.#path;
    const look = await this.#ask(`/${path}`);
    if (path !== this.#path) return;
    this.#see(look?.awake === undefined ? null : look);
    if (round === this.#round) this.soon(EACH);
  }

  #see(look) {
    const known = this.#look !== null && look !== null;
    if (!known || known && look.awake !== this.#look.awake) {
      this.#sawChange = known;
      this.#since = performance.now();
    }
    this.#look = look;
    if (look?.wakeUs) this.#wake = look.wakeUs;
    this.#show();
  }

  async #sleep() {
    $('sleep').disabled = true;
    const answer = await this.#ask(`/${this.#path}`, {method: 'POST', headers: {'Dormouse-Sleep': 'now'}});
    if (answer?.awake === undefined) this.#failed(answer?.error ?? 'The gateway does not answer.');
    this.soon(0);
  }

  // null: no answer.
  async #ask(path, options = {}) {
    try {
      const reply = await fetch(new URL(`hub-view${path}`, document.baseURI), {cache: 'no-store', ...options});
      return await reply.json();
    } catch {
      return null;
    }
  }

  #show() {
    const look = this.#look;
    const state = look === null ? 'unknown' : look.awake ? 'awake' : 'asleep';
    $('life').dataset.state = state;
    $('life-state').textContent = {unknown: 'Not known', awake: 'Awake', asleep: 'Asleep'}[state];
    $('life-for').textContent = this.#howLong();
    $('life-bytes').textContent = look === null ? '–' : bytes(look.awake ? look.bytes : 0);
    $('life-owner').textContent = look === null ? '–' : look.statekeeper.slice(0, 8);
    $('life-owner').title = look?.statekeeper ?? '';
    $('life-wake').textContent = this.#wake === null ? '–' : milliseconds(this.#wake / 1000);
    $('sleep').disabled = !look?.awake;
  }

  #howLong() {
    if (this.#look === null) return this.#path === null ? 'Connect to see it' : 'Nobody answers for it';
    if (this.#look.awake) return `for ${duration(this.#look.awakeMs)}`;
    const seen = duration(performance.now() - this.#since);
    return this.#sawChange ? `for ${seen}` : `for ${seen} or longer`;
  }
}
