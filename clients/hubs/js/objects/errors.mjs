// Whatever was thrown, as text for a log.
export function explain(thrown) {
  if (thrown instanceof Error) return thrown.stack || String(thrown);
  try {
    return String(thrown);
  } catch {
    return 'what was thrown cannot be shown';
  }
}
