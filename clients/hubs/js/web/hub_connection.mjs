// What stands behind a WebSocket that a hub has accepted: the connection of a client, or, before the client has it,
// what is to be done then.
import {EventRecord, Kind} from '../wire/event_record.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {dataOf} from './message_data.mjs';
import {WebSocket} from './web_socket.mjs';

// The tag of sockets that the object listens to itself: nobody listens any more in the next object.
export const LIVE_TAG = '\x01live';
export const GOING_AWAY = 1001;

export class HubConnection {
  hub;
  webSocket;
  live = false;       // its events go to listeners
  tags;
  attachment = null;  // bytes
  readyState = 1;
  #key = '';          // empty: no client has it yet
  #outbox = [];       // until then
  #closing = null;    // until then: [code, reason]

  constructor(hub, webSocket, tags) {
    this.hub = hub;
    this.webSocket = webSocket;
    this.tags = tags;
  }

  // One of a hub that wakes.
  static woken(hub, {connection, attachment, tags}) {
    const woken = new HubConnection(hub, null, tags);
    woken.webSocket = WebSocket.over(woken);
    woken.attachment = attachment;
    woken.#key = connection;
    if (tags.length === 1 && tags[0] === LIVE_TAG) woken.tags = tags;
    return woken;
  }

  // One that another object has accepted: see Reservations.
  static restored(hub, {tags, attachment, outbox, closing}) {
    const restored = new HubConnection(hub, null, tags);
    restored.webSocket = WebSocket.over(restored);
    restored.attachment = attachment;
    restored.#outbox = outbox;
    restored.#closing = closing;
    return restored;
  }

  get orphaned() { return !this.live && this.tags[0] === LIVE_TAG; }

  snapshot() {
    return {tags: this.tags, attachment: this.attachment, outbox: this.#outbox, closing: this.#closing};
  }

  // The client is there.
  open(key) {
    const {hub} = this;
    this.#key = key;
    hub.accepted.delete(this);
    hub.sockets.set(key, this);
    if (this.live) hub.hold();
    if (this.tags.length > 0) hub.effect(Effect.TAGS, key, this.tags);
    if (this.attachment) hub.effect(Effect.ATTACHMENT, key, this.attachment);
    this.tellAutoResponse();
    hub.effect(Effect.ADMIT, key);
    for (const data of this.#outbox) hub.effect(Effect.SEND, key, data);
    this.#outbox = [];
    if (this.#closing) this.#close(...this.#closing);
  }

  tellAutoResponse() {
    if (!this.#key || this.live) return;
    const {request = '', reply = ''} = this.hub.autoResponse ?? {};
    if (request || this.#answers) this.hub.effect(Effect.AUTO_RESPONSE, this.#key, request, reply);
    this.#answers = request !== '';
  }

  send(data) {
    if (this.readyState !== 1) {
      if (this.readyState === 2 && !this.#closedHere) return;  // the client has closed; what is sent goes nowhere
      throw new TypeError("Can't call WebSocket send() after close().");
    }
    const taken = dataOf(data);
    if (this.#key) this.hub.effect(Effect.SEND, this.#key, taken);
    else this.#outbox.push(taken);
  }

  close(code, reason) {
    if (this.readyState === 3 || this.#closedHere) return;
    this.#closedHere = true;
    if (this.readyState === 2) {  // the client's close is being handled
      this.readyState = 3;
      return;
    }
    this.readyState = 2;
    if (this.#key) this.#close(code, reason);
    else {
      this.#closing = [code, reason];
      this.hub.accepted.delete(this);
    }
  }

  setAttachment(bytes) {
    this.attachment = bytes;
    if (this.#key && this.readyState === 1) this.hub.effect(Effect.ATTACHMENT, this.#key, bytes);
  }

  // Its close is being handled.
  closing() { this.readyState = 2; }

  // ... and was.
  gone() {
    this.readyState = 3;
    if (this.hub.sockets.delete(this.#key) && this.live) this.hub.release();
  }

  #answers = false;     // an automatic response is set where the socket is
  #closedHere = false;

  #close(code, reason) {
    this.hub.effect(Effect.CLOSE, this.#key, code, reason);
    // Objects hear of the end that they have made; the statekeeper takes it for granted.
    const record = new EventRecord();
    record.kind = Kind.CLOSE;
    record.connection = this.#key;
    record.body = {code, reason};
    this.hub.deliverOwn(record);
  }
}
