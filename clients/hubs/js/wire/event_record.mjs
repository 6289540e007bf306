// One event of an object, from its arrival until it is done. It is also the context in which its handler runs
// (objects/context.mjs): what is asked for inside is charged to it.
export const Kind = {NONE: 0, OPEN: 6, MESSAGE: 7, CLOSE: 8, ALARM: 9, REQUEST: 10, BACKPRESSURE: 11, TIMER: 12,
  CALL: 100};  // of a facet, by the object that it belongs to

export class EventRecord {
  low = 0;  // of the object's name
  high = 0;
  number = 0;
  nowMs = 0;
  repeated = false;
  kind = Kind.NONE;
  connection = '';  // 16 bytes, a character for each
  data = null;      // of a message: string or ArrayBuffer
  body = null;      // of other kinds
  wake = null;

  // As a context:
  life = null;      // in which its handler runs
  gate = null;
  done = false;
  givenUp = false;  // its handler took too long; what it waits for does not come
  result = undefined;
  error = null;     // boxed, as anything can be thrown
  outgoing = null;  // promises of what it has said to clients elsewhere; it is not done before
  handled = null;   // of a message of such a client: called when it is done, for the answer
  nextMs = -1;      // of an alarm or timer: what its handler has set it to, which goes with its last turn
  isOfBackend = false;  // a request: namespaces/backend.mjs

  get record() { return this; }
}
