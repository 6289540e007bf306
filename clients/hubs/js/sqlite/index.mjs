// The SQLite of Durable Objects: a database in this process whose pages are rows of the hub.
//
// Pages are read when a query touches them, by a function that returns at once; what has changed is taken out, page by
// page, to be written to the hub in the same turn as the rest of what the object did. All that was written between two
// such takings is one transaction: after a crash it is there as a whole or not at all.
import {sqliteAddon} from './addon.mjs';
import {ReadAhead} from './read_ahead.mjs';
import {SqlStorage} from './sql_storage.mjs';
import {StatementCache} from './statement_cache.mjs';

export {Cursor} from './cursor.mjs';
export {SqlStorage} from './sql_storage.mjs';

export const PAGE_SIZE = 4096;
const CACHE_BYTES = 16 << 20;

export class HubDatabase {
  #native;
  #readPage;   // the addon does not keep it
  #ahead = null;
  #pageCount;  // that have rows
  #statements = new StatementCache();
  #sql;

  // `pageCount`: what the last changes said; 0: a new database. `readPage(number)`: a Uint8Array of PAGE_SIZE bytes, or
  // null where there is no such row; numbers begin with 1. Instead of it `readPages(first, count)`, an array of these:
  // for who can have several rows in the time of one. `cacheBytes`: of pages that may be kept in memory, beside those
  // that have changed and are not confirmed.
  constructor({pageCount = 0, readPage, readPages, cacheBytes = CACHE_BYTES}) {
    this.#pageCount = pageCount;
    if (readPages) {
      this.#ahead = new ReadAhead(readPages);
      readPage = (number) => this.#ahead.read(number, this.#pageCount);
    }
    this.#readPage = readPage;
    this.#native = new (sqliteAddon().Database)(pageCount, readPage, cacheBytes);
    this.#sql = new SqlStorage(this.#native, this.#statements);
  }

  get sql() { return this.#sql; }

  // Something is to be taken. (It may prove to be nothing: a statement that writes was carried out, say, but met no
  // row.)
  get hasChanges() { return this.#native.hasChanges; }

  // What has changed since the last time: {number, pageCount, pages: [[number, Uint8Array | null], ...]}; null: the
  // page has no row any more. Throws within a transaction; and when constraints are violated that were to be checked
  // at the end: the object has to be given up then, and this database with it.
  takeChanges() {
    const changes = this.#native.takeChanges();
    this.#pageCount = changes.pageCount;
    return changes;
  }

  // readPage returns from now on what was taken up to that number, so that this need not be kept here. Until it is
  // called, every page that was ever written stays in memory.
  confirmChanges(number) {
    this.#native.confirmChanges(number);
    // Up to now the page here came first, and what is ahead may be from before it.
    this.#ahead?.forget();
  }

  // Transactions, one within the other.
  begin() { this.#native.begin(); }
  commit() { this.#native.commit(); }
  rollback() { this.#native.rollback(); }
  get transactionDepth() { return this.#native.depth; }

  // Carries out `change` within a transaction, which is undone when it throws.
  transactionSync(change) {
    this.begin();
    const depth = this.transactionDepth;
    let result;
    try {
      result = change();
    } catch (error) {
      // SQLite may have ended it already.
      if (this.transactionDepth === depth) this.rollback();
      throw error;
    }
    this.commit();
    return result;
  }

  // Removes everything, for storage.deleteAll. Cursors end.
  clear() {
    this.#native.clear();
    this.#statements.clear();
  }

  // Pages that are kept because they have changed and are not confirmed.
  get keptPages() { return this.#native.keptPages; }

  // What is not taken is lost. Cursors end.
  close() { this.#native.close(); }
}

// Asks over a unix socket and waits for the answer, in the frames of proto/worker.proto.
//
//   new SyncChannel(path, timeoutMs = 30000)
//   request(bytes) -> Buffer     throws when it fails or takes too long; the channel is closed then
//   send(bytes)                  awaits no answer
//   close()
export function openSyncChannel(path, timeoutMs) {
  const {SyncChannel} = sqliteAddon();
  return timeoutMs === undefined ? new SyncChannel(path) : new SyncChannel(path, timeoutMs);
}
