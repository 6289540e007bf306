// A ledger of 100,000 rows: written in one transaction, read by cursors, by an index, by aggregates.
import { DurableObject } from "cloudflare:workers";

const ROWS = 100_000;

export class Ledger extends DurableObject {
  constructor(ctx, env) {
    super(ctx, env);
    this.sql = ctx.storage.sql;
    this.sql.exec("CREATE TABLE IF NOT EXISTS entries (id INTEGER PRIMARY KEY, account INTEGER, amount INTEGER, note TEXT)");
  }

  fill() {
    this.ctx.storage.transactionSync(() => {
      for (let id = 1; id <= ROWS; id++) {
        this.sql.exec("INSERT INTO entries VALUES (?, ?, ?, ?)", id, id % 1000, (id * 7919) % 10_007, `entry number ${id}`);
      }
    });
    this.sql.exec("CREATE INDEX by_account ON entries (account)");
    return this.sql.exec("SELECT count(*) AS n FROM entries").one().n;
  }

  totals() {
    return this.sql.exec("SELECT count(*) AS n, sum(amount) AS sum, min(note) AS least, max(id) AS last FROM entries").one();
  }

  iterate() {
    let rows = 0;
    let sum = 0;
    const cursor = this.sql.exec("SELECT id, amount FROM entries");
    for (const { amount } of cursor) {
      rows += 1;
      sum += amount;
    }
    return { rows, sum, rowsRead: cursor.rowsRead };
  }

  account(number) {
    const cursor = this.sql.exec("SELECT id FROM entries WHERE account = ? ORDER BY id", number);
    const ids = cursor.toArray().map(({ id }) => id);
    return { entries: ids.length, first: ids[0], last: ids.at(-1), few: cursor.rowsRead <= 200 };
  }

  halve() {
    this.sql.exec("UPDATE entries SET amount = -amount WHERE account = 7");
    const { rowsWritten } = this.sql.exec("DELETE FROM entries WHERE id % 2 = 0");
    return { deleted: rowsWritten >= ROWS / 2, ...this.totals() };
  }

  undone() {
    try {
      this.ctx.storage.transactionSync(() => {
        this.sql.exec("DELETE FROM entries");
        throw new Error(`${this.sql.exec("SELECT count(*) AS n FROM entries").one().n} left`);
      });
    } catch (error) {
      return { caught: error.message, ...this.totals() };
    }
  }
}

export default {
  async fetch(request, env) {
    const [, method, argument] = new URL(request.url).pathname.split("/");
    const ledger = env.LEDGERS.get(env.LEDGERS.idFromName("main"));
    switch (method) {
      case "fill": return Response.json(await ledger.fill());
      case "totals": return Response.json(await ledger.totals());
      case "iterate": return Response.json(await ledger.iterate());
      case "account": return Response.json(await ledger.account(Number(argument)));
      case "halve": return Response.json(await ledger.halve());
      case "undone": return Response.json(await ledger.undone());
    }
    return new Response("what?", { status: 404 });
  },
};
