// What can be passed by RPC, as an argument, as a result, and inside of others; and what is refused.
import { DurableObject } from "cloudflare:workers";

interface Env {
  TAKER: DurableObjectNamespace<Taker>;
}

class Point {
  constructor(public x: number, public y: number) {}
}

async function text(stream: ReadableStream): Promise<string> {
  return new Response(stream).text();
}

function streamOf(words: string): ReadableStream {
  return new Response(words).body!;
}

// Each makes a value.
const makers: Record<string, (env: Env) => unknown> = {
  "undefined": () => undefined,
  "-0": () => -0,
  "NaN": () => NaN,
  "bigint": () => 12n ** 30n,
  "date": () => new Date(5),
  "regexp": () => /a+b/gi,
  "map": () => new Map<unknown, unknown>([[1, "one"], ["self", { a: [1, , 3] }]]),
  "set": () => new Set([1, "1"]),
  "array buffer": () => new Uint8Array([1, 2, 3]).buffer,
  "part of a buffer": () => new Uint8Array([1, 2, 3, 4]).subarray(1, 3),
  "data view": () => new DataView(new Uint8Array([9, 8]).buffer, 1),
  "circle": () => {
    const circle: { itself?: unknown } = {};
    circle.itself = circle;
    return circle;
  },
  "no prototype": () => Object.assign(Object.create(null), { a: 1 }),
  "boxed": () => Object("text"),
  "error": () => new Error("words"),
  "range error": () => new RangeError("words", { cause: "because" }),
  "error with fields": () => Object.assign(new TypeError("words"), { code: 7, deep: { a: 1 } }),
  "own error": () => {
    class OwnError extends Error {
      name = "OwnError";
    }
    return new OwnError("words");
  },
  "dom exception": () => new DOMException("words", "AbortError"),
  "aggregate error": () => new AggregateError([new Error("inner")], "words"),
  "headers": () => new Headers([["a", "1"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]]),
  "request": () => new Request("http://example.com/path", { method: "POST", body: "a body", headers: { a: "b" } }),
  "response": () => new Response("a body", { status: 418, headers: { a: "b" } }),
  "stream": () => streamOf("a stream"),
  "headers inside": () => ({ deep: [new Headers({ a: "b" })] }),
  "request inside": () => ({ request: new Request("http://example.com/") }),
  "response inside": () => new Map([["response", new Response("a body")]]),
  "stream inside": () => ({ name: "file", body: streamOf("a stream") }),
  "stream twice": () => {
    const body = streamOf("a stream");
    return [body, body];
  },
  "url": () => new URL("http://example.com/"),
  "search params": () => new URLSearchParams("a=b"),
  "form data": () => new FormData(),
  "blob": () => new Blob(["x"]),
  "abort signal": () => new AbortController().signal,
  "event": () => new Event("x"),
  "socket": () => new WebSocketPair()[0],
  "instance": () => new Point(1, 2),
  "instance inside": () => ({ deep: [new Point(1, 2)] }),
  "map of its own class": () => new (class Own extends Map {})([["a", 1]]),
  "array of its own class": () => new (class Own extends Array {})(1, 2, 3),
  "symbol": () => Symbol("x"),
  "weak map": () => new WeakMap(),
  "promise inside": () => ({ later: Promise.resolve(1) }),
  "id": (env) => env.TAKER.newUniqueId(),
  "namespace": (env) => env.TAKER,
  "generator": () => (function* () {})(),
  "getter": () => ({ get a() { return 1; } }),
  "transform stream": () => new TransformStream(),
};

async function describe(value: unknown): Promise<unknown> {
  if (value instanceof Response) return ["Response", value.status, value.headers.get("a"), await value.text()];
  if (value instanceof Request) return ["Request", value.method, value.url, value.headers.get("a"), await value.text()];
  if (value instanceof Headers) return ["Headers", value.get("a"), value.getSetCookie()];
  if (value instanceof ReadableStream) return ["ReadableStream", value.locked ? "locked" : await text(value)];
  if (value instanceof DOMException) return ["DOMException", value.name, value.message];
  if (value instanceof Error) {
    const { name, message, cause } = value;
    const fields: Record<string, unknown> = { ...value };
    // An id of 64 digits, where there is one.
    if (fields.durableObjectId) fields.durableObjectId = String(fields.durableObjectId).length;
    return [Object.getPrototypeOf(value).constructor.name, name, message, cause ?? null, fields, typeof value.stack];
  }
  if (value instanceof Map) {
    const entries = [];
    for (const [key, one] of value) entries.push([await describe(key), await describe(one)]);
    return ["Map", value.constructor === Map, entries];
  }
  if (value instanceof Set) return ["Set", [...value]];
  if (value instanceof Date) return ["Date", value.getTime()];
  if (value instanceof RegExp) return ["RegExp", String(value)];
  if (value instanceof ArrayBuffer) return ["ArrayBuffer", [...new Uint8Array(value)]];
  if (ArrayBuffer.isView(value)) return [value.constructor.name, [...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]];
  if (Array.isArray(value)) return Promise.all(value.map(describe));
  if (typeof value === "object" && value !== null) {
    if ("itself" in value) return value.itself === value ? "a circle" : "no circle";
    const fields: Record<string, unknown> = {};
    for (const [key, one] of Object.entries(value)) fields[key] = await describe(one);
    return { ...fields, "()": value.constructor === Object ? "Object" : value.constructor?.name ?? null };
  }
  return Object.is(value, -0) ? "-0" : typeof value === "number" || typeof value === "bigint" || value === undefined ? String(value) : value;
}

export class Taker extends DurableObject<Env> {
  take(value: unknown): Promise<unknown> {
    return describe(value);
  }
  give(name: string): unknown {
    return makers[name](this.env);
  }
  async throw(name: string): Promise<void> {
    throw makers[name](this.env);
  }
}

async function attempt(action: () => Promise<unknown>): Promise<unknown> {
  try {
    return await action();
  } catch (error) {
    return `refused: ${(error as Error)?.name}`;
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const url = new URL(request.url);
    const name = decodeURIComponent(url.pathname.slice(1));
    if (name === "names") return Response.json(Object.keys(makers));
    const taker = env.TAKER.getByName("one") as any;
    const taken = await attempt(async () => taker.take(makers[name](env)));
    const given = await attempt(async () => describe(await taker.give(name)));
    if (url.searchParams.has("thrown")) {
      const thrown = await taker.throw(name).catch((error: unknown) => error);
      return Response.json([await describe(thrown), thrown.remote ?? null]);
    }
    return new Response(JSON.stringify(taken) === JSON.stringify(given) ? JSON.stringify(taken)
      : `${JSON.stringify(taken)} as an argument, ${JSON.stringify(given)} as a result`);
  },
} satisfies ExportedHandler<Env>;
