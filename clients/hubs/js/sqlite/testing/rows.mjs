// The rows of a hub, as far as a database of it is concerned: what the host and the statekeeper do with pages.
import {HubDatabase, PAGE_SIZE} from '../index.mjs';

export class Rows {
  pages = new Map();  // number -> Uint8Array
  pageCount = 0;
  reads = 0;          // of pages, since the last opening

  open(options = {}) {
    this.reads = 0;
    const readPage = (number) => {
      ++this.reads;
      return this.pages.get(number) ?? null;
    };
    return new HubDatabase({pageCount: this.pageCount, readPage, ...options});
  }

  // With several pages read at a time.
  openAhead(options = {}) {
    this.reads = 0;
    const readPages = (first, count) => {
      ++this.reads;
      return Array.from({length: count}, (_, i) => this.pages.get(first + i) ?? null);
    };
    return new HubDatabase({pageCount: this.pageCount, readPages, ...options});
  }

  // A turn's end. How many pages went out with it.
  store(database) {
    const {number, pageCount, pages} = database.takeChanges();
    for (const [page, bytes] of pages) {
      if (bytes === null) {
        this.pages.delete(page);
      } else if (bytes.byteLength === PAGE_SIZE && bytes.buffer.byteLength === PAGE_SIZE) {
        this.pages.set(page, bytes);
      } else {
        throw new Error(`Page ${page} has ${bytes.byteLength} bytes.`);
      }
    }
    this.pageCount = pageCount;
    database.confirmChanges(number);
    return pages.length;
  }
}
