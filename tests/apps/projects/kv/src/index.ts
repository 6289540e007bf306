// storage.kv: the same keys as storage.get and storage.put, without a promise.
import { DurableObject } from "cloudflare:workers";

interface Env {
  SHELVES: DurableObjectNamespace<Shelf>;
}

export class Shelf extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const { kv } = this.ctx.storage;
    const storage = this.ctx.storage;
    switch (new URL(request.url).pathname) {
      case "/basic": {
        kv.put("a", { n: 1, when: new Date(0), map: new Map([["k", 1n]]) });
        const a = kv.get<{ n: number; when: Date; map: Map<string, bigint> }>("a")!;
        kv.put("b", "two");
        const missing = kv.get("nothing");
        return Response.json([a.n, a.when.toISOString(), String(a.map.get("k")), missing === undefined, kv.delete("b"), kv.delete("b")]);
      }
      case "/shared":
        kv.put("x", 1);
        await storage.put("y", 2);
        return Response.json([await storage.get("x"), kv.get("y")]);
      case "/list":
        for (const key of ["l/1", "l/2", "l/3", "m"]) kv.put(key, key.toUpperCase());
        return Response.json([
          [...kv.list({ prefix: "l/" })],
          [...kv.list({ start: "l/2", limit: 2 })].map(([key]) => key),
          [...kv.list({ prefix: "l/", reverse: true })].map(([key]) => key),
          [...kv.list({ startAfter: "l/1", end: "m" })].map(([key]) => key),
        ]);
      case "/undone": {
        let caught = "";
        try {
          storage.transactionSync(() => {
            kv.put("x", 1000);
            kv.delete("y");
            throw new Error("no");
          });
        } catch (error) {
          caught = (error as Error).message;
        }
        return Response.json([caught, kv.get("x"), kv.get("y")]);
      }
      case "/large": {
        // A key and its value may take two megabytes.
        const sizes = [];
        for (const size of [100_000, 200_000, 1_900_000]) {
          kv.put("large", new Uint8Array(size).fill(size % 255));
          const back = kv.get<Uint8Array>("large")!;
          sizes.push([back.length, back.every((byte) => byte === size % 255)]);
        }
        return Response.json(sizes);
      }
    }
    return Response.json([kv.get("x"), kv.get("y"), [...kv.list()].length, kv.get<Uint8Array>("large")?.length]);
  }
}

export default {
  fetch: (request: Request, env: Env) => env.SHELVES.getByName("shelf").fetch(request),
} satisfies ExportedHandler<Env>;
