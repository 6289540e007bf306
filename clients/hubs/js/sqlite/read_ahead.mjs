// Reads pages for SQLite, which asks for one at a time: those that follow come along when it goes through the file in
// order, as a query that looks at a whole table does. What is ahead is kept until it is asked for, once.
const MOST = 64;
// Between the pages of a table lie some of its index, or of how the file is laid out.
const GAP = 4;

export class ReadAhead {
  #readPages;
  #ahead = new Map();  // number -> what was read
  #last = 0;           // that was asked for
  #window = 1;         // how many the next reading takes

  // `readPages(first, count)`: an array of up to `count` pages, each a Uint8Array or null.
  constructor(readPages) { this.#readPages = readPages; }

  // `pageCount`: how many there are.
  read(number, pageCount) {
    const inOrder = number > this.#last && number <= this.#last + GAP;
    this.#last = number;
    if (this.#ahead.has(number)) {
      const page = this.#ahead.get(number);
      this.#ahead.delete(number);
      return page;
    }
    this.#window = inOrder ? Math.min(this.#window * 2, MOST) : 1;
    this.#ahead.clear();
    const [page, ...ahead] = this.#readPages(number, Math.max(Math.min(this.#window, pageCount - number + 1), 1));
    ahead.forEach((each, i) => this.#ahead.set(number + 1 + i, each));
    return page ?? null;
  }

  // The rows may be others from now on.
  forget() { this.#ahead.clear(); }
}
