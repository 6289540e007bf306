// What sql.exec returns. Rows are read when they are asked for, one ahead. When the database is written meanwhile, a
// cursor may see that or not; rolling back what it has begun in ends it with an error.

// A row as an object. Of columns with the same name the last counts.
function rowObject(columns, values) {
  const row = {};
  for (let i = 0; i < values.length; ++i) {
    // An assignment would mean the object's prototype.
    if (columns[i] === '__proto__') {
      Object.defineProperty(row, columns[i], {value: values[i], enumerable: true, writable: true, configurable: true});
    } else {
      row[columns[i]] = values[i];
    }
  }
  return row;
}

const ITERATOR = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

class RawIterator {
  #take;
  #rest;

  constructor(take, rest) {
    this.#take = take;
    this.#rest = rest;
  }

  next() {
    const value = this.#take();
    return value === undefined ? {done: true} : {done: false, value};
  }
  toArray() { return this.#rest(); }
  [Symbol.iterator]() { return this; }
}
// For the functions that a newer Node's iterators have.
Object.setPrototypeOf(RawIterator.prototype, ITERATOR);

export class Cursor {
  #statement;
  #database;     // keeps it, and what reads its pages
  #columns;
  #row;          // the next one, as an array; undefined: there is none
  #rows = null;  // those after it, where they had to be read at once
  #at = 0;
  #ended = null; // {rowsRead, rowsWritten}, when the statement serves another cursor
  #end;

  // `end(statement)`: it has no more rows, or is not needed any more.
  constructor(statement, bindings, database, end) {
    this.#statement = statement;
    this.#database = database;
    this.#end = end;
    try {
      this.#row = statement.start(...bindings);
      if (statement.writes && this.#row !== undefined) this.#rows = statement.rest();
    } catch (error) {
      this.#finish();
      throw error;
    }
    this.#columns = statement.columns;
    if (this.#row === undefined || this.#rows !== null) this.#finish();
  }

  get columnNames() { return [...this.#columns]; }
  get rowsRead() { return (this.#ended ?? this.#statement).rowsRead; }
  get rowsWritten() { return (this.#ended ?? this.#statement).rowsWritten; }

  next() {
    const values = this.#take();
    return values === undefined ? {done: true} : {done: false, value: rowObject(this.#columns, values)};
  }
  [Symbol.iterator]() { return this; }

  toArray() {
    const rows = this.#rest();
    for (let i = 0; i < rows.length; ++i) rows[i] = rowObject(this.#columns, rows[i]);
    return rows;
  }

  one() {
    const values = this.#take();
    if (values === undefined) throw new Error('Expected exactly one result from SQL query, but got no results.');
    if (this.#row !== undefined) {
      throw new Error('Expected exactly one result from SQL query, but got multiple results.');
    }
    return rowObject(this.#columns, values);
  }

  raw() { return new RawIterator(() => this.#take(), () => this.#rest()); }

  // The next row, as an array.
  #take() {
    const row = this.#row;
    if (row === undefined) return row;
    this.#row = undefined;
    if (this.#rows !== null) {
      this.#row = this.#rows[this.#at++];
    } else if (this.#ended === null) {
      try {
        this.#row = this.#statement.next();
      } catch (error) {
        this.#abandon();
        throw error;
      }
      if (this.#row === undefined) this.#finish();
    }
    return row;
  }

  #rest() {
    const row = this.#row;
    if (row === undefined) return [];
    this.#row = undefined;
    let rest = [];
    if (this.#rows !== null) {
      rest = this.#rows.slice(this.#at);
    } else if (this.#ended === null) {
      try {
        rest = this.#statement.rest();
      } catch (error) {
        this.#abandon();
        throw error;
      }
      this.#finish();
    }
    if (rest.length === 0) return [row];
    rest.unshift(row);
    return rest;
  }

  #finish() {
    this.#abandon();
    this.#end(this.#statement);
  }

  // What has failed in the middle may be of a database that is not there any more, and serves nobody else.
  #abandon() { this.#ended = {rowsRead: this.#statement.rowsRead, rowsWritten: this.#statement.rowsWritten}; }
}
Object.setPrototypeOf(Cursor.prototype, ITERATOR);
