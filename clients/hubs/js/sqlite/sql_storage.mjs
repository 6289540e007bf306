// ctx.storage.sql of a Durable Object.
import {Cursor} from './cursor.mjs';

// There is nothing to be done with it, but that it is there.
class Statement {}

export class SqlStorage {
  #database;
  #cache;

  // `database`: the addon's; `cache`: of its statements.
  constructor(database, cache) {
    this.#database = database;
    this.#cache = cache;
  }

  // One or more statements; bindings are the last one's.
  exec(query, ...bindings) {
    const text = String(query);
    const statement = this.#cache.take(text) ?? this.#database.prepare(text);
    return new Cursor(statement, bindings, this, (done) => this.#cache.give(text, done));
  }

  get databaseSize() { return this.#database.size; }
}
SqlStorage.prototype.Cursor = Cursor;
SqlStorage.prototype.Statement = Statement;
