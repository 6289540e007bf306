// The client's end of a socket that another object has accepted. It can be passed on, in an answer: then a client gets
// it. Or accept() makes whoever asked for it the client: where the object is one of the same process.
import {findAwake} from '../objects/awake_objects.mjs';
import {currentContext} from '../objects/context.mjs';
import {EventRecord, Kind} from '../wire/event_record.mjs';
import {dataOf, received} from './message_data.mjs';

const LOST = 1006;

export class ReservedSocket {
  webSocket = null;
  readyState = 1;
  attachment = null;
  #target = null;   // the object
  #key = '';        // of this connection, there
  #context = null;  // of whoever has called accept()
  #line = Promise.resolve();  // what is sent, in order

  constructor(hubClass, hubName, reservation) {
    this.hubClass = hubClass;
    this.hubName = hubName;
    this.reservation = reservation;
  }

  accept() {
    if (this.#target) return;
    const target = findAwake(this.hubClass, this.hubName);
    const connection = target?.reservations.redeem(this.reservation);
    if (!connection) {
      throw new TypeError('This WebSocket can be passed on in a Response, but not talked to from here: its object runs ' +
                          'in another process.');
    }
    this.#target = target;
    this.#context = currentContext() ?? null;
    this.#life?.hub.hold();
    this.#life?.signal.addEventListener('abort', () => this.#deliver(closeOf(1001, '')), {once: true});
    this.#key = connection.openTo(this);
  }

  send(data) {
    this.#need();
    if (this.readyState !== 1) throw new TypeError("Can't call WebSocket send() after close().");
    const taken = received(dataOf(data));
    const record = new EventRecord();
    record.kind = Kind.MESSAGE;
    record.data = taken;
    this.#say(record);
  }

  close(code, reason) {
    this.#need();
    if (this.readyState !== 1) return;
    this.readyState = 2;
    this.#say(closeOf(code, reason));
  }

  setAttachment(bytes) { this.attachment = bytes; }

  // What the object says.
  take(data) { this.#inside(() => this.webSocket.receive(received(data))); }

  takeClose(code, reason) {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.#life?.hub.release();
    this.#inside(() => this.webSocket.receiveClose(code, reason, code !== LOST));
  }

  get #life() { return this.#context?.life ?? null; }

  #need() { if (!this.#target) throw new TypeError('You must call accept() on this WebSocket first.'); }

  // What this object has written before is to be durable first.
  #say(record) {
    const durable = this.#life?.hub.durable();
    this.#line = this.#line.then(() => durable).then(() => this.#deliver(record), () => {});
  }

  #deliver(record) {
    record.connection = this.#key;
    if (!this.#target.dropped) this.#target.deliverOwn(record);
  }

  async #inside(call) {
    await this.#context?.gate?.standing.enter();
    if (!this.#life?.over) call();
  }
}

function closeOf(code, reason) {
  const record = new EventRecord();
  record.kind = Kind.CLOSE;
  record.body = {code, reason};
  return record;
}
