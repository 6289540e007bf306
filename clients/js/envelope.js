// The frames of hub class `signal`: envelopes, and the addresses in them.

export const HUB_ADDRESS = 'cloudflare/signal-hub';

// "@(browser/anna)" and "browser/anna" are the same actor.
export function bareAddress(address) {
  return address.startsWith('@(') && address.endsWith(')') ? address.slice(2, -1) : address;
}

// Like `model`: bare or canonical.
export function inFormOf(model, address) {
  return model.startsWith('@(') ? `@(${bareAddress(address)})` : bareAddress(address);
}

// Unique, not secret. crypto.randomUUID exists on secure origins only, and Node 18 has no global crypto.
export function uniqueId() {
  const bytes = new Uint8Array(16);
  if (globalThis.crypto?.getRandomValues) crypto.getRandomValues(bytes);
  else bytes.forEach((_, at) => { bytes[at] = Math.random() * 256; });
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

export function envelope({type, from, to, payload = {}, pattern = 'ask', metadata = {}, ttl = null}) {
  return {id: uniqueId(), type, from, to, payload, pattern, correlationId: null, timestamp: Date.now(), metadata,
          ttl, signature: null};
}

// null: not an envelope.
export function parseEnvelope(text) {
  try {
    const frame = JSON.parse(text);
    return typeof frame?.type === 'string' ? frame : null;
  } catch {
    return null;
  }
}

// More than `limit` bytes of UTF-8? Counts only where it may be.
export function isLargerThan(text, limit) {
  return text.length * 3 > limit && new TextEncoder().encode(text).length > limit;
}

// Whether a subscription to `pattern` covers `topic`. Where a hub allows wildcards, "+" is one level and a last "#"
// any number of them.
export function coversTopic(pattern, topic) {
  if (pattern === topic) return true;
  const wanted = pattern.split('/');
  const levels = topic.split('/');
  for (const [at, part] of wanted.entries()) {
    if (part === '#' && at === wanted.length - 1) return true;
    if (at >= levels.length || (part !== '+' && part !== levels[at])) return false;
  }
  return wanted.length === levels.length;
}
