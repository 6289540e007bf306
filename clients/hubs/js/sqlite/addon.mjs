// Loads the addon of C++: from where DORMOUSE_SQLITE_ADDON says; else the file beside this one; else from where it is
// installed, lib/dormouse for share/dormouse/hubs/js/sqlite; else from the checkout's release build.
import {existsSync} from 'node:fs';
import {constants} from 'node:os';
import {fileURLToPath} from 'node:url';

const NAME = 'dormouse_sqlite.node';
const PLACES = [`./${NAME}`, `../../../../../lib/dormouse/${NAME}`, `../../../../build/release/lib/${NAME}`];

function find() {
  return process.env.DORMOUSE_SQLITE_ADDON ||
    PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url))).find((path) => existsSync(path));
}

function load() {
  const path = find();
  if (!path) {
    throw new Error(`storage.sql, storage.kv and getWebSocketAutoResponseTimestamp need ${NAME}, which is not there: install ` +
                    'libnode-dev and build the target dormouse_sqlite, or say in DORMOUSE_SQLITE_ADDON where it is.');
  }
  const loaded = {exports: {}};
  // A Node that has an SQLite of its own would lend it to the addon, which is made for Debian's.
  const own = process.versions.sqlite ? constants.dlopen.RTLD_DEEPBIND ?? 0 : 0;
  process.dlopen(loaded, path, constants.dlopen.RTLD_NOW | own);
  return loaded.exports;
}

let addon = null;

// {Database, SyncChannel}, loaded when it is first wanted: a project without SQL can do without.
export function sqliteAddon() {
  addon ??= load();
  return addon;
}
