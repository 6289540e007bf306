// Methods of an object, called by the Worker: values, exceptions, what is no method, several calls at once.
import { DurableObject } from "cloudflare:workers";

interface Env {
  CALLEES: DurableObjectNamespace<Callee>;
}

class Own extends Error {
  name = "Own";
  code = 42;
}

export class Callee extends DurableObject<Env> {
  property = "a property";
  private calls = 0;
  #secret = "secret";

  add(a: number, b: number): number {
    return a + b;
  }
  async echo(value: unknown): Promise<unknown> {
    return value;
  }
  kinds(value: { map: Map<string, unknown>; date: Date; bytes: Uint8Array; set: Set<number>; big: bigint; none: undefined }): string[] {
    return [value.map instanceof Map, value.date instanceof Date, value.bytes instanceof Uint8Array, value.set instanceof Set,
      typeof value.big, "none" in value, value.map.get("list")].map(String);
  }
  change(list: number[]): number[] {
    list.push(99);
    return list;
  }
  nothing(): void {}
  async later(ms: number): Promise<number> {
    await new Promise((resolve) => setTimeout(resolve, ms));
    return ms;
  }
  fail(kind: string): never {
    if (kind === "type") throw new TypeError("of that type");
    if (kind === "own") throw new Own("my own");
    if (kind === "string") throw "only a string";
    throw new Error("plain");
  }
  async failLater(): Promise<never> {
    await this.ctx.storage.put("before", "it failed");
    throw new RangeError("later");
  }
  before(): Promise<unknown> {
    return this.ctx.storage.get("before");
  }
  count(): number {
    return ++this.calls;
  }
  large(size: number): Uint8Array {
    return new Uint8Array(size).fill(7);
  }
  size(bytes: Uint8Array): number {
    return bytes.length;
  }
  stream(): ReadableStream {
    return new Blob(["streamed ", "text"]).stream();
  }
  response(): Response {
    return new Response("a response", { status: 418, headers: { "x-kind": "tea" } });
  }
  secret(): string {
    return this.#secret;
  }
  who(): string {
    return `${this.ctx.id.name} ${this.env.CALLEES.idFromName("me").equals(this.ctx.id)}`;
  }
}

const attempt = async (what: () => unknown): Promise<unknown> => {
  try {
    return await what();
  } catch (error) {
    if (!(error instanceof Error)) return { thrown: error };
    const { remote, retryable, overloaded } = error as Error & { remote?: boolean; retryable?: boolean; overloaded?: boolean };
    return { name: error.name, message: error.message, remote: remote ?? false, retryable: retryable ?? false, overloaded: overloaded ?? false };
  }
};
const nameOnly = async (what: () => unknown): Promise<unknown> => {
  const said = await attempt(what);
  return said && typeof said === "object" && "name" in said ? { name: (said as { name: string }).name } : said;
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const stub = env.CALLEES.getByName("me");
    const anything = stub as unknown as Record<string, (...args: unknown[]) => Promise<unknown>>;
    const cyclic: Record<string, unknown> = { name: "cycle" };
    cyclic.self = cyclic;
    const parts: Record<string, () => unknown> = {
      "/add": () => stub.add(2, 3),
      "/kinds": () => stub.kinds({ map: new Map<string, unknown>([["list", [1, 2]]]), date: new Date(0), bytes: new Uint8Array(2), set: new Set([1]), big: 1n, none: undefined }),
      "/back": async () => {
        const back = (await stub.echo(new Map<string, unknown>([["d", new Date(1)], ["b", 2n ** 70n]]))) as Map<string, unknown>;
        return [back instanceof Map, (back.get("d") as Date).getTime(), String(back.get("b"))];
      },
      "/cycle": async () => {
        const back = (await stub.echo(cyclic)) as typeof cyclic;
        return [back.self === back, back === cyclic];
      },
      "/copy": async () => {
        const mine = [1];
        return [await stub.change(mine), mine];
      },
      "/nothing": async () => [(await stub.nothing()) === undefined, (await stub.echo(null)) === null],
      "/error-value": async () => {
        const back = (await stub.echo(new RangeError("as a value"))) as Error;
        return [back instanceof Error, back.name, back.message];
      },
      "/fail": () => Promise.all(["plain", "type"].map((kind) => attempt(() => stub.fail(kind)))),
      "/fail-own": async () => ((await attempt(() => stub.fail("own"))) as Error).message.includes("my own"),
      "/fail-later": async () => [await attempt(() => stub.failLater()), await stub.before()],
      "/missing": () => nameOnly(() => anything.missing(1)),
      "/secret": async () => [await stub.secret(), await nameOnly(() => anything["#secret"]())],
      "/no-arguments-of-a-kind": () => nameOnly(() => stub.echo(Symbol("x"))),
      "/order": async () => {
        const first = await stub.count();
        const values = await Promise.all(Array.from({ length: 20 }, () => stub.count()));
        return values.map((value) => value - first);
      },
      "/together": async () => {
        const begun = Date.now();
        const values = await Promise.all([stub.later(300), stub.later(299), stub.later(298)]);
        return [values, Date.now() - begun < 800];
      },
      "/large": async () => [(await stub.large(1_000_000)).length, await stub.size(new Uint8Array(1_000_000))],
      "/stream": async () => new Response(await stub.stream()).text(),
      "/response": async () => {
        const response = await stub.response();
        return [response.status, response.headers.get("x-kind"), await response.text()];
      },
      "/who": () => stub.who(),
      // A stub is no promise: awaiting it gives the stub.
      "/await": async () => (await (stub as unknown as Promise<typeof stub>)).add(1, 1),
      "/other": async () => [await env.CALLEES.getByName("you").who(), stub.name, env.CALLEES.getByName("you").id.name],
      "/uncaught": () => {
        throw new Error("use /uncaught-too");
      },
    };
    const { pathname } = new URL(request.url);
    if (pathname === "/uncaught-too") return Response.json(await stub.fail("plain"));
    return Response.json((await parts[pathname]()) ?? null);
  },
} satisfies ExportedHandler<Env>;
