// The addon of clients/hubs/js/sqlite, where it is there: projects without SQL do without.
const addon = await import('../sqlite/index.mjs').catch((error) => ({error}));

function need(name) {
  if (addon.error) throw new Error(`storage.sql is not there, as its addon cannot be loaded: ${addon.error.message}`);
  return addon[name];
}

export function HubDatabase() { return need('HubDatabase'); }

export function openSyncChannel(path) { return need('openSyncChannel')(path); }
