// What a caller may get wrong before anything is sent: the hub would only hang up, or answer 404, and a client would try
// again and again.

// Of UTF-8, in either form. Throws a TypeError that says what is wrong.
export function checkedActor(actor) {
  if (typeof actor !== 'string') throw new TypeError('The option actor is missing, such as "browser/anna".');
  const bare = actor.startsWith('@(') && actor.endsWith(')') ? actor.slice(2, -1) : actor;
  if (!bare) throw new TypeError('The option actor is empty; it names this client, such as "browser/anna".');
  // eslint-disable-next-line no-control-regex
  if (/[\u0000-\u001f\u007f]/.test(bare) || new TextEncoder().encode(bare).length > 256) {
    throw new TypeError('The option actor has control characters, or more than 256 bytes.');
  }
  return actor;
}

// `route`: the path segment before the hub's name, "ws" of /ws/NAME or "websocket"; where the path has only the other one, that
// counts. A path without either is the gateway's business. In a page an address may be relative to the page's, from "/" on.
export function checkedUrl(url, route) {
  const text = String(url);
  const isRelative = /^\/(?!\/)/.test(text) && globalThis.location !== undefined;
  if (!isRelative && !(/^(wss?|https?):\/\/[^/?#]/i.test(text) && isUrl(text))) {
    throw new TypeError(`The address "${text}" does not begin with ws://HOST or wss://HOST, a port up to 65535 behind it.`);
  }
  const path = text.replace(/^[^/]*\/\/[^/]*/, '').replace(/\?.*$/s, '');
  const nameAfter = (segment) => new RegExp(`/${segment}/(.*)$`, 's').exec(path)?.[1];
  const name = nameAfter(route) ?? nameAfter(route === 'ws' ? 'websocket' : 'ws');
  if (name !== undefined && !isHubName(name)) {
    throw new TypeError(
      `"${name}" is no name of a hub: 1 to 128 of the characters A-Z a-z 0-9 . _ ~ - but neither "." nor "..".`);
  }
  return text;
}

function isUrl(text) {
  try {
    return Boolean(new URL(text));
  } catch {
    return false;
  }
}

function isHubName(encoded) {
  try {
    const name = decodeURIComponent(encoded);
    return /^[A-Za-z0-9._~-]{1,128}$/.test(name) && name !== '.' && name !== '..';
  } catch {
    return false;
  }
}
