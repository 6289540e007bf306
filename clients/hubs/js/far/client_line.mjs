// The client's end of a socket at an object, which may run in any process: what is said there goes out in calls, and is
// kept until the object has handled it.
//
// Each message is a call of its own with a number, and ends when its handler does; several are under way at a time.
// After one that has failed, all that the object has not confirmed are said again, in their order: it passes over what
// it has.
import {randomBytes} from 'node:crypto';
import {setTimeout as after} from 'node:timers/promises';

import {runIn} from '../objects/context.mjs';
import {explain} from '../objects/errors.mjs';
import {CloseCode} from '../web/close_codes.mjs';
import {Kind} from '../wire/event_record.mjs';
import {Ask, farCall, LARGEST, MOST_WAITING, PATIENCE, readFarAnswer, sizeOf} from './calls.mjs';
import {callHub, enter, join, leave} from './homes.mjs';

const AT_A_TIME = 16;        // calls
const FIRST_PAUSE = 50;      // ms
const LONGEST_PAUSE = 2000;
// What calls say: that it may still be handled; that the object's process has ended meanwhile, perhaps because of it.
const SLOW = /in time$/;
const ENDED = /was lost before/;
const MOST_ENDED = 3;        // times, of a message
const FORMER = 8;            // objects that are remembered
const RESET = 'The object has been reset.';

export class ClientLine {
  token = randomBytes(12).toString('base64url');
  hubClass;
  hubName;
  home = '';
  opened = false;
  #socket;
  #live = false;      // the object listens to this socket itself, and knows it no more when it is another one
  #frames = [];       // {number, size, done, ended, fields} in order; the first is not done
  #sent = 0;          // how many of them are
  #underWay = 0;
  #numbers = 0;
  #waiting = 0;       // bytes that are not done
  #broken = false;    // one has failed; all are to be said again when none is under way
  #failedSince = 0;   // 0: what was said last came
  #pause = FIRST_PAUSE;
  #over = false;
  #speaker = '';      // the object that has spoken last; each has a name of its own, and counts what it says from 0
  #former = [];
  #taken = 0;

  // `socket`: a ReservedSocket.
  constructor(socket) {
    this.hubClass = socket.hubClass;
    this.hubName = socket.hubName;
    this.#socket = socket;
  }

  // Whoever runs here now, this belongs to the process: a Worker's calls of an object come in their order.
  start() {
    join(this);
    runIn(undefined, () => this.#open());
  }

  // Whether so many bytes more may wait; they are counted.
  admit(size) {
    if (size > LARGEST) throw new RangeError(`A message to an object in another process has at most ${LARGEST} bytes.`);
    if (this.#waiting > 0 && this.#waiting + size > MOST_WAITING) return false;
    this.#waiting += size;
    return true;
  }

  // An EventRecord, as the object is to get it.
  deliver(record) {
    if (this.#over) return;
    const {kind, data, body} = record;
    const fields = kind === Kind.MESSAGE ? {ask: Ask.MESSAGE, data} : {ask: Ask.CLOSE, ...body};
    const size = kind === Kind.MESSAGE ? sizeOf(data) : 0;
    this.#frames.push({number: ++this.#numbers, size, done: false, ended: 0, fields});
    runIn(undefined, () => this.#go());
  }

  // What the object says, from its `first` item on. It says it again when it has not heard that it came.
  take(speaker, first, items) {
    if (this.#over || this.#former.includes(speaker)) return;
    if (speaker !== this.#speaker) {
      this.#former.push(this.#speaker);
      if (this.#former.length > FORMER) this.#former.shift();
      this.#speaker = speaker;
      this.#taken = 0;
    }
    for (const {data, close} of items.slice(Math.max(0, this.#taken - first))) {
      if (close) this.#socket.takeClose(...close);
      else this.#socket.take(data);
    }
    this.#taken = Math.max(this.#taken, first + items.length);
  }

  async moveTo(home) {
    this.home = home;
    await this.#persist({ask: Ask.MOVE, home});
  }

  // An object that listens itself does not sleep; one that does not know this socket any more is another one.
  async ping() {
    if (!this.#live || this.#underWay > 0 || this.#over) return;
    try {
      if ((await this.#say({ask: Ask.PING})).gone) this.#lose(RESET);
    } catch { /* the next one */ }
  }

  // The socket is closed on this side.
  end() {
    if (this.#over) return;
    this.#over = true;
    this.#frames = [];
    runIn(undefined, () => leave(this));
  }

  async #open() {
    try {
      this.home = await enter(this);
      if (this.#over) {
        leave(this);
        return;
      }
      const {gone, live} = await this.#persist({ask: Ask.OPEN, reservation: this.#socket.reservation, home: this.home});
      if (gone) {
        this.#lose(RESET);
        return;
      }
      this.#live = live;
    } catch (error) {
      this.#lose(explain(error));
      return;
    }
    this.opened = true;
    this.#go();
  }

  #go() {
    if (!this.opened || this.#broken) return;
    while (this.#underWay < AT_A_TIME && this.#sent < this.#frames.length) {
      const frame = this.#frames[this.#sent++];
      if (!frame.done) this.#bring(frame);
    }
  }

  async #bring(frame) {
    this.#underWay++;
    let failure = null;
    try {
      const {gone, again} = await this.#say(
          {...frame.fields, number: frame.number, since: this.#since(frame), base: this.#frames[0].number});
      if (gone) this.#lose(RESET);
      else if (again) failure = {retryable: true, message: RESET};
      else frame.done = true;
    } catch (error) {
      failure = error;
    }
    this.#underWay--;
    if (this.#over) return;
    if (failure && ENDED.test(failure.message)) frame.ended++;
    if (failure && (!isPassing(failure) || frame.ended >= MOST_ENDED)) {
      this.#lose(failure.message);
      return;
    }
    while (this.#frames[0]?.done) {
      this.#waiting -= this.#frames.shift().size;
      this.#sent--;
      this.#pause = FIRST_PAUSE;
      this.#failedSince = 0;
    }
    if (failure) {
      this.#broken = true;
      this.#failedSince ||= Date.now();
    }
    if (!this.#broken) this.#go();
    else if (this.#underWay === 0) this.#again(failure);
  }

  // Nothing is under way any more: all that was not done is said again.
  async #again(failure) {
    await after(this.#pause);
    this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
    if (failure && Date.now() - this.#failedSince > PATIENCE && !SLOW.test(failure.message)) {
      this.#lose(failure.message);
      return;
    }
    this.#broken = false;
    this.#sent = 0;
    this.#go();
  }

  // All from this number on, up to the frame, is done, or is the frame.
  #since({number}) {
    let at = number - this.#frames[0].number;
    while (at > 0 && this.#frames[at - 1].done) at--;
    return this.#frames[at].number;
  }

  // Until it has been answered.
  async #persist(fields) {
    const until = Date.now() + PATIENCE;
    for (let pause = FIRST_PAUSE; ; pause = Math.min(pause * 2, LONGEST_PAUSE)) {
      try {
        return await this.#say(fields);
      } catch (error) {
        if (this.#over || !isPassing(error) || Date.now() > until) throw error;
      }
      await after(pause);
    }
  }

  async #say(fields) {
    return readFarAnswer(await callHub(this.hubClass, this.hubName, farCall({...fields, token: this.token})));
  }

  #lose(why) {
    if (this.#over) return;
    const {home} = this;
    this.#socket.takeClose(CloseCode.LOST, why.slice(0, 123));
    this.end();
    // Where it knows this socket all the same.
    if (home) this.#say({ask: Ask.LOST, home}).catch(() => {});
  }
}

function isPassing({retryable, message}) { return retryable || SLOW.test(message) || ENDED.test(message); }
