// storage.transaction: all or nothing, by a throw and by rollback(); and what is seen inside and outside of one.
import { DurableObject } from "cloudflare:workers";

export class Bank extends DurableObject {
  async fetch(request) {
    const storage = this.ctx.storage;
    const all = async () => Object.fromEntries(await storage.list());
    switch (new URL(request.url).pathname) {
      case "/reset":
        await storage.deleteAll();
        await storage.put({ a: 10, b: 0 });
        break;
      case "/commit": {
        const moved = await storage.transaction(async (txn) => {
          const a = await txn.get("a");
          await txn.put("a", a - 1);
          await txn.put("b", (await txn.get("b")) + 1);
          return [a, await txn.get("a")];
        });
        return Response.json([moved, await all()]);
      }
      case "/throw": {
        let caught = "nothing";
        try {
          await storage.transaction(async (txn) => {
            await txn.put("a", 1000);
            await txn.delete("b");
            await txn.put({ c: 1, d: 2 });
            if ((await txn.get("a")) === 1000) throw new RangeError("enough");
          });
        } catch (error) {
          caught = `${error.name} ${error.message}`;
        }
        return Response.json([caught, await all()]);
      }
      case "/rollback": {
        const value = await storage.transaction(async (txn) => {
          await txn.put("a", 1000);
          txn.rollback();
          return "its value";
        });
        return Response.json([value, await all()]);
      }
      case "/list": {
        const inside = await storage.transaction(async (txn) => {
          await txn.put("a1", "new");
          await txn.delete("b");
          return [...(await txn.list({ prefix: "a" })).keys()];
        });
        return Response.json([inside, await all()]);
      }
      case "/sql":
        // SQL and keys in the same transaction.
        storage.sql.exec("CREATE TABLE IF NOT EXISTS t (x)");
        try {
          await storage.transaction(async () => {
            storage.sql.exec("INSERT INTO t VALUES (1)");
            await storage.put("a", "with sql");
            throw new Error("no");
          });
        } catch {
          // as it should
        }
        return Response.json([storage.sql.exec("SELECT count(*) AS n FROM t").one(), await all()]);
      case "/one-by-one": {
        // Two that are begun together: one after the other.
        const add = () => storage.transaction(async (txn) => {
          const b = await txn.get("b");
          await txn.put("b", b + 1);
          return b;
        });
        return Response.json([await Promise.all([add(), add(), add()]), await all()]);
      }
    }
    return Response.json(await all());
  }
}

export default {
  fetch: (request, env) => env.BANKS.get(env.BANKS.idFromName("bank")).fetch(request),
};
