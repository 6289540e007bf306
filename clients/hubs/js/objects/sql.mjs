// ctx.storage.sql.
export class Sql {
  #life;

  constructor(life) { this.#life = life; }

  exec(query, ...bindings) { return this.#pages.exec(query, bindings); }

  get databaseSize() { return this.#pages.databaseSize; }

  get Cursor() { return this.#pages.classes.Cursor; }

  get Statement() { return this.#pages.classes.Statement; }

  get #pages() {
    if (this.#life.over) throw new Error('This object has been reset.');
    return this.#life.hub.sql;
  }
}
