// Prepared statements by their text, for the next time. One that is in use is not in here: whoever wants the same
// meanwhile gets another.
const STATEMENTS = 128;
const LONGEST = 8192;  // characters of a text that is kept

export class StatementCache {
  #kept = new Map();  // text -> statement; the one that was used last is last

  take(text) {
    const statement = this.#kept.get(text);
    if (statement !== undefined) this.#kept.delete(text);
    return statement;
  }

  give(text, statement) {
    if (!statement.isReusable || text.length > LONGEST) return;
    this.#kept.set(text, statement);
    if (this.#kept.size > STATEMENTS) this.#kept.delete(this.#kept.keys().next().value);
  }

  clear() { this.#kept.clear(); }
}
