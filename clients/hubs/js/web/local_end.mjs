// One end of a WebSocketPair, as long as no client has the other one. What is sent before the other end listens waits
// there.
import {dataOf, received} from './message_data.mjs';

export class LocalEnd {
  webSocket = null;
  peer = null;
  accepted = false;
  attachment = null;
  readyState = 1;
  inbox = [];       // {data} or {close: [code, reason, clean]}
  #closedHere = false;

  accept() {
    this.accepted = true;
    for (const item of this.inbox.splice(0)) this.#deliver(item);
  }

  send(data) {
    if (!this.accepted) throw new TypeError('You must call accept() on this WebSocket before sending messages.');
    if (this.readyState !== 1) throw new TypeError("Can't call WebSocket send() after close().");
    this.peer.#take({data: dataOf(data)});
  }

  close(code, reason, clean = true) {
    if (!this.accepted) throw new TypeError('You must call accept() on this WebSocket before closing it.');
    if (this.#closedHere) return;
    this.#closedHere = true;
    this.readyState = this.readyState === 2 ? 3 : 2;
    this.peer.#take({close: [code, reason, clean]});
  }

  setAttachment(bytes) { this.attachment = bytes; }

  #take(item) {
    if (this.accepted) this.#deliver(item);
    else this.inbox.push(item);
  }

  #deliver({data, close}) {
    queueMicrotask(() => {
      if (close === undefined) {
        this.webSocket.receive(received(data));
        return;
      }
      this.readyState = this.readyState === 2 ? 3 : 2;
      this.webSocket.receiveClose(...close);
      this.close(close[0], close[1]);
    });
  }
}
