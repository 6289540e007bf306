// WebSockets that an object has accepted and that no client has yet: its answer to the upgrade is on its way to the
// gateway, which then opens the socket and says which answer it was. Until then the object is not to sleep.
//
// The name of a reservation carries what a new object would need, where that is little: an object that is lost on the
// way costs the client nothing then.
import {randomBytes} from 'node:crypto';
import {clearTimeout, setTimeout} from 'node:timers';
import {deserialize, serialize} from 'node:v8';

import {HubConnection} from '../web/hub_connection.mjs';

const VALID_FOR = 60_000;      // ms
const LARGEST_CARRIED = 3072;  // bytes; it travels in a header

export class Reservations {
  #hub;
  #pending = new Map();  // {connection, timer} by number

  constructor(hub) { this.#hub = hub; }

  // Of a connection: what names it.
  make(connection) {
    const number = randomBytes(9).toString('base64url');
    const timer = setTimeout(() => {
      this.#forget(number);
      connection.neverOpened();
    }, VALID_FOR);
    timer.unref();
    this.#hub.hold();
    this.#pending.set(number, {connection, timer});
    if (connection.live) return number;
    const carried = serialize(connection.snapshot());
    return carried.length > LARGEST_CARRIED ? number : `${number}.${carried.toString('base64url')}`;
  }

  // Whether it is of a connection that keeps its object awake anyway.
  isLive(reservation) { return this.#pending.get(reservation)?.connection.live === true; }

  // Undefined: it is not known, and does not carry enough.
  redeem(reservation) {
    const [number, carried] = reservation.split('.');
    const pending = this.#pending.get(number);
    if (pending) {
      this.#forget(number);
      return pending.connection;
    }
    if (!carried) return undefined;
    return HubConnection.restored(this.#hub, deserialize(Buffer.from(carried, 'base64url')));
  }

  #forget(number) {
    const pending = this.#pending.get(number);
    if (!pending) return;
    clearTimeout(pending.timer);
    this.#pending.delete(number);
    this.#hub.release();
  }
}
