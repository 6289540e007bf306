// The client's end of a socket that another object has accepted. It can be passed on, in an answer: then a client gets
// it. Or accept() makes whoever asked for it the client. What is said then goes in calls, wherever the object is, which
// may sleep. It goes straight to an object of this process that does not sleep, as it listens itself.
import {sizeOf, TOO_MUCH} from '../far/calls.mjs';
import {ClientLine} from '../far/client_line.mjs';
import {areThereHomes} from '../far/homes.mjs';
import {findAwake} from '../objects/awake_objects.mjs';
import {currentContext, runIn} from '../objects/context.mjs';
import {EventRecord, Kind} from '../wire/event_record.mjs';
import {CloseCode} from './close_codes.mjs';
import {dataOf, received} from './message_data.mjs';


export class ReservedSocket {
  webSocket = null;
  readyState = 1;
  attachment = null;
  #link = null;      // to the object
  #closedAs = null;  // [code, reason], where that is not the object's to say
  #context = null;   // of whoever has called accept()
  #line = Promise.resolve();  // what is sent, in order

  constructor({hubClass, hubName, reservation}) {
    this.hubClass = hubClass;
    this.hubName = hubName;
    this.reservation = reservation;
  }

  accept() {
    if (this.#link) return;
    const target = findAwake(this.hubClass, this.hubName);
    const near = !areThereHomes() || target?.reservations.isLive(this.reservation);
    const connection = near ? target?.reservations.redeem(this.reservation) : null;
    if (near && !connection) {
      throw new TypeError('This WebSocket can be passed on in a Response, but not talked to from here: its object runs ' +
                          'elsewhere, and the project was built before that was possible.');
    }
    this.#context = currentContext() ?? null;
    this.#life?.hub.hold();
    this.#life?.signal.addEventListener('abort', () => this.#link.deliver(closeOf(1001, '')), {once: true});
    if (connection) {
      this.#link = new NearLink(target, connection.openTo(this));
    } else {
      this.#link = new ClientLine(this);
      this.#link.start();
    }
  }

  send(data) {
    this.#need();
    if (this.readyState !== 1) throw new TypeError("Can't call WebSocket send() after close().");
    const taken = received(dataOf(data));
    if (!this.#link.admit(sizeOf(taken))) {
      this.#closedAs = [CloseCode.TOO_MUCH, TOO_MUCH];
      this.close(...this.#closedAs);
      return;
    }
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
    this.#link.end();
    this.#life?.hub.release();
    const [said, why] = this.#closedAs ?? [code, reason];
    this.#inside(() => this.webSocket.receiveClose(said, why, said !== CloseCode.LOST));
  }

  get #life() { return this.#context?.life ?? null; }

  #need() { if (!this.#link) throw new TypeError('You must call accept() on this WebSocket first.'); }

  // What this object has written before is to be durable first.
  #say(record) {
    const durable = this.#life?.hub.durable();
    this.#line = this.#line.then(() => durable).then(() => this.#link.deliver(record), () => {});
  }

  async #inside(call) {
    await this.#context?.gate?.standing.enter();
    if (!this.#life?.over) runIn(this.#context ?? undefined, call);
  }
}

// To an object of this process.
class NearLink {
  #target;
  #key;  // of the connection, there

  constructor(target, key) {
    this.#target = target;
    this.#key = key;
  }

  admit() { return true; }

  deliver(record) {
    record.connection = this.#key;
    if (!this.#target.dropped) this.#target.deliverOwn(record);
  }

  end() {}
}

function closeOf(code, reason) {
  const record = new EventRecord();
  record.kind = Kind.CLOSE;
  record.body = {code, reason};
  return record;
}
