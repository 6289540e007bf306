// storage by key: get, put and delete of one and of many, list with all its options, kinds of values.
import { DurableObject } from "cloudflare:workers";

interface Env {
  STORES: DurableObjectNamespace<Store>;
}

const KEYS = ["a", "a/1", "a/10", "a/2", "b", "B", "ä", "~", "🦔", "\uffee"];

const attempt = async (what: () => Promise<unknown>): Promise<unknown> => {
  try {
    return await what();
  } catch (error) {
    return `throws ${(error as Error).name}`;
  }
};

const show = (value: unknown): unknown =>
  value instanceof Map ? { map: [...value] } : value === undefined ? "undefined" : value;

export class Store extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const storage = this.ctx.storage;
    const options = JSON.parse(url.searchParams.get("with") ?? "{}");
    switch (url.pathname) {
      case "/fill":
        await storage.deleteAll();
        await storage.put(Object.fromEntries(KEYS.map((key, number) => [key, number])));
        return Response.json(KEYS.length);
      case "/list":
        return Response.json(await attempt(async () => [...(await storage.list(options)).keys()]));
      case "/get":
        return Response.json(show(await attempt(() => storage.get(options))));
      case "/delete":
        return Response.json(await attempt(() => storage.delete(options)));
      case "/put":
        return Response.json(show(await attempt(() => storage.put(options.key, options.value))));
      case "/values": {
        const value = { map: new Map([[{ k: 1 }, new Set([1n])]]), date: new Date(5), bytes: new Uint8Array([7, 8]), none: undefined, nan: NaN };
        await storage.put("value", value);
        value.bytes[0] = 0; // a copy was stored
        const back = (await storage.get<typeof value>("value"))!;
        back.bytes[1] = 0; // and a copy comes out
        const again = (await storage.get<typeof value>("value"))!;
        const [key, set] = [...again.map][0];
        return Response.json([key, [...set].map(String), again.date.getTime(), [...again.bytes], "none" in again, Number.isNaN(again.nan)]);
      }
      case "/wrong": {
        const wrong: Record<string, () => Promise<unknown>> = {
          "put undefined": () => storage.put("x", undefined),
          "put function": () => storage.put("x", () => 1),
          "key of 2048": () => storage.put("k".repeat(2048), 1),
          "get 128 keys": async () => (await storage.get(Array.from({ length: 128 }, (_, n) => `n${n}`))).size,
          "put 128 keys": () => storage.put(Object.fromEntries(Array.from({ length: 128 }, (_, n) => [`n${n}`, n]))),
          "value of 100 KB": () => storage.put("big", "x".repeat(100_000)),
          "big": async () => (await storage.get<string>("big"))?.length,
          "empty key": () => storage.put("", "empty"),
          "get empty key": () => storage.get(""),
        };
        const said: Record<string, unknown> = {};
        for (const [name, what] of Object.entries(wrong)) said[name] = show(await attempt(what));
        return Response.json(said);
      }
      case "/changes": {
        // What is written is seen before it is durable.
        storage.put("c/1", 1);
        storage.put("c/2", 2);
        storage.delete("c/1");
        const listed = [...(await storage.list({ prefix: "c/" }))];
        const deleted = await storage.delete(["c/1", "c/2", "c/3"]);
        await storage.sync();
        return Response.json([listed, deleted, await storage.get("c/2") ?? null]);
      }
    }
    return new Response("what?", { status: 404 });
  }
}

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    return env.STORES.get(env.STORES.idFromName("one")).fetch(request);
  },
};
