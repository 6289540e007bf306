// Ids: by name, by string, unique; equal or not; what the object itself knows of its own.
import { DurableObject } from "cloudflare:workers";

interface Env {
  FIRST: DurableObjectNamespace<First>;
  SECOND: DurableObjectNamespace<Second>;
}

export class First extends DurableObject<Env> {
  about(): unknown {
    const { id } = this.ctx;
    return {
      name: id.name ?? "none", text: id.toString(), byName: id.name !== undefined && id.equals(this.env.FIRST.idFromName(id.name)),
      here: String(id) === id.toString(),
    };
  }
  put(value: string): void {
    this.ctx.storage.kv.put("value", value);
  }
  get(): string | null {
    return this.ctx.storage.kv.get<string>("value") ?? null;
  }
}
export class Second extends First {}

const named = (what: () => unknown): string => {
  try {
    what();
    return "well";
  } catch (error) {
    return `throws ${(error as Error).name}`;
  }
};

export default {
  async fetch(request: Request, env: Env): Promise<Response> {
    const a = env.FIRST.idFromName("a");
    const unique = env.FIRST.newUniqueId();
    switch (new URL(request.url).pathname) {
      case "/text":
        return Response.json([/^[0-9a-f]{64}$/.test(a.toString()), /^[0-9a-f]{64}$/.test(unique.toString()), JSON.stringify({ a }) !== "{}"]);
      case "/equal":
        return Response.json({
          "same name": a.equals(env.FIRST.idFromName("a")),
          "same text": a.toString() === env.FIRST.idFromName("a").toString(),
          "other name": a.equals(env.FIRST.idFromName("b")),
          "case": a.equals(env.FIRST.idFromName("A")),
          "other class": a.toString() === env.SECOND.idFromName("a").toString(),
          "from text": a.equals(env.FIRST.idFromString(a.toString())),
          "from text, other class": named(() => env.SECOND.idFromString(a.toString())),
          "two unique": unique.equals(env.FIRST.newUniqueId()),
          "unique from text": unique.equals(env.FIRST.idFromString(unique.toString())),
        });
      case "/names":
        return Response.json([a.name, unique.name ?? "none", env.FIRST.get(a).name, env.FIRST.get(unique).name ?? "none",
          env.FIRST.get(a).id.equals(a), env.FIRST.getByName("a").id.equals(a)]);
      case "/wrong":
        return Response.json(["", "zz", "a".repeat(63), "0".repeat(64), "g".repeat(64), a.toString() + "0"].map((text) => named(() => env.FIRST.idFromString(text))));
      case "/odd": {
        const names = ["", "a b/c?d", "häß 🦔", "x".repeat(1000), "\0"];
        const texts = new Set(names.map((name) => env.FIRST.idFromName(name).toString()));
        const back = await Promise.all(names.map(async (name) => ((await env.FIRST.getByName(name).about()) as { name: string }).name === name));
        return Response.json([texts.size, back]);
      }
      case "/given": {
        const given = [null, undefined, 5, { toString: () => "x" }] as unknown as string[];
        return Response.json([given.map((name) => env.FIRST.idFromName(name).name), env.FIRST.getByName(given[2]).name,
          env.FIRST.idFromName(given[0]).equals(env.FIRST.idFromName("null")),
          named(() => env.FIRST.idFromName(Symbol("x") as unknown as string)), named(() => (env.FIRST.idFromName as () => unknown)())]);
      }
      case "/about": {
        const own = (await env.FIRST.get(a).about()) as { text: string };
        const his = (await env.FIRST.get(unique).about()) as { text: string };
        return Response.json([{ ...own, text: own.text === a.toString() }, { ...his, text: his.text === unique.toString() }]);
      }
      case "/apart":
        await env.FIRST.getByName("a").put("first a");
        await env.FIRST.getByName("b").put("first b");
        await env.SECOND.getByName("a").put("second a");
        await env.FIRST.get(unique).put("unique");
        return Response.json([await env.FIRST.get(a).get(), await env.FIRST.getByName("b").get(), await env.SECOND.getByName("a").get(),
          await env.SECOND.getByName("b").get(), await env.FIRST.get(env.FIRST.idFromString(unique.toString())).get()]);
    }
    return new Response("what?", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
