// What a page is told when its connection may have died unnoticed: the network is back, the page is shown or thawed
// again. Elsewhere, as in Node, nothing is told, and the jump of the clock has to do.

// Calls `callback` at each; returns a function that ends it.
export function pageWakings(callback) {
  if (typeof document === 'undefined' || typeof addEventListener !== 'function') return () => {};
  const shown = () => {
    if (document.visibilityState === 'visible') callback();
  };
  const places = [
    [globalThis, 'online', callback], [globalThis, 'pageshow', callback],
    [document, 'visibilitychange', shown], [document, 'resume', callback],
  ];
  for (const [target, name, listener] of places) target.addEventListener(name, listener);
  return () => {
    for (const [target, name, listener] of places) target.removeEventListener(name, listener);
  };
}
