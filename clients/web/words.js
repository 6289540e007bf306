// Values as a reader wants them.

const CLOSE_CODES = {
  1000: 'normal closure', 1001: 'going away', 1005: 'no code given', 1006: 'connection lost',
  1008: 'not allowed', 1009: 'message too big', 1011: 'server error', 1012: 'restart',
  1013: 'try again later',
};

export function asText(value) { return typeof value === 'string' ? value : JSON.stringify(value); }

// What was typed, as JSON where it is JSON.
export function asData(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

export function closing({code, reason}) { return `${code} ${reason || CLOSE_CODES[code] || ''}`.trim(); }

export function milliseconds(value) {
  if (!Number.isFinite(value)) return '–';
  return `${value < 10 ? value.toFixed(1) : Math.round(value)} ms`;
}

export function bytes(count) {
  if (count < 1024) return `${count} B`;
  return count < 1 << 20 ? `${(count / 1024).toFixed(1)} KiB` : `${(count / (1 << 20)).toFixed(1)} MiB`;
}

export function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor(seconds / 60) % 60} min`;
}
