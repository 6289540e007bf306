// Facets: objects within an object, each with a storage of its own.
import { DurableObject } from "cloudflare:workers";

interface Env {
  HOUSES: DurableObjectNamespace<House>;
}

let built = 0;

export class Room extends DurableObject<Env> {
  number = ++built;

  async increment(): Promise<number> {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }

  who() { return [String(this.ctx.id), this.ctx.props]; }

  keys() { return this.ctx.storage.list().then((all) => [...all.keys()]); }

  fails() { throw new RangeError("in the room"); }

  sql(query: string) { return this.ctx.storage.sql.exec(query).toArray(); }

  kv(key: string, value?: unknown) {
    if (value !== undefined) this.ctx.storage.kv.put(key, value);
    return [...this.ctx.storage.kv.list()];
  }

  undone() {
    try {
      this.ctx.storage.transactionSync(() => {
        this.ctx.storage.kv.put("undone", 1);
        throw new Error("no");
      });
    } catch (error) {
      return [(error as Error).message, this.ctx.storage.kv.get("undone") === undefined];
    }
  }

  async alarms() {
    const none = await this.ctx.storage.getAlarm();
    await this.ctx.storage.deleteAlarm();
    return none;
  }

  alarm() {}

  reset() { return this.ctx.storage.deleteAll(); }

  stop() { this.ctx.abort("by itself"); }

  inner(name: string) { return this.ctx.facets.get(name, () => ({ class: this.ctx.exports.Room })) as any; }

  deep(left: number): Promise<number> { return left === 0 ? this.increment() : this.inner("in").deep(left - 1); }

  async fetch(request: Request): Promise<Response> {
    return new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`, { status: 203 });
  }
}

export class House extends DurableObject<Env> {
  room(name: string, options: object = {}, asked: () => void = () => {}) {
    return this.ctx.facets.get(name, () => {
      asked();
      return { class: this.ctx.exports.Room, ...options };
    }) as any;
  }

  async tried(action: () => unknown) {
    try {
      return await action();
    } catch (error) {
      return `throws ${(error as Error).name}`;
    }
  }

  steps: Record<string, () => unknown> = {
    count: async () => {
      await this.ctx.storage.put("count", "mine");
      const one = this.room("one");
      return [await one.increment(), await one.increment(), await this.room("one").increment(), await this.room("two").increment(),
        await this.ctx.storage.get("count"), await one.keys(), [...(await this.ctx.storage.list()).keys()]];
    },
    again: async () => [await this.room("one").increment(), await this.room("two").increment()],
    named: async () => {
      const [own, none] = await this.room("three").who();
      return [await this.room("named", { id: "abc" }).who(), own === this.ctx.id.toString(), none];
    },
    asked: async () => {
      let asked = 0;
      const one = this.room("asked", {}, () => asked++);
      const before = asked;
      await one.increment();
      await this.room("asked", {}, () => asked++).increment();
      return [before, asked];
    },
    failing: async () => [await this.tried(() => this.room("one").fails()), await this.tried(() => this.room("one").nothing()),
      await this.room("one").increment()],
    aborted: async () => {
      const one = this.room("one");
      await one.increment();
      this.ctx.facets.abort("one", new TypeError("enough"));
      const said = await one.increment().catch((error: Error) => error.message);
      return [said, await this.room("one").increment()];
    },
    itself: async () => {
      const said = await this.room("one").stop().catch((error: Error) => error.message);
      return [said, await this.room("one").increment()];
    },
    deleted: async () => {
      const one = this.room("one");
      await one.increment();
      this.ctx.facets.delete("one");
      this.ctx.facets.delete("never there");
      const said = await one.increment().catch((error: Error) => error.message);
      return [said, await this.room("one").increment()];
    },
    sql: async () => {
      const one = this.room("sql");
      await one.sql("CREATE TABLE IF NOT EXISTS t (n)");
      await one.sql("INSERT INTO t VALUES (7)");
      this.ctx.storage.sql.exec("CREATE TABLE IF NOT EXISTS t (n)");
      return [await one.sql("SELECT count(*) AS n FROM t"), this.ctx.storage.sql.exec("SELECT count(*) AS n FROM t").toArray()];
    },
    kv: async () => [await this.room("kv").kv("a", 1), await this.room("kv").undone(), await this.room("kv").alarms()],
    deep: async () => [await this.room("deep").deep(2), await this.room("deep").deep(2), await this.tried(() => this.room("deep").deep(3))],
    gone: async () => {
      this.ctx.facets.delete("deep");
      return this.room("deep").deep(2);
    },
    emptied: async () => {
      const deep = this.room("deep");
      await deep.increment();
      await deep.reset();
      return [await deep.keys(), await deep.increment()];
    },
    wrong: async () => [
      await this.tried(() => this.ctx.facets.get("x".repeat(257), () => ({ class: this.ctx.exports.Room }))),
      await this.tried(() => this.ctx.facets.abort("x".repeat(257), new Error("x"))),
      await this.tried(() => this.ctx.facets.delete("x".repeat(257))),
      await this.tried(() => (this.ctx.facets as any).get("x")),
    ],
    nothing: async () => [await this.tried(() => (this.ctx.facets.get("x", () => ({ class: "Room" }) as any) as any).increment())],
    unready: async () => [
      await this.tried(() => (this.ctx.facets.get("y", () => { throw new SyntaxError("no"); }) as any).increment()),
    ],
    fetched: async () => {
      const response = await this.room("one").fetch("http://room/path", { method: "POST", body: "body" });
      return [response.status, await response.text()];
    },
    all: async () => {
      await this.ctx.storage.deleteAll();
      return null;
    },
    after: async () => [await this.room("two").increment(), [...(await this.ctx.storage.list()).keys()]],
  };

  async fetch(request: Request): Promise<Response> {
    return Response.json((await this.steps[new URL(request.url).pathname.slice(1)]()) ?? null);
  }
}

export default {
  fetch: (request: Request, env: Env) => env.HOUSES.getByName("house").fetch(request),
} satisfies ExportedHandler<Env>;
