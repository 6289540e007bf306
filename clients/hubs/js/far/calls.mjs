// What the two ends of a socket say to each other when its client is a Worker or an object. The client's end calls the
// object, by its name, wherever it is; what the object says goes to an object of the host's own in the client's process
// (internal/socket_homes.mjs).
//
// A call to the object begins with a byte that no other payload begins with. It is no business of the object's code.
import {deserialize, serialize} from 'node:v8';

const MARK = 0x10;
const MARKED = Buffer.from([MARK]);

// OPEN {reservation, home}: the client's end is there. MESSAGE {data}, CLOSE {code, reason}: see far_sockets.mjs for
// their numbers. MOVE {home}: what comes back has to go there. LOST {home}: the client's end is no more. PING.
export const Ask = {OPEN: 1, MESSAGE: 2, CLOSE: 3, MOVE: 4, LOST: 5, PING: 6};

export const LARGEST = 32 * 1024 * 1024 - 64 * 1024;  // bytes of a message; a Call can have 32 MiB
export const MOST_WAITING = 64 * 1024 * 1024;         // bytes that one end may leave the other one to take
export const TOO_MUCH = 'Too much is waiting for the other end of this WebSocket.';
export const PATIENCE = 30_000;  // ms for the other end to be found again, where its process has changed

export function isFarCall(payload) { return payload.length > 1 && payload[0] === MARK; }

export function farCall(fields) { return Buffer.concat([MARKED, serialize(fields)]); }

export function readFarCall(payload) { return deserialize(payload.subarray(1)); }

export function farAnswer(fields = {}) { return serialize(fields); }

export function readFarAnswer(payload) { return deserialize(payload); }

export function sizeOf(data) { return typeof data === 'string' ? Buffer.byteLength(data) : data.byteLength; }
