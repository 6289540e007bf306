// What the language has in workerd, and not in every Node.
import { DurableObject } from "cloudflare:workers";

interface Env {
  ROOMS: DurableObjectNamespace<Room>;
}

const failure = (what: () => unknown): unknown => {
  try {
    return what();
  } catch (error) {
    return `throws ${(error as Error).name}`;
  }
};

const parts: Record<string, () => unknown> = {
  async promises() {
    const { promise, resolve } = Promise.withResolvers<number>();
    resolve(1);
    const bad = Promise.withResolvers<number>();
    bad.reject(new RangeError("no"));
    const thrown = await Promise.try(() => {
      throw new TypeError("at once");
    }).catch((error: Error) => error.name);
    const signal = AbortSignal.any([AbortSignal.abort("one"), new AbortController().signal]);
    return [await promise, await bad.promise.catch((error: Error) => error.name), await Promise.try((a: number, b: number) => a + b, 1, 2),
      thrown, signal.aborted, signal.reason];
  },
  async arrays() {
    const numbers = [3, 1, 2];
    async function* later(): AsyncGenerator<number> {
      yield* numbers;
    }
    return [await Array.fromAsync(later()), await Array.fromAsync([Promise.resolve(1), 2], (value: number) => value * 2),
      await Array.fromAsync({ length: 2, 0: "a", 1: "b" }), numbers.toSorted(), numbers.toReversed(), numbers.toSpliced(1, 1, 9, 9),
      numbers.with(-1, 7), numbers, failure(() => numbers.with(3, 0)), Object.keys(Array.prototype)];
  },
  maps() {
    const words = ["one", "two", "three"];
    const byLength = Map.groupBy(words, (word) => word.length);
    const map = new Map([["a", 1]]);
    const weak = new WeakMap();
    return [Object.groupBy(words, (word) => word.length), Object.getPrototypeOf(Object.groupBy([], String)), [...byLength],
      map.getOrInsert("a", 2), map.getOrInsert("b", 2), map.getOrInsertComputed("c", (key) => key + key),
      weak.getOrInsertComputed(map, () => "made"), weak.getOrInsertComputed(map, () => "again"), [...map]];
  },
  sets() {
    const small = new Set([1, 2, 3]);
    const large = new Set([3, 2, 5, 6]);
    return [[...small.union(large)], [...small.intersection(large)], [...large.intersection(new Set([5, 3, 2, 9, 10]))], [...small.difference(large)],
      [...small.symmetricDifference(large)], small.isSubsetOf(new Set([1, 2, 3, 4])), small.isSupersetOf(new Set([1])),
      small.isDisjointFrom(large), small.isDisjointFrom(new Set([9])), [...small.union(new Map([[7, "seven"]]))]];
  },
  iterators() {
    const values = () => new Map([["a", 1], ["b", 2], ["c", 3]]).values();
    function* numbers(): Generator<number> {
      yield* [1, 2, 3, 4];
    }
    return [values().map((value) => value * 2).toArray(), [...values().filter((value) => value !== 2)], [...numbers().take(2)], [...numbers().drop(3)],
      [...numbers().flatMap((value) => [value, -value])], numbers().reduce((sum, value) => sum + value), numbers().reduce((sum, value) => sum + value, 10),
      values().some((value) => value > 2), values().every((value) => value > 2), values().find((value) => value > 1), numbers().find((value) => value > 9) ?? "none",
      Iterator.from({ next: () => ({ done: true, value: 0 }) }).toArray(), numbers() instanceof Iterator, failure(() => numbers().take(-1)),
      failure(() => [].values().reduce((sum: number) => sum))];
  },
  lazy() {
    const steps: string[] = [];
    function* numbers(): Generator<number> {
      try {
        for (let i = 0; ; i++) {
          steps.push(`makes ${i}`);
          yield i;
        }
      } finally {
        steps.push("closed");
      }
    }
    const even = numbers().filter((value) => value % 2 === 0).map((value) => `even ${value}`);
    steps.push("begins");
    for (const word of even.take(2)) steps.push(word);
    const first = numbers();
    first.find((value) => value === 1);
    return [steps, first.next().done];
  },
  bytes() {
    const all = new Uint8Array([0, 250, 251, 252, 255, 62, 63]);
    const target = new Uint8Array(4);
    const buffer = new Uint8Array([1, 2, 3]).buffer;
    const moved = buffer.transfer();
    return [all.toBase64(), all.toBase64({ alphabet: "base64url", omitPadding: true }), all.toHex(), [...Uint8Array.fromBase64("AP r7\n/A==")],
      [...Uint8Array.fromBase64("-_-_", { alphabet: "base64url" })], [...Uint8Array.fromBase64("QQ")], [...Uint8Array.fromHex("00Ff10")],
      failure(() => Uint8Array.fromBase64("a")), failure(() => Uint8Array.fromBase64("-_-_")), failure(() => Uint8Array.fromHex("0")),
      failure(() => Uint8Array.fromHex("zz")), target.setFromHex("0102"), [...target], buffer.byteLength, [...new Uint8Array(moved)],
      [...new Uint8Array(moved.transfer(5))]];
  },
  text() {
    return [RegExp.escape("a.b*c (d) [e] {f} |g| ^h$ \\ / - , = < > # & ! % : ; @ ~ ' ` \" \n\t\u2028 x1 _"), RegExp.escape("1st"), RegExp.escape("\ud800 ü"),
      Error.isError(new TypeError("x")), Error.isError({ name: "Error", message: "" }), "a\ud800".isWellFormed(), "ab".isWellFormed(),
      "a\ud800b".toWellFormed() === "a\ufffdb"];
  },
  urls() {
    return [URL.canParse("http://a/b"), URL.canParse("b"), URL.canParse("b", "http://a/"), URL.parse("b", "http://a/")?.href, URL.parse("b")];
  },
};

export class Room extends DurableObject<Env> {
  // Objects see the same as the Worker.
  async grouped(): Promise<unknown> {
    await this.ctx.storage.put({ a: 1, b: 2, c: 3 });
    const entries = await this.ctx.storage.list<number>();
    return [entries.values().filter((value) => value > 1).toArray(), new Set(entries.keys()).isSupersetOf(new Set(["a"]))];
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const { pathname } = new URL(request.url);
    if (pathname === "/object") return Response.json(await env.ROOMS.getByName("one").grouped());
    return Response.json(await parts[pathname.slice(1)]());
  },
} satisfies ExportedHandler<Env>;
