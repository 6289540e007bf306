// Names of a hub's rows. Inside the host they are strings with a character for each byte of the row's key, so that
// they compare as the store orders them.
export const MAX_KEY = 2048;  // bytes; a row's key has up to twice as many, and six more: 4,608 at most

export const VALUE = 'k:';
export const CHUNK = 'c:';  // of values that do not fit into a row
export const FAR = 'a:';    // of a socket whose client is an object or a Worker; before all others: a wake has them
export const NOTE = 'm:';   // of the host
export const PAGES = 's';   // how many pages of SQLite there are
export const PAGE = 's:';
export const FACET = 'z:';  // rows of facets; behind all others: a wake has the object's own first

// Rows' keys have no zero bytes: 00 and 01 are written as two bytes that keep the order.
export function rowKey(key) {
  const bytes = binary(key);
  if (bytes.length > MAX_KEY) {
    throw new RangeError(`Keys cannot be larger than ${MAX_KEY} bytes. A key of size ${bytes.length} was provided.`);
  }
  return VALUE + escape(bytes);
}

export function userKey(name) {
  const key = name.slice(VALUE.length).replace(/\x01([\x01\x02])/g, (_, second) => second === '\x01' ? '\0' : '\x01');
  return isAscii(key) ? key : Buffer.from(key, 'latin1').toString('utf8');
}

// Rows of a value that does not fit into its own. In a key that is written so, 01 is never followed by 03.
export function chunkPrefix(name) { return CHUNK + name.slice(VALUE.length) + '\x01\x03'; }

export function chunkKey(name, chunk) { return chunkPrefix(name) + String(chunk).padStart(2, '0'); }

// The first name above all that begin with this one; empty: there is none.
export function after(prefix) {
  for (let at = prefix.length - 1; at >= 0; at--) {
    const code = prefix.charCodeAt(at);
    if (code < 0xff) return prefix.slice(0, at) + String.fromCharCode(code + 1);
  }
  return '';
}

// For bounds of lists, which may be longer than a key.
export function boundKey(key) { return VALUE + escape(binary(key)); }

function binary(text) { return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1'); }

function escape(text) {
  return /[\0\x01]/.test(text) ? text.replace(/[\0\x01]/g, (code) => code === '\0' ? '\x01\x01' : '\x01\x02') : text;
}

function isAscii(text) { return /^[\0-\x7f]*$/.test(text); }
