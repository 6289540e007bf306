// The SQLite database of one hub, as rows: one for each page, and one that says how many there are. What it has changed
// goes with the object's next turn; what it has to read, it reads where it stands.
import {Effect} from '../wire/from_worker.mjs';
import {PAGE, PAGES} from './keys.mjs';
import {HubDatabase} from './sqlite_addon.mjs';

const HEX = 16;

export class SqlPages {
  #hub;
  #database;
  #pageCount;
  #changed = new Set();  // pages that are not any more as they came with the wake
  #unconfirmed = [];     // {turn, number}: of turns, and of what was taken for them
  #begun = false;        // a transaction

  constructor(hub) {
    this.#hub = hub;
    hub.waitForRow(PAGES);
    const row = hub.rows.get(PAGES);
    this.#pageCount = row ? Number(row.toString('latin1')) : 0;
    this.#database = new (HubDatabase())({pageCount: this.#pageCount, readPage: (number) => this.#readPage(number)});
  }

  get hasChanges() { return this.#database.hasChanges && this.#database.transactionDepth === 0; }

  get databaseSize() { return this.#database.sql.databaseSize; }

  get classes() { return this.#database.sql; }

  exec(query, bindings) {
    if (this.#hub.inTransaction && !this.#begun) {
      this.#begun = true;
      this.#database.begin();
    }
    return this.#database.sql.exec(query, ...bindings);
  }

  commit() { this.#end(() => this.#database.commit()); }

  rollBack() { this.#end(() => this.#database.rollback()); }

  clear() { this.#database.clear(); }

  // Adds what has changed to the effects of a turn, which is to be numbered.
  collect(effects, turn) {
    const {number, pageCount, pages} = this.#database.takeChanges();
    for (const [page, bytes] of pages) {
      const key = pageKey(page);
      this.#changed.add(page);
      effects.push(bytes ? Effect.PUT : Effect.DELETE, key, bytes ?? undefined, undefined);
    }
    if (pageCount !== this.#pageCount) {
      this.#pageCount = pageCount;
      effects.push(Effect.PUT, PAGES, Buffer.from(String(pageCount), 'latin1'), undefined);
    }
    this.#unconfirmed.push({turn, number});
  }

  // Turns up to this one are durable.
  confirm(turn) {
    let last = null;
    while (this.#unconfirmed.length > 0 && this.#unconfirmed[0].turn <= turn) last = this.#unconfirmed.shift();
    if (last) this.#database.confirmChanges(last.number);
  }

  close() { this.#database.close(); }

  #end(end) {
    if (!this.#begun) return;
    this.#begun = false;
    if (this.#database.transactionDepth > 0) end();
  }

  #readPage(page) {
    const key = pageKey(page);
    const known = this.#changed.has(page) ? undefined : this.#hub.rows.get(key);
    if (known !== undefined) return known;
    const {rows} = this.#hub.readNow({keys: [key]});
    return rows.length > 0 ? rows[0].value : null;
  }
}

function pageKey(page) { return PAGE + page.toString(HEX).padStart(8, '0'); }
