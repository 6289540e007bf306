// One awake hub, as the statekeeper knows it: rows, sockets, events that wait, and what is to be said in its next turn.
// Its code runs in a Life; when that breaks, the next event begins another one in the same object.
// Not those of objects: they would wait for the gate.
import {setImmediate} from 'node:timers';

import {isFarCall} from '../far/calls.mjs';
import {FarSockets} from '../far/far_sockets.mjs';
import {EventRecord, Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {BodyStreams, isStreamCall} from '../namespaces/body_streams.mjs';
import {idOf} from '../namespaces/ids.mjs';
import {CloseCode} from '../web/close_codes.mjs';
import {HubConnection, isOrphaned} from '../web/hub_connection.mjs';
import {addAwake, removeAwake} from './awake_objects.mjs';
import {currentContext} from './context.mjs';
import {NOTE, PAGES} from './keys.mjs';
import {Life} from './life.mjs';
import {Reservations} from './reservations.mjs';
import {Rows} from './rows.mjs';
import {StoredObject} from './stored_object.mjs';

const NAME = NOTE + 'name';
const AUTO_RESPONSE = NOTE + 'auto';
const EVENT_TIMEOUT = NOTE + 'timeout';
const NOTES = [NAME, AUTO_RESPONSE, EVENT_TIMEOUT, PAGES];  // what has to be known before the object's code runs

export class HubObject extends StoredObject {
  host;
  lane;
  low;
  high;
  hubClass;
  hubName;
  sockets = new Map();    // HubConnection by its connection
  accepted = new Set();   // those of them that no client has yet
  far;                    // of sockets, those whose clients are Workers or objects, anywhere
  reservations;
  bodies;
  maxTimers;              // 0: the statekeeper has none
  autoResponse = null;    // {request, reply}
  eventTimeout = null;    // ms that a handler of a socket's event may take
  dropped = false;
  #open = 0;              // events that are not done
  #effects = [];
  #effectsOf = 0;         // number of the event that they belong to
  #facetsWithSql = new Set();
  #listed = false;        // with the lane, for the end of the loop's turn
  #holds = 0;
  #saidHold = false;
  #turns = 0;             // numbers of those that Durable is wanted of
  #unconfirmed = false;   // there are writes that may not be durable yet
  #asked = null;          // {turn, promise}: covers them all
  #askers = [];           // {turn, resolve, reject}
  #answerTimes = null;    // Map, for a moment

  constructor(host, lane, {low, high, wake}) {
    super();
    this.host = host;
    this.lane = lane;
    this.low = low;
    this.high = high;
    this.hubClass = wake.hubClass;
    this.hubName = wake.hubName;
    this.alarmMs = wake.alarmMs;
    this.timers = new Map(wake.timers);
    this.maxTimers = wake.maxTimers;
    this.rows = new Rows(wake.rows, wake.complete);
    this.reservations = new Reservations(this);
    this.bodies = new BodyStreams(this);
    this.far = new FarSockets(this);
    this.life = new Life(this);
    for (const socket of wake.sockets) {
      if (isOrphaned(socket)) this.effectOf(0, Effect.CLOSE, socket.connection, CloseCode.RESTARTED, '');
      else this.sockets.set(socket.connection, HubConnection.woken(this, socket));
    }
    this.#readNotes();
    addAwake(this);
  }

  get Class() { return this.host.classes.get(this.hubClass); }

  get hasAlarms() { return true; }

  get props() { return {}; }

  get id() { return idOf(this.hubName, this.name); }

  get root() { return this; }

  // Of the rows of its facets.
  get prefix() { return ''; }

  get depth() { return 0; }

  // Its class in the code, which may have another name in the store.
  get className() { return this.host.classNameOf(this.hubClass); }

  get title() { return `${this.className}/${this.name ?? this.hubName}`; }

  get name() {
    const row = this.rows.get(NAME);
    return row ? row.toString('utf8') : undefined;
  }

  // Callers tell it; a hub cannot work it out of its id.
  learnName(name) {
    if (name !== undefined && this.rows.get(NAME) === null) this.write(Effect.PUT, NAME, Buffer.from(name, 'utf8'));
  }

  get notesKnown() { return this.far.known && NOTES.every((key) => this.rows.get(key) !== undefined); }

  async learnNotes() {
    await Promise.all([this.readRows(NOTES), this.far.known || this.far.learn()]);
    this.#readNotes();
  }

  setAutoResponse(pair) {
    this.autoResponse = pair;
    if (pair) this.write(Effect.PUT, AUTO_RESPONSE, Buffer.from(JSON.stringify(pair), 'utf8'));
    else if (this.rows.get(AUTO_RESPONSE) !== null) this.write(Effect.DELETE, AUTO_RESPONSE);
    for (const connection of this.sockets.values()) connection.tellAutoResponse();
  }

  setEventTimeout(timeout) {
    this.eventTimeout = timeout;
    if (timeout !== null) this.write(Effect.PUT, EVENT_TIMEOUT, Buffer.from(String(timeout)));
    else if (this.rows.get(EVENT_TIMEOUT) !== null) this.write(Effect.DELETE, EVENT_TIMEOUT);
  }

  // Connections that acceptWebSocket() has taken.
  * hibernatable() {
    for (const connection of this.sockets.values()) {
      if (!connection.live) yield connection;
    }
    yield* this.accepted;
  }

  // ---- events

  deliver(record) {
    this.#open++;
    if (record.kind === Kind.REQUEST && record.body.length === 0) {  // it only had to be here
      this.effectOf(record.number, Effect.REPLY, record.body);
      this.endEvent(record, '');
      return;
    }
    if (record.kind === Kind.REQUEST && isFarCall(record.body)) {
      this.far.take(record);
      return;
    }
    if (record.kind === Kind.REQUEST && isStreamCall(record.body)) {
      this.#handleStreamCall(record);
      return;
    }
    this.enqueue(record);
  }

  async #handleStreamCall(record) {
    const answer = await this.bodies.handle(record.body);
    this.effectOf(record.number, Effect.REPLY, answer);
    this.endEvent(record, '');
  }

  // One that only this process knows of; it has no number.
  deliverOwn(record) {
    this.hold();
    this.enqueue(record);
  }

  deliverClose(connection, code, reason) {
    const record = new EventRecord();
    record.kind = Kind.CLOSE;
    record.connection = connection;
    record.body = {code, reason};
    this.deliverOwn(record);
  }

  // Something is on its way to a client elsewhere. Until it is there, the object is not to sleep, and the event that has
  // said it is not done: after a crash it comes again.
  outgoing(promise) {
    const record = currentContext()?.record;
    if (record?.life?.hub === this && !record.done) (record.outgoing ??= []).push(promise);
    this.hold();
    promise.finally(() => this.release());
  }

  // Its last turn.
  endEvent(record, failure) {
    if (record.number === 0) {
      if (failure) this.host.report(record, record.error.thrown);
      this.release();
      return;
    }
    this.#open--;
    if (this.dropped) return;
    if (this.#effects.length > 0 && this.#effectsOf !== record.number) this.#sayTurn(this.#effectsOf, false, '', 0);
    this.#sayTurn(record.number, true, failure, 0);
  }

  // ---- effects

  // Of the event whose code runs.
  effect(kind, first, second, third) {
    if (this.dropped) return;
    const record = currentContext()?.record;
    const event = record && record.life?.hub === this && !record.done ? record.number : 0;
    this.effectOf(event, kind, first, second, third);
  }

  effectOf(event, kind, first, second, third) {
    if (this.dropped) return;
    if (this.#effects.length > 0 && this.#effectsOf !== event) this.#sayTurn(this.#effectsOf, false, '', 0);
    this.#effectsOf = event;
    this.#effects.push(kind, first, second, third);
    this.#list();
  }

  say(kind, first, second) { this.effect(kind, first, second, undefined); }

  wrote() {
    this.#unconfirmed = true;
    this.#asked = null;
  }

  usesSql() { this.#list(); }

  // Of the host itself: in no transaction, and in no cache.
  writeNote(kind, key, value) {
    this.wrote();
    this.effect(kind, key, value);
  }

  get hasTables() { return this.usedSql || this.rows.get(PAGES) !== null; }

  // ---- facets

  facetUsesSql(facet) {
    this.#facetsWithSql.add(facet);
    this.#list();
  }

  facetEnded(facet) { this.#facetsWithSql.delete(facet); }

  // Something is under way that is no event; it is not to sleep until `release`.
  hold() {
    if (this.#holds++ === 0) this.#list();
  }

  release() {
    if (--this.#holds === 0) this.#list();
  }

  // Resolves when all that has been written so far is durable; null: it is.
  durable() {
    if (!this.#unconfirmed && !this.sqlHasChanges && !this.#someFacet('sqlHasChanges')) return null;
    if (this.dropped) return Promise.reject(new Error('This object has been reset.'));
    if (!this.#asked) {
      const turn = ++this.#turns;
      this.#asked = {turn, promise: new Promise((resolve, reject) => this.#askers.push({turn, resolve, reject}))};
      this.#asked.promise.catch(() => {});
      this.#sayTurn(this.#effectsOf, false, '', turn);
    }
    return this.#asked.promise;
  }

  confirm(turn) {
    this.confirmPages(turn);
    for (const facet of this.#facetsWithSql) facet.confirmPages(turn);
    while (this.#askers.length > 0 && this.#askers[0].turn <= turn) this.#askers.shift().resolve();
    if (this.#asked && this.#asked.turn <= turn) {
      this.#asked = null;
      this.#unconfirmed = false;
    }
  }

  // The lane is about to write.
  endOfTurn() {
    this.#listed = false;
    if (this.dropped) return;
    if (this.#effects.length > 0 || this.#anyPagesWait || (this.#open === 0 && this.#saidHold !== this.#holds > 0)) {
      this.#sayTurn(this.#effectsOf, false, '', 0);
    }
  }

  // ---- rows

  // {rows, more}. Of a range, or of `keys`.
  async readRange(read) {
    this.endOfTurn();
    const answer = await this.lane.read({low: this.low, high: this.high, ...read});
    if (answer.failure) throw new Error(`Storage could not be read: ${answer.failure}`);
    return answer;
  }

  // When clients were last answered as setAutoResponse() says: ms by connection. The same for all code that runs
  // without a pause, as the time is; whoever asks for each of many sockets waits once.
  answerTimes() {
    if (!this.#answerTimes) {
      const connections = [];
      for (const [key, connection] of this.sockets) if (!connection.peer) connections.push(key);
      const atMs = this.host.waitingReads.answerTimes(this.lane, {low: this.low, high: this.high, connections});
      this.#answerTimes = new Map(connections.map((connection, at) => [connection, atMs[at]]));
      setImmediate(() => { this.#answerTimes = null; });
    }
    return this.#answerTimes;
  }

  readNow(read) { return this.host.waitingReads.read(this.lane, {low: this.low, high: this.high, ...read}); }

  // ---- the end

  // The process ends, and with it what listens to sockets.
  leave() {
    for (const connection of [...this.sockets.values()]) if (connection.live) connection.giveUp(CloseCode.RESTARTED);
  }

  drop() {
    this.dropped = true;
    removeAwake(this);
    for (const connection of this.sockets.values()) connection.dropped();
    this.life.end(new Error('This object has been reset.'));
    for (const {reject} of this.#askers.splice(0)) reject(new Error('This object has been reset.'));
    this.waiting.length = 0;
    this.bodies.drop();
    this.closeSql();
  }

  // Another one for the events to come.
  replaceLife() {
    this.life = new Life(this);
    if (this.hasWaiting) this.life.gate.arrived();
  }

  #readNotes() {
    const row = this.rows.get(AUTO_RESPONSE);
    if (row) this.autoResponse = JSON.parse(row.toString('utf8'));
    const timeout = this.rows.get(EVENT_TIMEOUT);
    if (timeout) this.eventTimeout = Number(timeout.toString());
  }

  #list() {
    if (this.#listed || this.dropped) return;
    this.#listed = true;
    this.lane.atEndOfTurn(this);
  }

  get #anyPagesWait() { return this.pagesWait || this.#someFacet('pagesWait'); }

  #someFacet(what) {
    for (const facet of this.#facetsWithSql) if (facet[what]) return true;
    return false;
  }

  #takePages(number) {
    const turn = number || ++this.#turns;
    if (!number) this.wrote();
    for (const one of [this, ...this.#facetsWithSql]) if (one.pagesWait) one.collectPages(this.#effects, turn);
    return turn;
  }

  #sayTurn(event, done, failure, wanted) {
    const number = this.#anyPagesWait ? this.#takePages(wanted) : wanted;
    const effects = this.#effects;
    this.#saidHold = this.#holds > 0;
    this.lane.turn({
      low: this.low, high: this.high, event: done || effects.length > 0 ? event : 0, done, failure, effects,
      hold: this.#saidHold, number,
    });
    effects.length = 0;
  }
}
