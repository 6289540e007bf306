// The sockets of one object whose clients are Workers or objects, wherever these run. Of those that the object may sleep
// with there is a row: where their client hears, their tags and their attachment.
//
// Messages of a client have numbers. `base`: the first that it has not heard to be done; `since`: all from there to this
// one are done. So an object that has just been made knows with the first call where it stands, and one that has a
// message already does not handle it twice.
import {deserialize, serialize} from 'node:v8';

import {after, FAR} from '../objects/keys.mjs';
import {HubConnection} from '../web/hub_connection.mjs';
import {Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {CloseCode} from '../web/close_codes.mjs';
import {Ask, farAnswer, readFarCall} from './calls.mjs';
import {ObjectPeer} from './object_peer.mjs';

export class FarSockets {
  #hub;
  #known = false;         // all that were there when the object woke
  #learning = null;
  #arrivals = new Map();  // by token: {next, underWay}, of messages
  #leaving = new Map();   // by token: a promise of what it hears last

  constructor(hub) {
    this.#hub = hub;
    if (!hub.rows.knows(FAR, after(FAR))) return;
    this.#known = true;
    for (const key of hub.rows.keys(FAR, after(FAR))) this.#wake(key, hub.rows.get(key));
  }

  get known() { return this.#known; }

  // Resolves when those are there that the object has slept with.
  learn() {
    this.#learning ??= this.#read();
    return this.#learning;
  }

  take(record) {
    if (this.#known) {
      this.#take(record);
      return;
    }
    this.learn().then(() => this.#take(record), (error) => this.#hub.endEvent(record, error.message));
  }

  // Of a connection that has a client in another process.
  keep(connection) {
    if (connection.live) return;
    const {token, home} = connection.peer;
    const row = serialize({home, tags: connection.tags, attachment: connection.attachment});
    this.#hub.writeNote(Effect.PUT, FAR + token, row);
  }

  // It has ended; `heard`: when its client knows.
  forget(connection, heard) {
    const {token} = connection.peer;
    this.#arrivals.delete(token);
    if (!connection.live) this.#hub.writeNote(Effect.DELETE, FAR + token);
    this.#leaving.set(token, heard);
    heard.finally(() => {
      this.#leaving.delete(token);
      connection.peer.end();
    });
  }

  async #read() {
    const end = after(FAR);
    for (let start = FAR; ;) {
      const {rows, more} = await this.#hub.readRange({start, end});
      for (const {key, value} of rows) this.#wake(key, value);
      if (!more || rows.length === 0) break;
      start = `${rows[rows.length - 1].key}\x01`;
    }
    this.#known = true;
  }

  #wake(key, value) {
    const token = key.slice(FAR.length);
    const {home, tags, attachment} = deserialize(value);
    const connection = new HubConnection(this.#hub, null, tags);
    connection.attachment = attachment;
    connection.standFar(this.#peer(token, home), keyOf(token));
  }

  #peer(token, home) { return new ObjectPeer({token, home, lost: () => this.#lose(token)}); }

  #take(record) {
    const call = readFarCall(record.body);
    const connection = this.#hub.sockets.get(keyOf(call.token));
    switch (call.ask) {
      case Ask.OPEN: return this.#answer(record, this.#open(connection, call));
      case Ask.PING: return this.#answer(record, {gone: !connection});
      case Ask.MOVE: return this.#answer(record, this.#move(connection, call));
      case Ask.LOST:
        if (connection?.peer.home === call.home) this.#lose(call.token);
        return this.#answer(record);
      default: return this.#event(record, connection, call);
    }
  }

  #open(there, {token, reservation, home}) {
    const connection = there ?? this.#hub.reservations.redeem(reservation);
    if (!connection) return {gone: true};
    if (!there) {
      connection.standFar(this.#peer(token, home), keyOf(token));
      this.keep(connection);
      connection.openFar();
    }
    return {live: connection.live};
  }

  #move(connection, {home}) {
    if (!connection) return {gone: true};
    connection.peer.home = home;
    this.keep(connection);
    return {};
  }

  #event(record, connection, {ask, token, number, since, base, data, code, reason}) {
    if (!connection) {
      const leaving = this.#leaving.get(token);
      if (leaving) leaving.finally(() => this.#answer(record));
      else this.#answer(record, {gone: true});
      return;
    }
    let arrivals = this.#arrivals.get(token);
    if (!arrivals) this.#arrivals.set(token, arrivals = {next: base, underWay: new Map()});
    if (arrivals.next < since) {
      this.#answer(record, {again: true});
      return;
    }
    if (number < arrivals.next) {
      Promise.resolve(arrivals.underWay.get(number)).then(() => this.#answer(record));
      return;
    }
    arrivals.next = number + 1;
    if (ask === Ask.MESSAGE && this.#answersItself(connection, data)) {
      connection.answerWith(this.#hub.autoResponse.reply).finally(() => this.#answer(record));
      return;
    }
    arrivals.underWay.set(number, new Promise((resolve) => {
      record.handled = () => {
        arrivals.underWay.delete(number);
        resolve();
        return farAnswer();
      };
    }));
    record.kind = ask === Ask.MESSAGE ? Kind.MESSAGE : Kind.CLOSE;
    record.connection = keyOf(token);
    record.data = data ?? null;
    record.body = ask === Ask.MESSAGE ? null : {code, reason};
    this.#hub.enqueue(record);
  }

  #answersItself(connection, data) {
    return !connection.live && typeof data === 'string' && data === this.#hub.autoResponse?.request;
  }

  // Its client is gone, and does not say so itself.
  #lose(token) {
    const connection = this.#hub.sockets.get(keyOf(token));
    if (!connection || this.#hub.dropped) return;
    connection.peer.end();
    this.#hub.deliverClose(keyOf(token), CloseCode.LOST, '');
  }

  #answer(record, fields) {
    this.#hub.effectOf(record.number, Effect.REPLY, farAnswer(fields));
    this.#hub.endEvent(record, '');
  }
}

function keyOf(token) { return `far ${token}`; }
