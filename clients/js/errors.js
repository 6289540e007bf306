// What a hub refuses, and what the client refuses by itself, as one kind of error.

// The same request may well succeed a moment later.
const RETRYABLE = new Set(['rate_limited', 'timeout', 'connection_lost', 'queue_full']);

export class DormouseError extends Error {
  // `code`: the hub's (PROTOCOL: "unknown_actor", "rate_limited" ...), or one of the client's own:
  // connection_lost, queue_full, disconnected, duplicate_connection, request_failed, no_websocket, bad_frame.
  constructor(code, message, {resolution = '', details = {}, retryable = RETRYABLE.has(code), cause} = {}) {
    super(message, cause === undefined ? undefined : {cause});
    this.name = 'DormouseError';
    this.code = code;
    this.resolution = resolution;  // one line for the author of the program
    this.details = details;
    this.retryable = retryable;
  }
}

// The error that an answer of the hub stands for; null: it is none.
export function errorOf({type, payload}) {
  if (type === 'hub:unknown_actor') {
    return new DormouseError('unknown_actor', payload?.message ?? 'Nobody is registered under this address.', {
      resolution: 'Look with discover() who is registered; registrations expire unless renewed.',
      details: payload ?? {},
    });
  }
  if (type !== 'hub:error') return null;
  const {code = 'internal_error', message = 'The hub gave no reason.', resolution, details} = payload ?? {};
  return new DormouseError(code, message, {resolution: resolution ?? '', details: details ?? {}});
}
