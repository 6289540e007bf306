// storage.sql: bindings, kinds of values, cursors, what throws, what a sleep leaves.
import { DurableObject } from "cloudflare:workers";

interface Env {
  BASES: DurableObjectNamespace<Base>;
}

const show = (value: unknown): unknown => {
  if (value instanceof ArrayBuffer) return { bytes: [...new Uint8Array(value)] };
  if (Array.isArray(value)) return value.map(show);
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, show(each)]));
  }
  return value;
};

export class Base extends DurableObject<Env> {
  private sql = this.ctx.storage.sql;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.sql.exec(`
      CREATE TABLE IF NOT EXISTS animals (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, weight REAL, picture BLOB);
      CREATE INDEX IF NOT EXISTS by_weight ON animals (weight);
    `);
  }

  async fetch(request: Request): Promise<Response> {
    const part = new URL(request.url).pathname.slice(1);
    const sql = this.sql;
    const all = (query: string, ...bindings: unknown[]) => sql.exec(query, ...bindings).toArray();
    const attempt = (what: () => unknown): unknown => {
      try {
        return show(what() ?? null);
      } catch (error) {
        return `throws ${(error as Error).name}`;
      }
    };
    const parts: Record<string, () => unknown> = {
      insert: () => {
        const cursor = sql.exec("INSERT INTO animals VALUES (1, 'dormouse', 0.02, ?), (2, ?, ?, NULL)",
          new Uint8Array([0, 1, 255]).buffer, "häsli 🦔", 0.7);
        const returned = all("INSERT INTO animals (name) VALUES (?) RETURNING id, name", "bär");
        return [cursor.rowsWritten > 0, cursor.toArray(), returned];
      },
      read: () => all("SELECT * FROM animals ORDER BY id"),
      cursor: () => {
        const cursor = sql.exec<{ id: number; name: string }>("SELECT id, name FROM animals ORDER BY id");
        const first = cursor.next();
        const names = cursor.columnNames;
        const rest = [...cursor];
        return [first, names, rest, cursor.next().done, cursor.rowsRead];
      },
      raw: () => {
        const cursor = sql.exec("SELECT name, id AS number, 1 + 1, NULL FROM animals ORDER BY id LIMIT 2");
        const rows = [...cursor.raw()];
        return [cursor.columnNames, rows, sql.exec("SELECT 1, 2").raw().toArray()];
      },
      mixed: () => {
        const cursor = sql.exec("SELECT id, name FROM animals ORDER BY id");
        return [cursor.raw().next(), cursor.toArray()];
      },
      one: () => [
        attempt(() => sql.exec("SELECT count(*) AS n FROM animals").one()),
        attempt(() => sql.exec("SELECT * FROM animals WHERE id = 99").one()),
        attempt(() => sql.exec("SELECT id FROM animals").one()),
      ],
      values: () => all("SELECT ? AS a, ? AS b, ? AS c, ? AS d, ? AS e, typeof(?) AS f, typeof(?) AS g, typeof(?) AS h",
        null, 1.5, "", new Uint8Array([9]), 2 ** 40, 7, 0.5, new ArrayBuffer(2)),
      numbers: () => all("SELECT 9007199254740991 AS safe, -1 AS minus, 1e300 AS large, 3.0 AS real, 1 = 1 AS yes, 7 / 2 AS whole"),
      numbered: () => all("SELECT ?2 AS second, ?1 AS first, ?2 AS again", "one", "two"),
      several: () => all("CREATE TABLE IF NOT EXISTS t (x); DELETE FROM t; INSERT INTO t VALUES (1), (2); SELECT sum(x) AS sum FROM t WHERE x < ?", 10),
      written: () => {
        const update = sql.exec("UPDATE animals SET weight = 1 WHERE id = 3");
        const read = sql.exec("SELECT * FROM animals WHERE id = 3");
        read.toArray();
        return [update.rowsWritten > 0, read.rowsRead, read.rowsWritten];
      },
      functions: () => all("SELECT json_extract('{\"a\": [1, 2]}', '$.a[1]') AS json, upper('x') AS upper, abs(-2) AS abs, group_concat(name, '+') AS names FROM (SELECT name FROM animals ORDER BY id)"),
      json: () => all("SELECT value FROM json_each(?) ORDER BY value DESC", JSON.stringify([3, 1, 2])),
      fts: () => {
        sql.exec("CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text)");
        sql.exec("DELETE FROM words");
        sql.exec("INSERT INTO words VALUES ('the quick fox'), ('a lazy dog')");
        return all("SELECT text FROM words WHERE words MATCH 'lazy'");
      },
      wrong: () => [
        "SELECT * FROM nowhere", "SELEKT 1", "INSERT INTO animals (name) VALUES ('dormouse')",
        "INSERT INTO animals (name) VALUES (NULL)", "BEGIN TRANSACTION", "COMMIT", "ROLLBACK", "SAVEPOINT s", "ATTACH 'x' AS y", "VACUUM",
        "", "   ",
      ].map((query) => [query, attempt(() => sql.exec(query).toArray().length)]),
      bindings: () => [
        attempt(() => sql.exec("SELECT ?").toArray()),
        attempt(() => sql.exec("SELECT ?", 1, 2).toArray()),
        attempt(() => sql.exec("SELECT ?", Symbol("x") as never).toArray()),
      ],
      // An error in one statement undoes that one; those before it stay.
      partly: () => [
        attempt(() => sql.exec("INSERT INTO animals (name) VALUES ('eel'); INSERT INTO animals (name) VALUES ('eel')").toArray()),
        all("SELECT count(*) AS eels FROM animals WHERE name = 'eel'"),
        attempt(() => sql.exec("INSERT INTO animals (name) VALUES ('newt'), ('bär')").toArray()),
        all("SELECT count(*) AS newts FROM animals WHERE name = 'newt'"),
      ],
      rollback: () => [
        attempt(() => this.ctx.storage.transactionSync(() => {
          sql.exec("UPDATE animals SET weight = 1000");
          sql.exec("DELETE FROM animals WHERE id = 1");
          throw new RangeError("too heavy");
        })),
        all("SELECT id, weight FROM animals WHERE weight = 1000 OR id = 1"),
        this.ctx.storage.transactionSync(() => {
          sql.exec("UPDATE animals SET weight = 2 WHERE id = 2");
          return "its value";
        }),
        all("SELECT weight FROM animals WHERE id = 2"),
      ],
      nested: () => [
        this.ctx.storage.transactionSync(() => {
          sql.exec("UPDATE animals SET weight = 3 WHERE id = 2");
          const inner = attempt(() => this.ctx.storage.transactionSync(() => {
            sql.exec("UPDATE animals SET weight = 4 WHERE id = 2");
            throw new Error("inner");
          }));
          return inner;
        }),
        all("SELECT weight FROM animals WHERE id = 2"),
      ],
      // A cursor that is still open while the table changes.
      open: () => {
        const cursor = sql.exec("SELECT id FROM animals ORDER BY id");
        const first = cursor.next().value;
        sql.exec("INSERT INTO t VALUES (99)");
        return [first, cursor.toArray().length > 0];
      },
      pragma: () => [
        attempt(() => sql.exec("PRAGMA table_list").toArray().some((row) => row.name === "animals")),
        attempt(() => sql.exec("PRAGMA table_info(animals)").toArray().map((row) => row.name)),
        attempt(() => sql.exec("PRAGMA foreign_keys").toArray()),
        attempt(() => sql.exec("PRAGMA journal_mode = DELETE").toArray()),
      ],
      foreign: () => {
        sql.exec("CREATE TABLE IF NOT EXISTS owners (id INTEGER PRIMARY KEY, animal INTEGER REFERENCES animals (id))");
        return attempt(() => sql.exec("INSERT INTO owners (animal) VALUES (12345)").toArray());
      },
      blob: () => {
        const bytes = new Uint8Array(1_000_000).map((_, n) => n % 251);
        sql.exec("UPDATE animals SET picture = ? WHERE id = 1", bytes);
        const back = new Uint8Array(sql.exec("SELECT picture FROM animals WHERE id = 1").one().picture as ArrayBuffer);
        return [back.length, back.every((byte, n) => byte === n % 251)];
      },
      size: () => [typeof sql.databaseSize, sql.databaseSize > 1_000_000, sql.databaseSize % 4096],
      gone: async () => {
        await this.ctx.storage.put("key", "value");
        await this.ctx.storage.deleteAll();
        return [attempt(() => sql.exec("SELECT * FROM animals").toArray()), (await this.ctx.storage.get("key")) ?? null];
      },
    };
    if (!(part in parts)) return new Response("what?", { status: 404 });
    return Response.json(show(await parts[part]()));
  }
}

export default {
  fetch: (request: Request, env: Env) => env.BASES.getByName("one").fetch(request),
} satisfies ExportedHandler<Env>;
