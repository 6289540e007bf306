// What stands behind a WebSocket that a hub has accepted: the connection of a client, or, before the client has it,
// what is to be done then.
import {TOO_MUCH} from '../far/calls.mjs';
import {Effect} from '../wire/from_worker.mjs';
import {CloseCode} from './close_codes.mjs';
import {dataOf} from './message_data.mjs';
import {WebSocket} from './web_socket.mjs';

// The tag of sockets that the object listens to itself: nobody listens any more in the next object.
export const LIVE_TAG = '\x02live';
let locals = 0;  // connections from this process

export function isOrphaned({tags}) { return tags.length === 1 && tags[0] === LIVE_TAG; }

export class HubConnection {
  hub;
  webSocket;
  live = false;       // its events go to listeners
  tags;
  attachment = null;  // bytes
  readyState = 1;
  #key = '';          // empty: no client has it yet
  #peer = null;       // the client, where it is a Worker or an object: ObjectPeer, or ReservedSocket here
  #line = Promise.resolve();  // what it is sent, in order
  #heard = Promise.resolve();  // ... and when the last of it is there
  #outbox = [];       // until then
  #closing = null;    // until then: [code, reason]
  #answeredMs = 0;    // by answerWith; of other clients their gateways know it

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

  // The client is somebody in this process. Returns the key of its messages.
  openTo(peer) {
    const {hub} = this;
    this.#key = `local ${++locals}`;
    this.#peer = peer;
    hub.accepted.delete(this);
    hub.sockets.set(this.#key, this);
    hub.hold();
    for (const data of this.#outbox) this.#tell(() => peer.take(data));
    this.#outbox = [];
    if (this.#closing) this.#close(...this.#closing);
    return this.#key;
  }

  // The client is somebody anywhere, or will be.
  standFar(peer, key) {
    const {hub} = this;
    this.webSocket ??= WebSocket.over(this);
    this.#key = key;
    this.#peer = peer;
    hub.accepted.delete(this);
    hub.sockets.set(key, this);
    if (this.live) hub.hold();
  }

  // ... and is.
  openFar() {
    for (const data of this.#outbox) {
      this.#peer.admit(data);
      this.#tell(() => this.#peer.take(data));
    }
    this.#outbox = [];
    if (this.#closing) this.#close(...this.#closing);
  }

  get peer() { return this.#peer; }

  // When the client was last answered without the object's code, in ms; 0: never.
  get answeredMs() {
    if (this.#peer) return this.#answeredMs;
    return this.#key ? this.hub.answerTimes().get(this.#key) ?? 0 : 0;
  }

  // Without the object's code. Resolves when it is there.
  answerWith(reply) {
    this.#answeredMs = Date.now();
    this.#tell(() => this.#peer.take(reply));
    return this.#heard;
  }

  tellAutoResponse() {
    if (!this.#key || this.live || this.#peer) return;
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
    if (this.#peer) {
      if (this.#peer.admit?.(taken) === false) this.close(CloseCode.TOO_MUCH, TOO_MUCH);
      else this.#tell(() => this.#peer.take(taken));
    } else if (this.#key) {
      this.hub.effect(Effect.SEND, this.#key, taken);
    } else {
      this.#outbox.push(taken);
    }
  }

  close(code, reason) {
    if (this.readyState === 3 || this.#closedHere) return;
    this.#closedHere = true;
    if (this.readyState === 2) {  // the client's close is being handled
      this.readyState = 3;
      if (this.#peer) this.#tell(() => this.#peer.takeClose(code, reason));
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
    if (!this.#key || this.readyState !== 1) return;
    if (this.#peer?.isFar) this.hub.far.keep(this);
    else if (!this.#peer) this.hub.effect(Effect.ATTACHMENT, this.#key, bytes);
  }

  // Its close is being handled.
  closing() { this.readyState = 2; }

  // ... and was.
  gone() {
    this.readyState = 3;
    if (!this.hub.sockets.delete(this.#key)) return;
    if (this.live || (this.#peer && !this.#peer.isFar)) this.hub.release();
    if (this.#peer && !this.#closedHere) this.#tell(() => this.#peer.takeClose(CloseCode.NO_STATUS, ''));
    if (this.#peer?.isFar) this.hub.far.forget(this, this.#heard);
  }

  // Whoever listened has failed, or leaves.
  giveUp(code = CloseCode.FAILED) {
    if (this.readyState === 1 && !this.#peer) this.hub.effectOf(0, Effect.CLOSE, this.#key, code, '');
    if (this.readyState === 1 && this.#peer?.isFar) {
      this.#closedHere = true;
      this.#tell(() => this.#peer.takeClose(code, ''));
    }
    this.gone();
  }

  // No client has come for it.
  neverOpened() {
    this.readyState = 3;
    if (this.live) this.webSocket.receiveClose(CloseCode.LOST, '', false);
  }

  // The object has gone.
  dropped() {
    if (this.live || !this.#peer?.isFar) this.#peer?.takeClose(CloseCode.LOST, 'The object has been reset.');
  }

  #answers = false;     // an automatic response is set where the socket is
  #closedHere = false;

  // A client that is no gateway's gets it when what was written before is durable.
  #tell(say) {
    const durable = this.hub.durable();
    let saying;
    this.#line = this.#line.then(() => durable).then(() => { saying = say(); }, () => {});
    if (!this.#peer.isFar) return;
    this.#heard = this.#line.then(() => saying);
    this.hub.outgoing(this.#heard);
  }

  #close(code, reason) {
    if (this.#peer) this.#tell(() => this.#peer.takeClose(code, reason));
    else this.hub.effect(Effect.CLOSE, this.#key, code, reason);
    // Objects hear of the end that they have made; the statekeeper takes it for granted.
    this.hub.deliverClose(this.#key, code, reason);
  }
}
