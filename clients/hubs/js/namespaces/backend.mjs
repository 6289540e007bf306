// Calls of backends (clients/api.md), as bytes of a Call (worker.proto): JSON both ways, where objects among themselves
// speak structured clones.
import {isId} from './ids.mjs';

const CLONE = 0xff;  // the first byte of any structured clone, and of no JSON
const FORM = 'A call of a backend is {"method": NAME, "args": [...]}';

export const isOfBackend = (payload) => payload.length > 0 && payload[0] !== CLONE;

// {kind: 'backend', method, args}, or what is wrong with it: {kind: 'backend', wrong}
export function readBackendCall(payload, {hubClass, hubName, className}) {
  const kind = 'backend';
  // Nobody else would ever find this object, and so nobody who meant another would learn of it.
  if (!isId(hubClass, hubName)) {
    return {kind, wrong: `${hubName} is no id of a ${className}. Of the one that the project finds by that name, say ` +
                         `${className}/name:${hubName}`};
  }
  let call;
  try {
    call = JSON.parse(payload.toString());
  } catch (error) {
    return {kind, wrong: `${FORM}: ${error.message}`};
  }
  if (typeof call?.method !== 'string') return {kind, wrong: FORM};
  const {method, args = []} = call;
  return Array.isArray(args) ? {kind, method, args} : {kind, wrong: `${FORM}; args is no array`};
}

export const backendReply = (value) => Buffer.from(JSON.stringify({value: value ?? null}));

export function backendError(thrown) {
  const isError = thrown instanceof Error;
  return Buffer.from(JSON.stringify({
    error: {type: isError ? thrown.name : typeof thrown, message: isError ? thrown.message : String(thrown)},
  }));
}
