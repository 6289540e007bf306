// Counts what each socket sends, and what all send, durably. A message is "KIND NUMBER PAYLOAD", its answer
// "NUMBER: PAYLOAD COUNT TOTAL VERSION".
import { Base } from "./base.js";

export const VERSION = 1;

export class Counter extends Base {
  constructor(ctx, env) {
    super(ctx, env);
    ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS counts (id TEXT PRIMARY KEY, count INTEGER NOT NULL)");
  }

  async webSocketMessage(ws, text) {
    const [kind, number, payload] = text.split(" ");
    const { id } = ws.deserializeAttachment();
    const [count, total] = await this[kind](id);
    ws.send(`${number}: ${payload} ${count} ${total} ${VERSION}`);
  }

  // Read, written and answered behind the input gate: once, whatever ends.
  async put(id) {
    const { storage } = this.ctx;
    const count = ((await storage.get(id)) ?? 0) + 1;
    const total = ((await storage.get("total")) ?? 0) + 1;
    storage.put({ [id]: count, total });
    return [count, total];
  }

  // The first count is durable long before the answer is said; when the worker ends meanwhile, it is made again.
  async wait(id) {
    const { storage } = this.ctx;
    const count = ((await storage.get(id)) ?? 0) + 1;
    await storage.put(id, count);
    await storage.sync();
    await new Promise((resolve) => setTimeout(resolve, 30));
    return [(await storage.get(id)), 0];
  }

  sql(id) {
    return this.ctx.storage.transactionSync(() => {
      const { sql } = this.ctx.storage;
      for (const name of [id, "total"]) {
        sql.exec("INSERT INTO counts VALUES (?, 1) ON CONFLICT (id) DO UPDATE SET count = count + 1", name);
      }
      const of = (name) => sql.exec("SELECT count FROM counts WHERE id = ?", name).one().count;
      return [of(id), of("total")];
    });
  }

  async answer() {
    const { storage } = this.ctx;
    const rows = storage.sql.exec("SELECT count FROM counts WHERE id = 'total'").toArray();
    return Response.json({ put: (await storage.get("total")) ?? 0, sql: rows.length ? rows[0].count : 0 });
  }
}
